import Foundation

import TestSupport
@testable import Preferences

/// Small tokenizers, written as tokenizer.json files.
enum TokenizerFixture {
    private static let byteLevelMerges = [
        "Ġ t", "h e", "Ġt he", "i n", "r e", "Ġ a", "Ġ Ġ", "ĠĠ ĠĠ", "l l", "e ll", "h ell", "hell o", "Ġ hello", "Ġ w",
        "o r", "Ġw or", "l d", "Ġwor ld", "1 2", "12 3", "' s", "' l", "'l l", "Ċ Ċ", "č Ċ", "Ã ©", "c a", "f Ã©",
        "ä ¸", "ä¸ Ń", "Ġ Ã©", "Ì ģ", "e Ìģ", "ð Ł", ". .", ".. .", "! !", "in g", "Â ł",
    ]
    private static let pieceMerges = [
        "▁ t", "h e", "▁t he", "▁ a", "▁ ▁", "▁▁ ▁▁", "i n", "r e", "l l", "e ll", "h ell", "hell o", "▁ hello", "▁ w",
        "o r", "▁w or", "l d", "▁wor ld",
    ]
    private static let pieceCharacters = "▁abcdefghilnorstw.,!'12中é"

    private static let llama3Words =
        #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|"#
        + #"\s*[\r\n]+|\s+(?!\S)|\s+"#

    /// JSON of an added token; `flags`: s special, n normalized, w single word, l and r strip left and right.
    static func added(_ id: Int, _ content: String, _ flags: String) -> String {
        """
        {"id": \(id), "content": "\(content)", "special": \(flags.contains("s")), \
        "normalized": \(flags.contains("n")), "single_word": \(flags.contains("w")), \
        "lstrip": \(flags.contains("l")), "rstrip": \(flags.contains("r"))}
        """
    }

    static func byteLevel(usesWords: Bool, addsPrefixSpace: Bool = false) -> String {
        #"{"type": "ByteLevel", "add_prefix_space": \#(addsPrefixSpace), "trim_offsets": true, "use_regex": \#(usesWords)}"#
    }

    static func sequence(_ preTokenizers: String...) -> String {
        #"{"type": "Sequence", "pretokenizers": [\#(preTokenizers.joined(separator: ", "))]}"#
    }

    static func split(_ pattern: String, _ kind: String, _ behavior: String) -> String {
        let escaped = pattern.replacing("\\", with: "\\\\")
        return
            #"{"type": "Split", "pattern": {"\#(kind)": "\#(escaped)"}, "behavior": "\#(behavior)", "invert": false}"#
    }

    private static func document(
        added: [String], normalizer: String, preTokenizer: String, postProcessor: String = "null", decoder: String,
        model: String, vocabulary: [String], merges: String
    ) -> String {
        var seen: Set<[UInt8]> = []
        let entries = vocabulary.filter { seen.insert(Array($0.utf8)).inserted }.enumerated().map { id, token in
            (token == "\"" || token == "\\" ? "\"\\\(token)\"" : "\"\(token)\"") + ": \(id)"
        }
        return """
            {"version": "1.0", "truncation": null, "padding": null, "added_tokens": [\(added.joined(separator: ", "))],
             "normalizer": \(normalizer),
             "pre_tokenizer": \(preTokenizer),
             "post_processor": \(postProcessor),
             "decoder": \(decoder),
             "model": {"type": "BPE", \(model), "vocab": {\(entries.joined(separator: ", "))}, "merges": \(merges)}}
            """
    }

    /// Byte b is id b, then the merges' products, then "Ġworlds", which no merge gives, then the added tokens.
    static func bytePairs(
        _ preTokenizer: String, normalizer: String = "null", ignoresMerges: Bool = false,
        added: [(content: String, flags: String)] = [], postProcessor: String = "null"
    ) -> String {
        let products = byteLevelMerges.map { $0.replacing(" ", with: "") }
        let vocabulary = ByteLevelAlphabet.scalars.map { String($0) } + products + ["Ġworlds"]
        let size = Set(vocabulary.map { Array($0.utf8) }).count
        return document(
            added: added.enumerated().map { Self.added(size + $0, $1.content, $1.flags) }, normalizer: normalizer,
            preTokenizer: preTokenizer, postProcessor: postProcessor, decoder: byteLevel(usesWords: true),
            model: #""unk_token": null, "byte_fallback": false, "ignore_merges": \#(ignoresMerges)"#,
            vocabulary: vocabulary,
            merges: "[" + byteLevelMerges.map { "\"\($0)\"" }.joined(separator: ", ") + "]")
    }

    /// `<unk> <s> </s>`, the 256 byte tokens when wanted, characters, products; merges written as pairs.
    static func pieces(
        normalizer: String = "null", preTokenizer: String = "null", decoder: String, hasByteFallback: Bool = true,
        fusesUnknown: Bool = true
    ) -> String {
        let special = ["<unk>", "<s>", "</s>"]
        let bytes = (0..<256).map { String(decoding: WordModels.fallbackSpelling(of: UInt8($0)), as: UTF8.self) }
        let characters = pieceCharacters.unicodeScalars.map { String($0) }
        let products = pieceMerges.map { $0.replacing(" ", with: "") }
        let merges = pieceMerges.map { merge in
            "[" + merge.split(separator: " ").map { "\"\($0)\"" }.joined(separator: ", ") + "]"
        }
        return document(
            added: special.enumerated().map { added($0, $1, "s") }, normalizer: normalizer, preTokenizer: preTokenizer,
            decoder: decoder,
            model: #""unk_token": "<unk>", "fuse_unk": \#(fusesUnknown), "byte_fallback": \#(hasByteFallback)"#,
            vocabulary: special + (hasByteFallback ? bytes : []) + characters + products,
            merges: "[" + merges.joined(separator: ", ") + "]")
    }

    static func metaspace(_ scheme: String, splits: Bool) -> String {
        #"{"type": "Metaspace", "replacement": "▁", "prepend_scheme": "\#(scheme)", "split": \#(splits)}"#
    }

    static let gpt2 = bytePairs(byteLevel(usesWords: true))
    static let llama3 = bytePairs(
        sequence(split(llama3Words, "Regex", "Isolated"), byteLevel(usesWords: false)), ignoresMerges: true,
        added: [("<|begin|>", "s"), ("<|begin|>x", "s")])
    static let qwen2 = bytePairs(
        sequence(
            split(llama3Words.replacing("{1,3}", with: ""), "Regex", "Isolated"), byteLevel(usesWords: false)),
        normalizer: #"{"type": "NFC"}"#)
    static let llama2 = pieces(
        normalizer: #"""
            {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"},
             {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]}
            """#,
        decoder: #"""
            {"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": "▁"}, "content": " "},
             {"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]}
            """#)

    /// By the names that the golden cases use.
    static let all: [String: String] = {
        var all = [
            "gpt2": gpt2,
            "gpt2PrefixSpace": bytePairs(byteLevel(usesWords: true, addsPrefixSpace: true)),
            "digits": bytePairs(
                sequence(#"{"type": "Digits", "individual_digits": true}"#, byteLevel(usesWords: true))),
            "llama3": llama3,
            "qwen2": qwen2,
            "addedTokens": bytePairs(
                byteLevel(usesWords: true),
                added: [
                    ("foo", "wn"), ("bar", "ln"), ("baz", "r"), ("bazz", "lrn"), ("<x>", "lrs"), ("<y>", "ws"),
                ]),
            "llama2": llama2,
            "metaspaceFirst": pieces(
                preTokenizer: metaspace("first", splits: true),
                decoder: """
                    {"type": "Sequence", "decoders": [{"type": "ByteFallback"}, \(metaspace("first", splits: true))]}
                    """),
            "metaspaceNever": pieces(
                preTokenizer: metaspace("never", splits: false), decoder: metaspace("never", splits: false),
                hasByteFallback: false, fusesUnknown: false),
            "unknownFused": pieces(
                preTokenizer: metaspace("always", splits: true), decoder: metaspace("always", splits: true),
                hasByteFallback: false),
        ]
        for behavior in ["Removed", "Isolated", "MergedWithPrevious", "MergedWithNext", "Contiguous"] {
            all["split" + behavior] = bytePairs(
                sequence(split(" ", "String", behavior), byteLevel(usesWords: false)))
        }
        return all
    }()

    static func tokenizer(_ json: String) throws -> any Tokenizer {
        try JSONTokenizer(Array(json.utf8), file: "tokenizer.json")
    }
}

/// Random texts of every kind of character, repeatable.
struct TextGenerator {
    private var random: SeededGenerator

    init(seed: UInt64) { random = SeededGenerator(seed: seed) }

    private static let fragments = [
        " ", "  ", "\n", "\r\n", "\t", "hello", " the", "'s", "'LL", "12345", "e\u{301}", "é", "Å", "\u{212B}",
        "A\u{30A}",
        "가", "\u{1100}\u{1161}", "👩‍👩‍👧", "🇩🇪", "中文", "<0x41>", "\u{0}", "\u{FEFF}", "\u{200D}", "\u{180E}", "ﬁ", "...",
    ]

    mutating func text(excluding isExcluded: (Unicode.Scalar) -> Bool = { _ in false }) -> String {
        var scalars = String.UnicodeScalarView()
        for _ in 0..<Int.random(in: 0...20, using: &random) {
            switch Int.random(in: 0..<4, using: &random) {
            case 0: scalars += Self.fragments.randomElement(using: &random)?.unicodeScalars ?? .init()
            case 1: scalars.append(Unicode.Scalar(UInt8.random(in: 0..<128, using: &random)))
            case 2:
                if let scalar = Unicode.Scalar(UInt32.random(in: 0..<0x3000, using: &random)) { scalars.append(scalar) }
            default:
                if let scalar = Unicode.Scalar(UInt32.random(in: 0..<0x110000, using: &random)) {
                    scalars.append(scalar)
                }
            }
        }
        scalars.removeAll(where: isExcluded)
        return String(scalars)
    }
}
