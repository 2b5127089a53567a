import Diagnostics
import Foundation
import TestSupport
import Testing

@testable import Preferences

/// What a tokenizer file's components do to some text and not to others.
@Suite struct TokenizerFailureTests {
    private static func splitting(at pattern: String, normalizer: String = "null") throws -> any Tokenizer {
        try TokenizerFixture.tokenizer(
            TokenizerFixture.bytePairs(
                TokenizerFixture.sequence(
                    TokenizerFixture.split(pattern, "Regex", "Isolated"), TokenizerFixture.byteLevel(usesWords: false)),
                normalizer: normalizer))
    }

    /// Exponentially many ways to fail: an error that names the pattern, not minutes and then other ids.
    @Test func aPatternThatIsGivenUp() throws {
        let tokenizer = try Self.splitting(at: "(a+)+$")
        #expect(try tokenizer.encode("aaab aa").count > 0)
        let text = String(repeating: "a", count: 60) + "!"
        let began = ContinuousClock.now
        let error = #expect(throws: RDOError.self) { try tokenizer.encode(text) }
        #expect(ContinuousClock.now - began < .seconds(20))
        #expect(error?.kind == .artefact && error?.place == "tokenizer.json")
        #expect(error?.what.contains(#""(a+)+$" fails (match limit exceeded)"#) == true, "\(String(describing: error))")
    }

    /// The reader says in which row; it is a bad row like others.
    @Test func theRowIsNamed() throws {
        let tokenizer = try Self.splitting(at: "(a+)+$")
        let plan = try TokenizationPlan(
            tokenizer: tokenizer, template: .plain, eosTokenID: 5, bosTokenID: nil, maxTokens: 1000)
        var record = pair("q", String(repeating: "a", count: 60) + "!", "b")
        let error = #expect(throws: BadRow.self) { try plan.example(of: record) }
        #expect(error?.reason.contains("(a+)+$") == true && error?.line == record.line)
        record = pair("q", "aa", "b")
        _ = try plan.example(of: record)
    }

    /// `\K` moves a match's beginning; it may not move it behind the end or before what was read.
    @Test func movedBeginnings() throws {
        func matches(_ pattern: String, _ text: String) throws -> [Range<Int>] {
            var found: [Range<Int>] = []
            try Array(text.utf8).withUnsafeBufferPointer { text in
                try RegularExpression(Array(pattern.utf8)).forEachMatch(in: text) { found.append($0) }
            }
            return found
        }
        #expect(try matches(#"a\Kb"#, "abab") == [1..<2, 3..<4])
        #expect(try matches(#"\K"#, "é") == [0..<0, 2..<2])
        #expect(throws: TextError.self) { try matches(#"(?:(?<x>ab\K)){0}(?=\g<x>)"#, "abab") }
        #expect(throws: TextError.self) { try matches(#"a|(?:(?<x>\Ka)){0}(?<=\g<x>)b"#, "ab") }
    }

    /// Each of these doubles the text: forty of them are a terabyte.
    @Test func textsThatGrow() throws {
        let double = #"{"type": "Replace", "pattern": {"String": "a"}, "content": "aa"}"#
        let many = Array(repeating: double, count: 40).joined(separator: ", ")
        let normalizing = try Self.splitting(
            at: "x", normalizer: #"{"type": "Sequence", "normalizers": [\#(many)]}"#)
        #expect(try normalizing.encode("bb").count == 2)
        let error = #expect(throws: RDOError.self) { try normalizing.encode("ba") }
        #expect(error?.what.contains("multiply a text") == true)
        let spelling = Array(repeating: TokenizerFixture.byteLevel(usesWords: false), count: 40)
        let cutting = try TokenizerFixture.tokenizer(
            TokenizerFixture.bytePairs(
                #"{"type": "Sequence", "pretokenizers": [\#(spelling.joined(separator: ", "))]}"#))
        #expect(throws: RDOError.self) { try cutting.encode("é") }
        let reading = try TokenizerFixture.tokenizer(
            TokenizerFixture.pieces(decoder: #"{"type": "Sequence", "decoders": [\#(many)]}"#))
        #expect(throws: RDOError.self) { try reading.decode([#require(reading.id(of: "a"))]) }
    }

    /// A token that the model has no row for matters only where a text has it.
    @Test func tokensWithoutARow() throws {
        let tokenizer = try TokenizerFixture.tokenizer(
            TokenizerFixture.bytePairs(TokenizerFixture.byteLevel(usesWords: true), added: [("[PAD]", "s")]))
        let rows = tokenizer.vocabularySize - 1
        func plan(_ rows: Int) throws -> TokenizationPlan {
            try TokenizationPlan(
                tokenizer: tokenizer, template: .plain, eosTokenID: 5, bosTokenID: nil, maxTokens: 1000, modelRows: rows
            )
        }
        _ = try plan(rows).example(of: pair("q", "a", "b"))
        for record in [pair("q", "a [PAD]", "b"), pair("[PAD] q", "a", "b")] {
            let error = #expect(throws: BadRow.self) { try plan(rows).example(of: record) }
            #expect(error?.reason.contains(#""[PAD]" has the id \#(rows)"#) == true, "\(String(describing: error))")
            _ = try plan(rows + 1).example(of: record)
        }
        #expect(try plan(rows).modelRows == rows)
        #expect(try plan(rows + 1).modelRows == nil)
    }

    @Test func aUnigramModelWithoutAnUnknownToken() throws {
        let tokenizer = try TokenizerFixture.tokenizer(
            #"{"model": {"type": "Unigram", "unk_id": null, "vocab": [["a", -1], ["b", -2.5], ["ab", -4]]}}"#)
        #expect(try tokenizer.encode("aab") == [0, 0, 1])
        let error = #expect(throws: RDOError.self) { try tokenizer.encode("ac") }
        #expect(error?.what.contains("unk_id") == true)
    }
}
