import Coding

/// A text cut into pieces that the model then encodes one by one.
struct PreTokenizedText {
    private(set) var bytes: [UInt8]
    /// Where the pieces lie in `bytes`; none is empty.
    private(set) var pieces: [Range<Int>]
    /// True when the first piece stands at the very beginning of the whole text.
    let startsText: Bool

    init(_ bytes: [UInt8], startsText: Bool) {
        (self.bytes, self.startsText) = (bytes, startsText)
        pieces = bytes.isEmpty ? [] : [0..<bytes.count]
    }

    /// Cuts every piece: `cut` appends the ranges to keep, counted from the piece's own start.
    mutating func split(_ cut: (_ piece: UnsafeBufferPointer<UInt8>, _ parts: inout [Range<Int>]) -> Void) {
        var result: [Range<Int>] = []
        var parts: [Range<Int>] = []
        bytes.withUnsafeBufferPointer { bytes in
            for piece in pieces {
                parts.removeAll(keepingCapacity: true)
                cut(UnsafeBufferPointer(rebasing: bytes[piece]), &parts)
                for part in parts where !part.isEmpty {
                    result.append(piece.lowerBound + part.lowerBound..<piece.lowerBound + part.upperBound)
                }
            }
        }
        pieces = result
    }

    /// Replaces the bytes of every piece by what `rewrite` appends.
    mutating func rewrite(
        _ rewrite: (_ piece: UnsafeBufferPointer<UInt8>, _ isFirst: Bool, _ output: inout [UInt8]) -> Void
    ) {
        var output: [UInt8] = []
        output.reserveCapacity(bytes.count + bytes.count / 2)
        bytes.withUnsafeBufferPointer { bytes in
            for index in pieces.indices {
                let start = output.count
                rewrite(UnsafeBufferPointer(rebasing: bytes[pieces[index]]), index == 0, &output)
                pieces[index] = start..<output.count
            }
        }
        bytes = output
        pieces.removeAll(where: \.isEmpty)
    }

    /// Cuts every piece at the matches of `pattern`.
    mutating func split(at pattern: TextPattern, _ behavior: SplitBehavior, inverted: Bool = false) {
        var stretches: [SplitBehavior.Stretch] = []
        split { piece, parts in
            stretches.removeAll(keepingCapacity: true)
            var end = 0
            pattern.forEachMatch(in: piece) { match in
                if end < match.lowerBound { stretches.append(.init(range: end..<match.lowerBound, isMatch: inverted)) }
                stretches.append(.init(range: match, isMatch: !inverted))
                end = match.upperBound
            }
            if end < piece.count { stretches.append(.init(range: end..<piece.count, isMatch: inverted)) }
            parts += behavior.pieces(of: stretches)
        }
    }
}

/// Cuts a text into words (`pre_tokenizer` in tokenizer.json).
indirect enum PreTokenizer: Sendable {
    /// Spells bytes with `ByteLevelAlphabet`, after cutting at `words` when there is such a pattern.
    case byteLevel(addsPrefixSpace: Bool, words: TextPattern?)
    case split(TextPattern, SplitBehavior, inverted: Bool)
    case digits(individually: Bool)
    case metaspace(Metaspace, splits: Bool)
    case sequence([PreTokenizer])

    init(_ field: JSONField) throws {
        switch try field.componentType() {
        case "ByteLevel":
            self = .byteLevel(
                addsPrefixSpace: try field.required("add_prefix_space").bool(),
                words: try field.flag("use_regex", default: true) ? try Self.wordsOfGPT2(field) : nil)
        case "Split":
            let behavior = try field.required("behavior")
            guard let behavior = SplitBehavior(rawValue: try behavior.string()) else {
                throw behavior.unsupported("\"\(try behavior.string())\"")
            }
            self = .split(try TextPattern(field.required("pattern")), behavior, inverted: try field.flag("invert"))
        case "Digits": self = .digits(individually: try field.flag("individual_digits"))
        case "Metaspace": self = .metaspace(try Metaspace(field), splits: try field.flag("split", default: true))
        case "Sequence": self = .sequence(try field.required("pretokenizers").array().map(PreTokenizer.init))
        case let other: throw field.unsupported("the pre-tokenizer \(other)")
        }
    }

    /// The word pattern that `ByteLevel` implies: contractions, letters, numbers and other characters, each run with at
    /// most one space before it, and white space.
    private static func wordsOfGPT2(_ field: JSONField) throws -> TextPattern {
        let pattern = #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#
        do {
            return .expression(try RegularExpression(Array(pattern.utf8)))
        } catch let error as RegularExpression.PatternError {
            throw field.fail("needs a regular expression that this PCRE2 refuses (\(error.what))")
        }
    }

    func apply(to text: inout PreTokenizedText) {
        switch self {
        case .byteLevel(let addsPrefixSpace, let words):
            if addsPrefixSpace {
                text.rewrite { piece, _, output in
                    if piece.first != UInt8(ascii: " ") { output.append(UInt8(ascii: " ")) }
                    output += piece
                }
            }
            if let words { text.split(at: words, .isolated) }
            let spellings = ByteLevelAlphabet.spellings
            text.rewrite { piece, _, output in for byte in piece { output += spellings[Int(byte)] } }
        case .split(let pattern, let behavior, let inverted): text.split(at: pattern, behavior, inverted: inverted)
        case .digits(let individually): text.split { Self.splitDigits($0, individually: individually, &$1) }
        case .metaspace(let metaspace, let splits):
            metaspace.apply(to: &text)
            if splits { text.split(at: .literal(metaspace.replacement), .mergedWithNext) }
        case .sequence(let preTokenizers):
            for preTokenizer in preTokenizers { preTokenizer.apply(to: &text) }
        }
    }

    private static func splitDigits(
        _ piece: UnsafeBufferPointer<UInt8>, individually: Bool, _ parts: inout [Range<Int>]
    ) {
        var start = 0
        var index = 0
        var wasNumeric = false
        while index < piece.count {
            let (scalar, length) = piece.scalar(at: index)
            let isNumeric = scalar.isNumeric
            if isNumeric != wasNumeric || (isNumeric && individually) {
                parts.append(start..<index)
                start = index
            }
            wasNumeric = isNumeric
            index += length
        }
        parts.append(start..<piece.count)
    }
}

/// SentencePiece's visible space: every space becomes `replacement`, and one is put before a text.
struct Metaspace: Sendable {
    enum PrependScheme: String { case always, first, never }

    let replacement: [UInt8]
    let scheme: PrependScheme

    init(_ field: JSONField) throws {
        replacement = Array(try field.required("replacement").scalar().utf8)
        if let scheme = field["prepend_scheme"] {
            guard let known = PrependScheme(rawValue: try scheme.string()) else {
                throw scheme.unsupported("\"\(try scheme.string())\"")
            }
            self.scheme = known
        } else {
            // Files from before `prepend_scheme` have this switch instead.
            scheme = try field.flag("add_prefix_space", default: true) ? .always : .never
        }
    }

    func apply(to text: inout PreTokenizedText) {
        let startsText = text.startsText
        text.rewrite { piece, isFirst, output in
            let prepends = scheme == .always || (scheme == .first && isFirst && startsText)
            if prepends && piece.first != UInt8(ascii: " ") && !piece.starts(with: replacement) {
                output += replacement
            }
            for byte in piece {
                if byte == UInt8(ascii: " ") { output += replacement } else { output.append(byte) }
            }
        }
    }
}
