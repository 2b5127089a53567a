import Coding
import Foundation

/// A unigram language model (Kudo 2018): of all ways to cut a word into pieces of the vocabulary, the one whose pieces'
/// scores, log-probabilities, have the highest sum.
final class UnigramModel: WordModel {
    let ids: [UTF8Key: Int32]
    let entries: [(spelling: [UInt8], id: Int32)]
    private let scores: [Double]
    private let pieces: PieceTrie
    /// What a character costs that no piece covers.
    private let unknownScore: Double
    private let unknown: Int32?
    /// With byte fallback, the ids of `<0x00>` … `<0xFF>`, nil where the vocabulary lacks one.
    private let byteFallback: [Int32?]?

    /// So much less likely than the least likely piece is an unknown character.
    private static let unknownPenalty = 10.0

    init(_ field: JSONField) throws {
        let vocabulary = try field.required("vocab").array()
        guard !vocabulary.isEmpty else { throw try field.required("vocab").fail("is empty") }
        var entries: [(spelling: [UInt8], id: Int32)] = []
        var scores: [Double] = []
        var ids: [UTF8Key: Int32] = [:]
        entries.reserveCapacity(vocabulary.count)
        ids.reserveCapacity(vocabulary.count)
        for (index, entry) in vocabulary.enumerated() {
            let pair = try entry.array()
            guard pair.count == 2, let score = pair[1].value.double, !score.isNaN else {
                throw entry.fail("must be a piece and its score")
            }
            let (spelling, id) = (try pair[0].bytes(), Int32(index))
            entries.append((spelling, id))
            scores.append(score)
            ids[UTF8Key(spelling)] = id
        }
        (self.ids, self.entries, self.scores) = (ids, entries, scores)
        pieces = PieceTrie(ids)
        unknownScore = (scores.min() ?? 0) - Self.unknownPenalty
        unknown = try field["unk_id"].map { field in
            let id = try field.integer()
            guard entries.indices.contains(id) else { throw field.fail("is \(id), which is not in model.vocab") }
            return Int32(id)
        }
        byteFallback =
            try field.flag("byte_fallback")
            ? (0..<256).map { ids[UTF8Key(WordModels.fallbackSpelling(of: UInt8($0)))] } : nil
    }

    func parts(of word: UnsafeBufferPointer<UInt8>) -> [Range<Int>] { [0..<word.count] }

    /// The best way to cut the word up to some place.
    private struct Path {
        var score = 0.0
        /// Where its last piece begins; negative while none is known.
        var start = -1
        var id: Int32 = -1
    }

    func encode(_ word: UnsafeBufferPointer<UInt8>) throws(TextError) -> [Int32] {
        let paths = try bestPaths(word)
        var spans: [Range<Int>] = []
        var wasUnknown = false
        var end = word.count
        while end > 0 {
            let path = paths[end]
            let isUnknown = path.id == unknown
            // Neighbours that are unknown become one.
            if isUnknown, wasUnknown, let last = spans.popLast() {
                spans.append(path.start..<last.upperBound)
            } else {
                spans.append(path.start..<end)
            }
            (wasUnknown, end) = (isUnknown, path.start)
        }
        var found: [Int32] = []
        found.reserveCapacity(spans.count)
        for span in spans.reversed() { try append(word, span, to: &found) }
        return found
    }

    private func bestPaths(_ word: UnsafeBufferPointer<UInt8>) throws(TextError) -> [Path] {
        var paths = [Path](repeating: Path(), count: word.count + 1)
        var start = 0
        while start < word.count {
            let length = word.scalar(at: start).length
            let score = paths[start].score
            var hasCharacter = false
            pieces.forEachPrefix(of: word, from: start) { end, id in
                hasCharacter = hasCharacter || end == start + length
                let sum = scores[Int(id)] + score
                if paths[end].start < 0 || sum > paths[end].score {
                    paths[end] = Path(score: sum, start: start, id: id)
                }
            }
            let end = start + length
            if !hasCharacter, case let sum = unknownScore + score, paths[end].start < 0 || sum > paths[end].score {
                guard let unknown else {
                    throw TextError(what: "the vocabulary lacks a character and has no token for unknown ones (unk_id)")
                }
                paths[end] = Path(score: sum, start: start, id: unknown)
            }
            start = end
        }
        return paths
    }

    /// The id of a piece, or what stands for unknown characters.
    private func append(
        _ word: UnsafeBufferPointer<UInt8>, _ span: Range<Int>, to found: inout [Int32]
    ) throws(TextError) {
        if let id = ids[UTF8Key(word[span])] {
            found.append(id)
            return
        }
        if let byteFallback {
            let bytes = word[span].compactMap { byteFallback[Int($0)] }
            if bytes.count == span.count {
                found += bytes
                return
            }
        }
        if let unknown { found.append(unknown) }
    }
}

/// The pieces of a vocabulary, found byte by byte.
private struct PieceTrie: Sendable {
    /// By node and byte, the node that follows.
    private let children: PairTable
    /// By node, the id of the piece that ends there; -1 for none.
    private let ids: [Int32]

    init(_ pieces: [UTF8Key: Int32]) {
        var children: [(left: Int32, right: Int32, value: Int32)] = []
        var ids: [Int32] = [-1]
        // In order, what a piece shares with the one before it is there already.
        var path: [Int32] = [0]
        var previous: [UInt8] = []
        for (piece, id) in pieces.sorted(by: { $0.key.bytes.lexicographicallyPrecedes($1.key.bytes) }) {
            let shared = zip(previous, piece.bytes).prefix { $0 == $1 }.count
            path.removeLast(path.count - 1 - shared)
            for byte in piece.bytes[shared...] {
                let node = Int32(ids.count)
                children.append((path[path.count - 1], Int32(byte), node))
                ids.append(-1)
                path.append(node)
            }
            if !piece.bytes.isEmpty { ids[Int(path[path.count - 1])] = id }
            previous = piece.bytes
        }
        (self.children, self.ids) = (PairTable(children), ids)
    }

    /// Calls `body` with the end and the id of every piece that begins at `start`, the shortest first.
    func forEachPrefix(of word: UnsafeBufferPointer<UInt8>, from start: Int, _ body: (Int, Int32) -> Void) {
        var node: Int32 = 0
        var index = start
        while index < word.count, let next = children[node, Int32(word[index])] {
            (node, index) = (next, index + 1)
            if ids[Int(node)] >= 0 { body(index, ids[Int(node)]) }
        }
    }
}
