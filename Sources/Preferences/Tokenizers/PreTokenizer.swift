import Coding

/// Cuts a text into words (`pre_tokenizer` in tokenizer.json).
indirect enum PreTokenizer: Sendable {
    /// Spells bytes with `ByteLevelAlphabet`, after cutting at `words` when there is such a pattern.
    case byteLevel(addsPrefixSpace: Bool, words: TextPattern?)
    case split(TextPattern, SplitBehavior, inverted: Bool)
    case digits(individually: Bool)
    case metaspace(Metaspace, splits: Bool)
    /// Words as UTS #18 has them, and runs of what is neither word nor white space.
    case wordsAndSymbols
    /// Leaves out white space.
    case whiteSpaceSplit
    /// Leaves out one character, wherever it stands.
    case delimiter(Unicode.Scalar)
    case punctuation(SplitBehavior)
    case sequence([PreTokenizer])

    init(_ field: JSONField) throws {
        switch try field.componentType() {
        case "ByteLevel":
            self = .byteLevel(
                addsPrefixSpace: try field.required("add_prefix_space").bool(),
                words: try field.flag("use_regex", default: true) ? try Self.wordsOfGPT2(field) : nil)
        case "Split":
            self = .split(
                try TextPattern(field.required("pattern")), try SplitBehavior(field.required("behavior")),
                inverted: try field.flag("invert"))
        case "Digits": self = .digits(individually: try field.flag("individual_digits"))
        case "Metaspace": self = .metaspace(try Metaspace(field), splits: try field.flag("split", default: true))
        case "Whitespace": self = .wordsAndSymbols
        case "WhitespaceSplit": self = .whiteSpaceSplit
        case "CharDelimiterSplit": self = .delimiter(try field.required("delimiter").scalar())
        case "Punctuation":
            self = .punctuation(try field["behavior"].map { try SplitBehavior($0) } ?? .isolated)
        case "BertPreTokenizer": self = .sequence([.whiteSpaceSplit, .punctuation(.isolated)])
        case "UnicodeScripts": self = .split(try ScriptPattern.pattern(for: field), .removed, inverted: true)
        case "Sequence": self = .sequence(try field.required("pretokenizers").array().map(PreTokenizer.init))
        case let other:
            throw field.unsupported(
                "the pre-tokenizer \(other)",
                "ByteLevel, Split, Digits, Metaspace, Whitespace, WhitespaceSplit, CharDelimiterSplit, Punctuation, "
                    + "BertPreTokenizer, UnicodeScripts and Sequence are")
        }
    }

    /// The word pattern that `ByteLevel` implies: contractions, letters, numbers and other characters, each run with at
    /// most one space before it, and white space.
    private static func wordsOfGPT2(_ field: JSONField) throws -> TextPattern {
        try .implied(
            #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#, by: field)
    }

    /// - Throws: when a pattern fails, or the text grows without measure.
    func apply(to text: inout PreTokenizedText) throws(TextError) {
        switch self {
        case .byteLevel(let addsPrefixSpace, let words):
            if addsPrefixSpace {
                try text.rewrite { piece, _, output in
                    if piece.first != UInt8(ascii: " ") { output.append(UInt8(ascii: " ")) }
                    output += piece
                }
            }
            if let words { try text.split(at: words, .isolated) }
            try text.rewrite { piece, _, output in ByteLevelAlphabet.spell(piece, into: &output) }
        case .split(let pattern, let behavior, let inverted):
            try text.split(at: pattern, behavior, inverted: inverted)
        case .digits(let individually):
            try text.split(individually ? .isolated : .contiguous, where: \.isNumeric)
        case .metaspace(let metaspace, let splits):
            try metaspace.apply(to: &text)
            if splits { try text.split(at: .literal(metaspace.replacement), .mergedWithNext) }
        case .wordsAndSymbols: try text.split(Self.splitWords)
        case .whiteSpaceSplit: try text.split(.removed, where: \.isSpace)
        case .delimiter(let delimiter): try text.split(.removed) { $0 == delimiter }
        case .punctuation(let behavior): try text.split(behavior, where: \.isPunctuation)
        case .sequence(let preTokenizers):
            for preTokenizer in preTokenizers { try preTokenizer.apply(to: &text) }
        }
    }

    private static func splitWords(_ piece: UnsafeBufferPointer<UInt8>, _ parts: inout [Range<Int>]) {
        enum Kind { case space, word, symbol }
        var (start, index) = (0, 0)
        var last = Kind.space
        while index < piece.count {
            let (scalar, length) = piece.scalar(at: index)
            let kind: Kind = scalar.isWordCharacter ? .word : scalar.isSpace ? .space : .symbol
            if kind != last {
                if last != .space { parts.append(start..<index) }
                (start, last) = (index, kind)
            }
            index += length
        }
        if last != .space { parts.append(start..<piece.count) }
    }
}

extension SplitBehavior {
    /// - Throws: when there is no such behaviour.
    init(_ field: JSONField) throws {
        let name = try field.string()
        guard let known = SplitBehavior(rawValue: name) else {
            throw field.unsupported(
                name.quoted, "Removed, Isolated, MergedWithPrevious, MergedWithNext and Contiguous are")
        }
        self = known
    }
}
