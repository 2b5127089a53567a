import CXXHash
import Coding
import Synchronization

/// Remembers the ids of short words: a text repeats most of its words.
final class WordCache: Sendable {
    /// By hash; of two words with the same place the later one is kept. Some megabytes when full.
    private let entries = Mutex([(word: [UInt8], ids: [Int32])](repeating: ([], []), count: 1 << 15))

    private static let longestWord = 64

    static func takes(_ word: UnsafeBufferPointer<UInt8>) -> Bool { word.count <= longestWord }

    /// Appends the ids of `word`, from memory or else from the model.
    func append(
        _ word: UnsafeBufferPointer<UInt8>, of model: some WordModel, to ids: inout [Int32]
    ) throws(TextError) {
        guard Self.takes(word), !word.isEmpty else {
            ids += try model.encode(word)
            return
        }
        let hash = XXH3_64bits(word.baseAddress, word.count)
        let isKnown = entries.withLock { entries in
            let place = Int(hash % UInt64(entries.count))
            guard entries[place].word.hasSameBytes(as: word) else { return false }
            ids += entries[place].ids
            return true
        }
        if isKnown { return }
        let found = try model.encode(word)
        entries.withLock { $0[Int(hash % UInt64($0.count))] = (Array(word), found) }
        ids += found
    }
}
