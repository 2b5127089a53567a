import CXXHash
import Foundation

/// Remembers the ids of short words: a text repeats most of its words.
///
/// `@unchecked Sendable`: everything is behind one lock.
final class WordCache: @unchecked Sendable {
    private let lock = NSLock()
    /// By hash; of two words with the same place the later one is kept. Some megabytes when full.
    private var entries = [(word: [UInt8], ids: [Int32])](repeating: ([], []), count: 1 << 15)

    private static let longestWord = 64

    static func takes(_ word: UnsafeBufferPointer<UInt8>) -> Bool { word.count <= longestWord }

    /// The ids of `word`, from memory or else from `encode`.
    func ids(
        of word: UnsafeBufferPointer<UInt8>, encode: (UnsafeBufferPointer<UInt8>) throws(TextError) -> [Int32]
    ) throws(TextError) -> [Int32] {
        guard Self.takes(word), !word.isEmpty else { return try encode(word) }
        let place = Int(XXH3_64bits(word.baseAddress, word.count) % UInt64(entries.count))
        let entry = lock.withLock { entries[place] }
        if entry.word.elementsEqual(word) { return entry.ids }
        let ids = try encode(word)
        lock.withLock { entries[place] = (Array(word), ids) }
        return ids
    }
}
