import Foundation
import TestSupport
import Testing

@testable import Preferences

/// Tokenizers of every kind that is read, against the ids and texts of Hugging Face `tokenizers` that
/// `Tests/scripts/golden_tokenizers.py` stored.
@Suite struct TokenizerKindTests {
    private struct Kind {
        let name: String
        let tokenizer: any Tokenizer
        let ids: [[Int32]]
        /// By the text's place, where the ids give another one.
        let decoded: [String: String]
    }

    private struct Damaged: Error {}

    private static func root() throws -> [String: Any] {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("tokenizers.json")
        guard let root = try JSONSerialization.jsonObject(with: Data(contentsOf: file)) as? [String: Any] else {
            throw Damaged()
        }
        return root
    }

    private static func read() throws -> (texts: [String], kinds: [Kind]) {
        let root = try root()
        guard let texts = root["texts"] as? [String], let models = root["models"] as? [String: Any],
            let kinds = root["kinds"] as? [[String: Any]]
        else { throw Damaged() }
        return (
            texts,
            try kinds.map { kind in
                guard let name = kind["name"] as? String, let model = kind["model"] as? String,
                    var document = kind["tokenizer"] as? [String: Any], let ids = kind["ids"] as? [[Int]],
                    let decoded = kind["decoded"] as? [String: String]
                else { throw Damaged() }
                document["model"] = models[model]
                let bytes = [UInt8](try JSONSerialization.data(withJSONObject: document))
                return Kind(
                    name: name, tokenizer: try JSONTokenizer(bytes, file: name), ids: ids.map { $0.map { Int32($0) } },
                    decoded: decoded)
            }
        )
    }

    @Test func everyKindAgreesWithHuggingFace() throws {
        let (texts, kinds) = try Self.read()
        #expect(kinds.count == 51 && texts.count == 36)
        for kind in kinds {
            #expect(kind.ids.count == texts.count)
            for (place, (text, ids)) in zip(texts, kind.ids).enumerated() {
                #expect(try kind.tokenizer.encode(text) == ids, "\(kind.name): \(text.debugDescription)")
                let decoded = kind.decoded["\(place)"] ?? text
                #expect(
                    try kind.tokenizer.decode(ids).utf8.elementsEqual(decoded.utf8), "\(kind.name): \(ids)")
            }
        }
    }

    /// The pieces that Oniguruma's matches cut a text into.
    @Test func patternsCutAsOnigurumaDoes() throws {
        let root = try Self.root()
        guard let text = root["patternText"] as? String, let patterns = root["patterns"] as? [[Any]] else {
            throw Damaged()
        }
        #expect(patterns.count > 70)
        for entry in patterns {
            guard let pattern = entry[0] as? String, let lengths = entry[1] as? [Int] else { throw Damaged() }
            var cut = PreTokenizedText(Array(text.utf8), startsText: true)
            try cut.split(at: .expression(RegularExpression(Array(pattern.utf8))), .isolated)
            #expect(cut.pieces.map(\.count) == lengths, "\(pattern)")
        }
    }

    /// Rules whose trie was damaged lead to other texts, never out of the table.
    @Test func damagedRulesNeverCrash() throws {
        let (texts, _) = try Self.read()
        let units = (0..<64).flatMap { (index: UInt32) -> [UInt8] in
            let unit = index &* 0x9E37_79B9
            return (0..<4).map { UInt8(truncatingIfNeeded: unit >> (8 * $0)) }
        }
        for seed in UInt64(0)..<200 {
            var random = SeededGenerator(seed: seed)
            var bytes: [UInt8] = [0, 1, 0, 0] + units
            for _ in 0..<40 {
                bytes[Int.random(in: 4..<bytes.count, using: &random)] = .random(in: 0...255, using: &random)
            }
            let json = #"{"type": "Precompiled", "precompiled_charsmap": "\#(Data(bytes).base64EncodedString())"}"#
            let tokenizer = try TokenizerFixture.tokenizer(
                TokenizerFixture.bytePairs(TokenizerFixture.byteLevel(usesWords: false), normalizer: json))
            for text in texts { _ = try tokenizer.encode(text) }
        }
    }
}
