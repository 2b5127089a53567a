import Coding

/// Byte-pair encoding (Sennrich et al. 2016): a word begins as single characters, and the adjacent pair that was
/// learned first is merged, again and again, the leftmost first among equals.
final class BytePairEncoding: WordModel {
    /// Token id of every spelling.
    let ids: [UTF8Key: Int32]
    var entries: [(spelling: [UInt8], id: Int32)] { ids.map { ($0.key.bytes, $0.value) } }
    /// Ids of the vocabulary's single characters.
    private let characters: CharacterTable
    /// Rank of each mergeable pair of ids; a low rank is merged first.
    private let ranks: PairTable
    /// By rank, the id that the merge gives.
    private let products: [Int32]
    private let unknown: Int32?
    /// A run of unknown characters becomes one unknown token.
    private let fusesUnknown: Bool
    /// With byte fallback, the ids of `<0x00>` … `<0xFF>`, nil where the vocabulary lacks one.
    private let byteFallback: [Int32?]?
    /// A word that is in the vocabulary is taken whole, whatever the merges say.
    private let ignoresMerges: Bool
    /// The characters that stand side by side where a merge joins two tokens; nil when a text cannot be cut between others.
    private let joined: PairTable?

    /// Reads the `model` of a tokenizer.json.
    init(_ field: JSONField) throws {
        for key in ["continuing_subword_prefix", "end_of_word_suffix"] {
            if let affix = field[key], try !affix.string().isEmpty {
                throw affix.unsupported("an affix of words", "models without one are")
            }
        }
        if let dropout = field["dropout"], dropout.value.double != 0 {
            throw dropout.unsupported("random dropout of merges", "models without it are")
        }
        fusesUnknown = try field.flag("fuse_unk")
        ignoresMerges = try field.flag("ignore_merges")

        var ids: [UTF8Key: Int32] = [:]
        var characters: [Unicode.Scalar: Int32] = [:]
        let vocabulary = try field.required("vocab").members()
        guard !vocabulary.isEmpty else { throw try field.required("vocab").fail("is empty") }
        ids.reserveCapacity(vocabulary.count)
        for (spelling, id) in vocabulary {
            let id = try id.tokenID()
            ids[UTF8Key(spelling)] = id
            if !spelling.isEmpty, spelling.scalar(at: 0).length == spelling.count {
                characters[spelling.scalar(at: 0).scalar] = id
            }
        }
        (self.ids, self.characters) = (ids, CharacterTable(characters))

        unknown = try field["unk_token"].map { token in
            if let id = ids[UTF8Key(try token.bytes())] { return id }
            throw token.fail("is \"\(try token.string())\", which is not in model.vocab")
        }
        let fallback = (0..<256).map { byte in ids[UTF8Key(WordModels.fallbackSpelling(of: UInt8(byte)))] }
        byteFallback = try field.flag("byte_fallback") ? fallback : nil

        var ranks: [(left: Int32, right: Int32, value: Int32)] = []
        var products: [Int32] = []
        var joined: [(left: Int32, right: Int32, value: Int32)] = []
        // Tokens that stand for no character of their spelling.
        let others = Set(fallback.compactMap(\.self) + [unknown].compactMap(\.self))
        var joinsOthers = false
        for merge in try field.required("merges").array() {
            guard let (left, right) = try Self.pair(merge) else { continue }
            func id(_ spelling: [UInt8]) throws -> Int32 {
                if let id = ids[UTF8Key(spelling)] { return id }
                throw merge.fail("names \"\(String(decoding: spelling, as: UTF8.self))\", which is not in model.vocab")
            }
            let (leftID, rightID) = (try id(left), try id(right))
            ranks.append((leftID, rightID, Int32(products.count)))
            products.append(try id(left + right))
            joinsOthers = joinsOthers || others.contains(leftID) || others.contains(rightID)
            // A merge of nothing with something never comes about.
            if !left.isEmpty, !right.isEmpty, let last = characters[left.scalar(before: left.count).scalar],
                let first = characters[right.scalar(at: 0).scalar]
            {
                joined.append((last, first, 1))
            }
        }
        (self.ranks, self.products) = (PairTable(ranks), products)
        self.joined = joinsOthers || ignoresMerges ? nil : PairTable(joined)
    }

    /// A merge is written `"a b"` or `["a", "b"]`; nil for the `#version` line of the former.
    private static func pair(_ merge: JSONField) throws -> (left: [UInt8], right: [UInt8])? {
        let parts: [[UInt8]]
        switch merge.value {
        case .string(let line):
            if line.starts(with: "#version".utf8) { return nil }
            parts = line.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: false).map(Array.init)
        default:
            parts = try merge.array().map { try $0.bytes() }
        }
        guard parts.count == 2 else { throw merge.fail("must name two tokens, not \(parts.count)") }
        return (parts[0], parts[1])
    }

    /// Cuts a word where no merge can join what stands on both sides, so that the parts, encoded one by one, give its ids:
    /// without a pre-tokenizer a whole text is one word, of parts that come again and again.
    func parts(of word: UnsafeBufferPointer<UInt8>) -> [Range<Int>] {
        guard let joined else { return [0..<word.count] }
        var parts: [Range<Int>] = []
        var (start, index) = (0, 0)
        var previous: Int32?
        while index < word.count {
            let (scalar, length) = word.scalar(at: index)
            let id = characters[scalar]
            // What is not in the vocabulary belongs to both sides: neighbours may become one unknown token.
            if let previous, let id, joined[previous, id] == nil {
                parts.append(start..<index)
                start = index
            }
            (previous, index) = (id, index + length)
        }
        return parts + [start..<word.count]
    }

    /// The ids of one word. Characters that neither vocabulary, byte fallback nor unknown token cover are left out.
    func encode(_ word: UnsafeBufferPointer<UInt8>) -> [Int32] {
        if ignoresMerges, let id = ids[UTF8Key(word)] { return [id] }
        var symbols: [Int32] = []
        symbols.reserveCapacity(word.count)
        var pendingUnknown: Int32?
        var index = 0
        while index < word.count {
            let (scalar, length) = word.scalar(at: index)
            defer { index += length }
            if let id = characters[scalar] {
                if let unknown = pendingUnknown { symbols.append(unknown) }
                pendingUnknown = nil
                symbols.append(id)
                continue
            }
            if let byteFallback {
                let fallback = word[index..<index + length].compactMap { byteFallback[Int($0)] }
                if fallback.count == length {
                    symbols += fallback
                    continue
                }
            }
            if let unknown {
                if pendingUnknown != nil && !fusesUnknown { symbols.append(unknown) }
                pendingUnknown = unknown
            }
        }
        if let unknown = pendingUnknown { symbols.append(unknown) }
        return merged(symbols)
    }

    /// A token of a word that is being merged, in a list linked by indices.
    private struct Symbol {
        var id: Int32
        var previous: Int32
        var next: Int32
        /// True once it has become part of the symbol before it.
        var isMerged = false
    }

    /// O(n log n) in the number of symbols: without a pre-tokenizer a whole text is one word.
    private func merged(_ ids: [Int32]) -> [Int32] {
        guard ids.count > 1 else { return ids }
        var queue = MinimumQueue()
        var symbols = ids.indices.map { index in
            let next = index + 1 < ids.count ? Int32(index + 1) : -1
            return Symbol(id: ids[index], previous: Int32(index - 1), next: next)
        }
        // A candidate is its rank and, below it, its position: the order in which merges are made.
        func propose(_ position: Int, _ symbols: [Symbol]) {
            let next = symbols[position].next
            guard next >= 0, let rank = ranks[symbols[position].id, symbols[Int(next)].id] else { return }
            queue.insert(UInt64(UInt32(bitPattern: rank)) << 32 | UInt64(position))
        }
        for position in symbols.indices { propose(position, symbols) }

        while let candidate = queue.removeMinimum() {
            let position = Int(candidate & 0xFFFF_FFFF)
            let product = products[Int(candidate >> 32)]
            let next = Int(symbols[position].next)
            guard !symbols[position].isMerged, next >= 0 else { continue }
            // One of the two may have been merged with another symbol since.
            guard let rank = ranks[symbols[position].id, symbols[next].id], products[Int(rank)] == product
            else { continue }
            symbols[position].id = product
            symbols[position].next = symbols[next].next
            symbols[next].isMerged = true
            if symbols[position].next >= 0 { symbols[Int(symbols[position].next)].previous = Int32(position) }
            if symbols[position].previous >= 0 { propose(Int(symbols[position].previous), symbols) }
            propose(position, symbols)
        }
        return symbols.compactMap { $0.isMerged ? nil : $0.id }
    }
}

/// Ids of characters; those of most scripts are found by their number.
private struct CharacterTable: Sendable {
    private var low: [Int32]
    private let others: [Unicode.Scalar: Int32]
    /// Up to and with "▁", which stands for a space.
    private static let lowCount = 0x2600

    init(_ ids: [Unicode.Scalar: Int32]) {
        low = [Int32](repeating: -1, count: Self.lowCount)
        for (scalar, id) in ids where scalar.value < Self.lowCount { low[Int(scalar.value)] = id }
        others = ids.filter { $0.key.value >= Self.lowCount }
    }

    subscript(scalar: Unicode.Scalar) -> Int32? {
        guard scalar.value < Self.lowCount else { return others[scalar] }
        let id = low[Int(scalar.value)]
        return id < 0 ? nil : id
    }
}

/// A binary heap.
private struct MinimumQueue {
    private var heap: [UInt64] = []

    mutating func insert(_ value: UInt64) {
        heap.append(value)
        var child = heap.count - 1
        while child > 0 {
            let parent = (child - 1) / 2
            guard heap[parent] > value else { break }
            heap[child] = heap[parent]
            child = parent
        }
        heap[child] = value
    }

    mutating func removeMinimum() -> UInt64? {
        guard let minimum = heap.first, let last = heap.popLast() else { return nil }
        guard !heap.isEmpty else { return minimum }
        var parent = 0
        while true {
            var child = 2 * parent + 1
            guard child < heap.count else { break }
            if child + 1 < heap.count && heap[child + 1] < heap[child] { child += 1 }
            guard heap[child] < last else { break }
            heap[parent] = heap[child]
            parent = child
        }
        heap[parent] = last
        return minimum
    }
}
