import Diagnostics
import Foundation
import TestSupport
import Testing

@testable import Preferences

/// What policies answered, and texts whose likelihood is measured.
@Suite struct ResponseFileTests {
    private let directory: TemporaryDirectory

    init() throws { directory = try TemporaryDirectory() }

    private func read(_ rows: String...) throws -> [ResponseRow] {
        try ResponseFile.read(directory.write(rows.joined(separator: "\n"), to: "responses.jsonl"))
    }

    @Test func rowsAreRead() throws {
        let rows = try read(
            #"{"query": "q", "responses": ["a", "", "a"], "token_counts": [2, 1, 2], "ends": ["eos", "length", null]}"#,
            "", #"{"prompt": "p", "responses": ["b"]}"#,
            #"{"messages": [{"role": "user", "content": "q"}], "responses": ["c"]}"#)
        #expect(rows.map(\.record.prompt) == ["q", "p", "q"] && rows.map(\.record.line) == [1, 3, 4])
        #expect(rows.map(\.record.responses) == [["a", "", "a"], ["b"], ["c"]])
        #expect(rows[0].ends == [.eos, .length, nil] && rows[1].ends == [nil])
        // A chat of one message asks what its text asks.
        #expect(rows[0].key == rows[2].key && rows[0].key != rows[1].key && rows[2].record.messages?.count == 1)
    }

    @Test(arguments: [
        (#"{"query": "q"}"#, "missing field \"responses\""), (#"{"responses": ["a"]}"#, "missing field \"prompt\""),
        (#"{"query": "q", "responses": []}"#, "no response"), (#"{"query": " ", "responses": ["a"]}"#, "empty query"),
        (#"{"query": "q", "responses": [1]}"#, "not an array of strings"), ("[]", "not a JSON object"),
        ("{", "malformed"),
        (#"{"query": "q", "responses": ["a"], "ends": ["eos", "eos"]}"#, "responses and ends differ in number"),
        (#"{"query": "q", "responses": ["a"], "ends": ["end"]}"#, "none of eos, length and stop"),
    ]) func badRows(_ row: String, _ reason: String) throws {
        let error = #expect(throws: RDOError.self) { try read(#"{"query": "q", "responses": ["a"]}"#, row) }
        #expect(error?.kind == .data && error?.place?.hasSuffix("responses.jsonl:2") == true)
        #expect(error?.what.contains(reason) == true, "\(error?.what ?? "")")
    }

    @Test func filesWithoutRows() throws {
        #expect(throws: RDOError.self) { try read("") }
        #expect(throws: RDOError.self) { try ResponseFile.read(directory.path + "/none.jsonl") }
    }

    @Test func chosenAndRejected() throws {
        func record(_ row: String) throws -> PreferenceRecord {
            let path = try directory.write(row + "\n", to: "rows.jsonl")
            let parser = try RowParser(file: path, RowRules(), linesBefore: 0)
            let line = try #require(try LineReader(path: path).next())
            return try #require(try parser.parse(line)?.get())
        }
        let pair = try record(#"{"prompt": "q", "chosen": "a", "rejected": "b"}"#)
        #expect(pair.responses(chosen: true) == ["a"] && pair.responses(chosen: false) == ["b"])
        let list = try record(#"{"query": "q", "responses": ["a", "b", "c", "d"], "scores": [1, 3, 3, 1]}"#)
        #expect(list.responses(chosen: true) == ["b"] && list.responses(chosen: false) == ["a"])
        let good = try record(#"{"prompt": "q", "completion": "a", "label": true}"#)
        #expect(good.responses(chosen: true) == ["a"] && good.responses(chosen: false).isEmpty)
    }

    // MARK: - Tokens

    private func plan(_ maxTokens: Int) throws -> TokenizationPlan {
        let path = try directory.write(
            String(decoding: Preferences.ByteTokenizer.tokenizerJSON(), as: UTF8.self), to: "tokenizer.json")
        return try TokenizationPlan(
            tokenizer: TokenizerLoader.load(path), template: .plain, eosTokenID: Preferences.ByteTokenizer.eosTokenID,
            bosTokenID: nil,
            maxTokens: maxTokens)
    }

    /// A policy may say nothing, and say it twice; preference data may not.
    @Test func emptyAndEqualResponses() throws {
        let record = try read(#"{"query": "q", "responses": ["", "a", ""]}"#)[0].record
        let plan = try plan(64)
        let example = try plan.forPolicies.example(of: record)
        #expect(
            example.responses.map(\.count) == [1, 2, 1]
                && example.responses[0] == [Preferences.ByteTokenizer.eosTokenID])
        #expect(try plan.forPolicies.differenceExample(of: record).asFirst.count == 3)
        #expect(throws: BadRow.self) { try plan.example(of: record) }
    }

    @Test func textsBecomePieces() throws {
        let plan = try plan(10)
        let text = "0123456789abcdefghij"
        let path = try directory.write(
            "{\"text\": \"\(text)\"}\n\n{\"prompt\": \"q\", \"chosen\": \"a\", \"rejected\": \"b\"}\n", to: "t.jsonl")
        let examples = try TextCorpus.examples(of: path, plan, RowRules())
        #expect(
            examples[0].prompt == [Preferences.ByteTokenizer.eosTokenID]
                && examples[0].responses.map(\.count) == [9, 9, 2])
        #expect(examples[0].responses.flatMap { $0 } == (try plan.tokenizer.encode(text)))
        // Preference data: the chosen response after its prompt, with EOS.
        #expect(examples[1].responses.count == 1 && examples[1].responses[0].count == 2 && examples.count == 2)
        for (row, reason) in [("{\"text\": \"\"}", "the text has no tokens"), ("{\"text\": 1}", "not a string")] {
            let bad = try directory.write(row + "\n", to: "bad.jsonl")
            let error = #expect(throws: RDOError.self) { try TextCorpus.examples(of: bad, plan, RowRules()) }
            #expect(error?.what.contains(reason) == true && error?.place == bad + ":1", "\(String(describing: error))")
        }
    }
}
