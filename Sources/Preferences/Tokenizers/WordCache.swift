import CXXHash
import Foundation

/// Remembers the ids of short words: a text repeats most of its words.
///
/// `@unchecked Sendable`: everything is behind one lock.
final class WordCache: @unchecked Sendable {
    private let lock = NSLock()
    /// By hash; of two words with the same hash the later one is kept.
    private var entries: [UInt64: (word: [UInt8], ids: [Int32])] = [:]

    private static let longestWord = 64
    /// About 30 MB when full. Then the cache starts anew, so that it follows the text.
    private static let capacity = 1 << 17

    /// Appends the ids of `word` to `output`, from memory or else from `encode`.
    func append(
        _ word: UnsafeBufferPointer<UInt8>, to output: inout [Int32],
        encode: (UnsafeBufferPointer<UInt8>) -> [Int32]
    ) {
        guard word.count <= Self.longestWord else {
            output += encode(word)
            return
        }
        let hash = XXH3_64bits(word.baseAddress, word.count)
        if let entry = lock.withLock({ entries[hash] }), entry.word.elementsEqual(word) {
            output += entry.ids
            return
        }
        let ids = encode(word)
        output += ids
        lock.withLock {
            if entries.count >= Self.capacity { entries.removeAll(keepingCapacity: true) }
            entries[hash] = (Array(word), ids)
        }
    }
}
