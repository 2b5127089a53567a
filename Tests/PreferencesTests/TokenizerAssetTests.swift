import Foundation
import TestSupport
import Testing

@testable import Preferences

/// Three real tokenizers against the ids that sentencepiece and Hugging Face tokenizers give.
@Suite(
    .enabled(
        if: Assets.has("models/llama32k-tokenizer", "models/smollm2-135m-instruct", "models/stories260K"), "no assets"))
struct TokenizerAssetTests {
    private struct Cases: Decodable {
        struct Case: Decodable {
            let text: String
            let ids: [Int32]
            /// Where tokenizer.json differs, because it knows special tokens in a text.
            let hf_ids: [Int32]?
            let roundtrip: Bool
        }
        let cases: [Case]
    }

    private static func model(_ name: String) -> URL { URL(fileURLWithPath: Assets.path("models/\(name)")) }

    @Test(arguments: [
        ("llama32k-tokenizer", "tokenizer.json"), ("llama32k-tokenizer", "tokenizer.model"),
        ("smollm2-135m-instruct", "tokenizer.json"), ("stories260K", "tokenizer.json"),
        ("stories260K", "tokenizer.model"),
    ])
    func agreesOnEveryCase(_ name: String, _ file: String) throws {
        let directory = Self.model(name)
        let data = try Data(contentsOf: directory.appendingPathComponent("tokenizer_cases.json"))
        let cases = try JSONDecoder().decode(Cases.self, from: data).cases
        let tokenizer = try TokenizerLoader.load(directory.appendingPathComponent(file).path)
        #expect(cases.count == 251)
        for item in cases {
            let expected = file == "tokenizer.json" ? item.hf_ids ?? item.ids : item.ids
            #expect(try tokenizer.encode(item.text) == expected, "\(item.text.debugDescription)")
            let isSame = try tokenizer.decode(expected).utf8.elementsEqual(item.text.utf8)
            #expect(isSame == item.roundtrip, "\(item.text.debugDescription)")
        }
    }

    @Test(arguments: [
        ("llama32k-tokenizer", 32000, 1 as Int32?), ("smollm2-135m-instruct", 49152, nil), ("stories260K", 512, 1),
    ])
    func describesItself(_ name: String, _ size: Int, _ bos: Int32?) throws {
        let directory = Self.model(name)
        let tokenizer = try TokenizerLoader.load(directory.path)
        #expect(tokenizer is JSONTokenizer)
        #expect(tokenizer.vocabularySize == size)
        #expect(tokenizer.bosTokenID == bos)
        #expect(tokenizer.digest.count == 32)
        let file = directory.appendingPathComponent("tokenizer.model").path
        guard FileManager.default.fileExists(atPath: file) else { return }
        let pieces = try TokenizerLoader.load(file)
        #expect(pieces is SentencePieceTokenizer)
        #expect(pieces.vocabularySize == size)
        #expect(pieces.bosTokenID == bos)
        #expect(pieces.digest != tokenizer.digest)
        #expect(pieces.id(of: "</s>") == tokenizer.id(of: "</s>"))
        #expect(pieces.id(of: "no such piece") == nil)
        #expect(try pieces.decode([-5, 1 << 30]) == "")
    }

    @Test func aBareModelAddsNoBOSWhenItsConfigurationSaysSo() throws {
        let directory = Self.model("stories260K")
        let copy = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try FileManager.default.createDirectory(at: copy, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: copy) }
        try Data(contentsOf: directory.appendingPathComponent("tokenizer.model")).write(
            to: copy.appendingPathComponent("tokenizer.model"))
        #expect(try TokenizerLoader.load(copy.path).bosTokenID == 1)
        for (value, bos) in [("false", nil), ("true", 1 as Int32?)] {
            try Data(#"{"add_bos_token": \#(value)}"#.utf8).write(
                to: copy.appendingPathComponent("tokenizer_config.json"))
            #expect(try TokenizerLoader.load(copy.path).bosTokenID == bos)
        }
    }

    @Test(arguments: [
        ("llama32k-tokenizer", "tokenizer.json"), ("llama32k-tokenizer", "tokenizer.model"),
        ("smollm2-135m-instruct", "tokenizer.json"),
    ])
    func decodingGivesTheTextBackByteForByte(_ name: String, _ file: String) throws {
        let directory = Self.model(name)
        let tokenizer = try TokenizerLoader.load(directory.appendingPathComponent(file).path)
        // SmolLM2's vocabulary lacks 21 of the 256 bytes, which encoding therefore leaves out.
        let lacking =
            name.hasPrefix("smollm2")
            ? Set(
                (0..<256).map(UInt8.init).filter {
                    tokenizer.id(of: String(ByteLevelAlphabet.scalars[Int($0)])) == nil
                }) : []
        #expect(lacking.count == (name.hasPrefix("smollm2") ? 21 : 0))
        var texts = TextGenerator(seed: 6)
        for _ in 0..<2000 {
            let text = texts.text { $0 == "▁" || $0.utf8.contains { lacking.contains($0) } }
            #expect(
                Array(try tokenizer.decode(tokenizer.encode(text)).utf8) == Array(text.utf8),
                "\(text.unicodeScalars.map(\.value))")
        }
    }
}
