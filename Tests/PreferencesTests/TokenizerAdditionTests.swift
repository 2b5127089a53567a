import Diagnostics
import Foundation
import TestSupport
import Testing

@testable import Preferences

/// A tokenizer.model with files beside it that add tokens or stand before it.
@Suite(.enabled(if: Assets.has("models/stories260K"), "no assets")) struct TokenizerAdditionTests {
    private let directory: DataDirectory
    private let model = URL(fileURLWithPath: Assets.path("models/stories260K"))

    init() throws {
        directory = try DataDirectory()
        _ = try directory.write(
            [UInt8](Data(contentsOf: model.appendingPathComponent("tokenizer.model"))), as: "tokenizer.model")
    }

    private func load(_ files: [String: String]) throws -> any Tokenizer {
        for (name, content) in files { _ = try directory.write([content], as: name) }
        return try TokenizerLoader.load(directory.path)
    }

    private static let config =
        #""tokenizer_class": "LlamaTokenizer", "bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>""#

    /// Ids that transformers 5.24 gives.
    @Test func listedInTheirOwnFile() throws {
        let tokenizer = try load([
            "added_tokens.json": #"{"<|im_end|>": 513, "<|im_start|>": 512}"#,
            "tokenizer_config.json": "{\(Self.config), \"legacy\": true}",
        ])
        #expect(tokenizer.vocabularySize == 514)
        #expect(try tokenizer.encode("<|im_start|>user") == [512, 318, 419, 285])
        #expect(
            try tokenizer.encode("a <|im_start|>user hello<|im_end|>\n<s>x</s>")
                == [261, 410, 512, 318, 419, 285, 281, 306, 414, 513, 410, 13, 1, 410, 444, 2])
        #expect(
            try tokenizer.decode([261, 410, 512, 318, 419, 285, 513, 410, 13, 1]) == "a <|im_start|>user<|im_end|>\n<s>"
        )
        #expect(tokenizer.id(of: "<|im_end|>") == 513)
        #expect(tokenizer.id(of: "</s>") == 2)
        #expect(tokenizer.spelling(of: 513) == "<|im_end|>")
        let bare = try TokenizerLoader.load(model.appendingPathComponent("tokenizer.model").path)
        #expect(tokenizer.digest != bare.digest)
        #expect(try tokenizer.encode("Once upon") == bare.encode("Once upon"))
    }

    /// Without `legacy` no space goes before what follows a token.
    @Test func listedInTheConfiguration() throws {
        let added =
            #"{"512": {"content": "<|im_start|>", "special": true}, "513": {"content": "<|im_end|>", "rstrip": true}}"#
        let tokenizer = try load([
            "tokenizer_config.json": "{\(Self.config), \"legacy\": false, \"added_tokens_decoder\": \(added)}",
            "added_tokens.json": #"{"ignored": 512}"#,
        ])
        let user = try tokenizer.encode("<|im_start|>user")
        #expect(user.first == 512 && user != [512, 318, 419, 285])
        #expect(try tokenizer.decode(user) == "<|im_start|>user")
        #expect(try tokenizer.encode("<|im_end|>  \n") == [513])
        #expect(try tokenizer.decode(tokenizer.encode("user")) == "user")
    }

    /// Nothing but pieces: as without the files.
    @Test func whereNothingIsAdded() throws {
        let bare = try TokenizerLoader.load(directory.path)
        let tokenizer = try load([
            "tokenizer_config.json":
                #"{"added_tokens_decoder": {"0": {"content": "<unk>"}, "1": {"content": "<s>"}, "2": {"content": "</s>"}}}"#
        ])
        #expect(tokenizer.digest == bare.digest)
        #expect(try tokenizer.encode("a<s>b") == bare.encode("a<s>b"))
        #expect(tokenizer.vocabularySize == 512)
    }

    @Test(arguments: [
        (#"{"<tok>": 514}"#, #"["<tok>"] is 514 for "<tok>", but the tokens before it end at 511"#),
        (#"{"<tok>": 512, "<other>": 514}"#, #""<other>", but the tokens before it end at 512"#),
        (#"{"<tok>": 5}"#, #""<tok>"] is 5 for "<tok>", which is the id of another piece"#),
        (#"{"</s>": 512}"#, #"is 512 for "</s>", which is piece 2"#),
        (#"{"<tok>": 512, "<other>": 512}"#, "but the tokens before it end at 512"),
        (#"{"<tok>": -1}"#, "is -1, which is no token id"),
        (#"{"<tok>": "512"}"#, "must be an integer"),
        (#"{"": 512}"#, "is an empty token"),
    ])
    func contradictionsNameFileAndToken(_ content: String, _ expected: String) throws {
        let error = #expect(throws: RDOError.self) { try load(["added_tokens.json": content]) }
        #expect(error?.kind == .artefact && error?.place?.hasSuffix("/added_tokens.json") == true)
        #expect(error?.what.contains(expected) == true, "\(String(describing: error))")
    }

    /// A tokenizer.json that asks for what is not supported gives way to tokenizer.model, and that is said.
    @Test func besideAnUnsupportedFile() throws {
        let file = #"{"model": {"type": "WordPiece", "vocab": {}}}"#
        let tokenizer = try load(["tokenizer.json": file])
        #expect(tokenizer is SentencePieceTokenizer)
        #expect(tokenizer.remark?.contains("WordPiece") == true)
        #expect(tokenizer.remark?.contains("tokenizer.model is read instead") == true)
        #expect(throws: RDOError.self) { try TokenizerLoader.load(directory.path + "/tokenizer.json") }
        // A damaged one does not.
        #expect(throws: RDOError.self) { try load(["tokenizer.json": "{"]) }
        #expect(try load(["tokenizer.json": TokenizerFixture.gpt2]).remark == nil)
    }
}
