import Diagnostics
import Foundation
import TestSupport
import Testing

@testable import Passes
@testable import Preferences

/// Which token ends a response.
@Suite struct ResponseEndTests {
    private let bytes: any Tokenizer
    /// With tokens for the ends of turns besides.
    private let chat: any Tokenizer

    init() throws {
        let directory = try TemporaryDirectory()
        let json = String(decoding: ByteTokenizer.tokenizerJSON(), as: UTF8.self)
        func added(_ id: Int, _ content: String) -> String {
            #"{"id": \#(id), "content": "\#(content)", "single_word": false, "lstrip": false, "rstrip": false, "#
                + #""normalized": false, "special": true}"#
        }
        bytes = try TokenizerLoader.load(directory.write(json, to: "bytes/tokenizer.json"))
        let more = json.replacingOccurrences(
            of: "],\n  \"normalizer\"",
            with: ", \(added(258, "<|im_end|>")), \(added(259, "<|eot_id|>"))],\n  \"normalizer\"")
        chat = try TokenizerLoader.load(directory.write(more, to: "chat/tokenizer.json"))
    }

    @Test func theTemplatesEndOfTurn() throws {
        let chosen = try ResponseEndChoice(nil, .turns(.chatml), chat, eos: [257])
        #expect(chosen.token == 258 && chosen.remark?.isWarning == true)
        #expect(
            chosen.remark?.text == "responses end in <|im_end|> (258), as turns of the template do, and not in "
                + "config.json's eos_token_id 257 (data.response_end: eos)")
        #expect(try ResponseEndChoice(nil, .turns(.llama3), chat, eos: [257]).token == 259)
    }

    /// Then nothing is said: the first is what the model's files name.
    @Test func oneThatConfigJSONNames() throws {
        for ends: [Int32] in [[258], [257, 258], [258, 257]] {
            let choice = try ResponseEndChoice(nil, .turns(.chatml), chat, eos: ends)
            #expect(choice.token == ends[0] && choice.remark == nil)
        }
    }

    @Test func otherwiseTheModelsEOS() throws {
        // The tokenizer has no such token, or the template no such end.
        for (template, tokenizer) in [(PromptTemplate.turns(.chatml), bytes), (.plain, chat), (.hh, chat)] {
            let choice = try ResponseEndChoice(nil, template, tokenizer, eos: [257, 3])
            #expect(choice.token == 257 && choice.remark == nil)
        }
    }

    @Test func theSettingDecides() throws {
        let eos = try ResponseEndChoice("eos", .turns(.chatml), chat, eos: [257])
        #expect(eos.token == 257 && eos.remark == nil)
        let named = try ResponseEndChoice("<|eot_id|>", .turns(.chatml), chat, eos: [257])
        #expect(named.token == 259 && named.remark == nil)
        let error = #expect(throws: RDOError.self) {
            _ = try ResponseEndChoice("<|end|>", .turns(.chatml), chat, eos: [257])
        }
        #expect(error?.kind == .usage)
        #expect(error?.what == "data.response_end is <|end|>, which is no token of the tokenizer")
    }
}
