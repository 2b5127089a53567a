import Diagnostics
import Foundation
import TestSupport
import Testing

@testable import Preferences

@Suite struct TokenizerErrorTests {
    private static let sound = TokenizerFixture.bytePairs(
        TokenizerFixture.byteLevel(usesWords: true), normalizer: #"{"type": "NFC"}"#, added: [("<s>", "s")])

    /// Each replacement in a sound file must be refused with an error that names the key.
    @Test(arguments: [
        (#""model": {"#, #""module": {"#, "model is missing"),
        (#""vocab": {"#, #""words": {"#, "model.vocab is missing"),
        (#""merges": ["#, #""merge": ["#, "model.merges is missing"),
        (#""merges": ["Ġ t","#, #""merges": ["Ġ tx","#, #"model.merges[0] names "tx""#),
        (#""merges": ["Ġ t","#, #""merges": ["Ġ h","#, #"model.merges[0] names "Ġh""#),
        (#""merges": ["Ġ t","#, #""merges": ["Ġt","#, "model.merges[0] must name two tokens"),
        (#""merges": ["Ġ t","#, #""merges": [["Ġ", 1],"#, "model.merges[0][1] must be a string, not a number"),
        (#""a": 97"#, #""a": "97""#, #"model.vocab["a"] must be an integer, not a string"#),
        (#""a": 97"#, #""a": -1"#, #"model.vocab["a"] is -1"#),
        (#""a": 97"#, #""a": 4000000000"#, #"model.vocab["a"] is 4000000000"#),
        (#""type": "BPE""#, #""type": "WordPiece""#, "model is the model WordPiece"),
        (#""unk_token": null"#, #""unk_token": "<unk>""#, "model.unk_token is"),
        (#""byte_fallback": false"#, #""byte_fallback": 0"#, "model.byte_fallback must be true or false"),
        (#""type": "BPE""#, #""type": "Unigram""#, "model.vocab must be an array"),
        (#""byte_fallback": false"#, #""dropout": 0.1"#, "model.dropout is"),
        (#""byte_fallback": false"#, #""end_of_word_suffix": "</w>""#, "model.end_of_word_suffix is"),
        (
            #""normalizer": {"type": "NFC"}"#, #""normalizer": {"type": "BertNormalizer"}"#,
            "the normalizer BertNormalizer"
        ),
        (
            #""normalizer": {"type": "NFC"}"#, #""normalizer": {"type": "Precompiled", "precompiled_charsmap": "?"}"#,
            "normalizer.precompiled_charsmap is no Base64"
        ),
        (
            #""normalizer": {"type": "NFC"}"#,
            #""normalizer": {"type": "Precompiled", "precompiled_charsmap": "/////w=="}"#,
            "normalizer.precompiled_charsmap does not begin with a trie"
        ),
        (#""normalizer": {"type": "NFC"}"#, #""normalizer": {"kind": "NFC"}"#, "normalizer.type is missing"),
        (#""normalizer": {"type": "NFC"}"#, #""normalizer": {"type": "Replace", "content": ""}"#, "normalizer.pattern"),
        (
            #""pre_tokenizer": {"type": "ByteLevel""#, #""pre_tokenizer": {"type": "FixedLength""#,
            "pre_tokenizer is the pre-tokenizer FixedLength"
        ),
        (
            #""pre_tokenizer": {"#,
            #""pre_tokenizer": {"type": "Split", "behavior": "Isolated", "pattern": {"Regex": "("}}, "x": {"#,
            "pre_tokenizer.pattern.Regex"
        ),
        (
            #""pre_tokenizer": {"#,
            #""pre_tokenizer": {"type": "Split", "behavior": "Sometimes", "pattern": {"String": " "}}, "x": {"#,
            "pre_tokenizer.behavior"
        ),
        (#""decoder": {"type": "ByteLevel""#, #""decoder": {"type": "WordPiece""#, "the decoder WordPiece"),
        (#""post_processor": null"#, #""post_processor": {"type": "BertProcessing"}"#, "post_processor is"),
        (#""content": "<s>""#, #""content": 7"#, "added_tokens[0].content must be a string"),
        (#""added_tokens": [{"id": "#, #""added_tokens": [{"id": 9"#, "added_tokens[0].id is 9"),
        (#""added_tokens": ["#, #""added_tokens": [1, "#, "added_tokens[0].content is missing"),
    ])
    func namesFileAndKey(_ old: String, _ new: String, _ expected: String) throws {
        let json = Self.sound.replacingFirst(old, with: new)
        #expect(json != Self.sound, "the fixture has no \(old)")
        let error = #expect(throws: RDOError.self) { try TokenizerFixture.tokenizer(json) }
        #expect(error?.kind == .artefact)
        #expect(error?.place == "tokenizer.json")
        #expect(error?.what.contains(expected) == true, "\(error.map(\.description) ?? "no error")")
    }

    @Test func aTruncatedFileIsRefusedWherever() throws {
        let bytes = Array(Self.sound.utf8)
        for count in stride(from: 0, to: bytes.count, by: 17) {
            let error = #expect(throws: RDOError.self) {
                try JSONTokenizer(Array(bytes[..<count]), file: "tokenizer.json")
            }
            #expect(error?.place?.hasPrefix("tokenizer.json:") == true)
        }
    }

    /// Flipped bits may leave a usable tokenizer or give an error, never a crash.
    @Test func damagedFilesNeverCrash() {
        var random = SeededGenerator(seed: 5)
        for source in [Self.sound, TokenizerFixture.llama2] {
            let bytes = Array(source.utf8)
            for _ in 0..<400 {
                var damaged = bytes
                for _ in 0..<Int.random(in: 1...3, using: &random) {
                    damaged[Int.random(in: damaged.indices, using: &random)] ^=
                        1 << UInt8.random(in: 0..<8, using: &random)
                }
                do {
                    let tokenizer = try JSONTokenizer(damaged, file: "tokenizer.json")
                    _ = try tokenizer.decode(tokenizer.encode(" hello  world é<s>中 12"))
                } catch {
                    #expect((error as? RDOError)?.kind == .artefact)
                }
            }
        }
    }

    @Test func missingFilesAreNamed() throws {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        let empty = #expect(throws: RDOError.self) { try TokenizerLoader.load(directory.path) }
        #expect(empty?.kind == .artefact && empty?.place == directory.path)
        let missing = directory.appendingPathComponent("tokenizer.json").path
        let absent = #expect(throws: RDOError.self) { try TokenizerLoader.load(missing) }
        #expect(absent?.kind == .artefact && absent?.place == missing)
        // A damaged SentencePiece model, an empty one, and one that is something else.
        for content in [Data([1, 2, 3, 255]), Data(), Data("{}".utf8)] {
            let file = directory.appendingPathComponent("tokenizer.model")
            try content.write(to: file)
            let error = #expect(throws: RDOError.self) { try TokenizerLoader.load(directory.path) }
            #expect(error?.kind == .artefact && error?.place == file.path)
        }
    }
}

extension String {
    fileprivate func replacingFirst(_ old: String, with new: String) -> String {
        replacing(old, with: new, maxReplacements: 1)
    }
}
