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

    /// The ids of `word`, from memory or else from `encode`.
    func ids(of word: UnsafeBufferPointer<UInt8>, encode: (UnsafeBufferPointer<UInt8>) -> [Int32]) -> [Int32] {
        guard word.count <= Self.longestWord else { return encode(word) }
        let hash = XXH3_64bits(word.baseAddress, word.count)
        if let entry = lock.withLock({ entries[hash] }), entry.word.elementsEqual(word) { return entry.ids }
        let ids = encode(word)
        lock.withLock {
            if entries.count >= Self.capacity { entries.removeAll(keepingCapacity: true) }
            entries[hash] = (Array(word), ids)
        }
        return ids
    }
}
