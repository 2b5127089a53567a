import Coding
import Diagnostics
import Foundation
import Testing

@testable import Preferences

@Suite struct TokenizerTests {
    @Test(arguments: ["gpt2", "llama3", "llama2"])
    func decodingGivesTheTextBackByteForByte(_ name: String) throws {
        let tokenizer = try TokenizerFixture.tokenizer(#require(TokenizerFixture.all[name]))
        var texts = TextGenerator(seed: 1)
        for _ in 0..<3000 {
            // SentencePiece's visible space reads as a space, by design.
            let text = texts.text { name == "llama2" && $0 == "▁" }
            let ids = try tokenizer.encode(text)
            #expect(ids.allSatisfy { (0..<Int32(tokenizer.vocabularySize)).contains($0) })
            #expect(Array(try tokenizer.decode(ids).utf8) == Array(text.utf8), "\(text.unicodeScalars.map(\.value))")
        }
    }

    @Test func aNormalizingTokenizerGivesTheNormalizedTextBack() throws {
        let tokenizer = try TokenizerFixture.tokenizer(TokenizerFixture.qwen2)
        var texts = TextGenerator(seed: 2)
        for _ in 0..<2000 {
            let text = texts.text()
            let decoded = try tokenizer.decode(tokenizer.encode(text))
            #expect(Array(decoded.utf8) == Array(text.precomposedStringWithCanonicalMapping.utf8))
        }
    }

    @Test func theOrderOfTextsDoesNotMatter() throws {
        let fresh = { try TokenizerFixture.tokenizer(TokenizerFixture.llama3) }
        let used = try fresh()
        var texts = TextGenerator(seed: 3)
        for _ in 0..<300 {
            let text = texts.text()
            #expect(try used.encode(text) == fresh().encode(text))
            #expect(try used.encode(text) == used.encode(text))
        }
    }

    @Test func encodesFromManyThreads() async throws {
        let tokenizer = try TokenizerFixture.tokenizer(TokenizerFixture.gpt2)
        let expected = try (0..<64).map { seed -> [Int32] in
            var texts = TextGenerator(seed: UInt64(seed % 8))
            return try (0..<100).flatMap { _ in try tokenizer.encode(texts.text()) }
        }
        let found = try await withThrowingTaskGroup(of: (Int, [Int32]).self) { group in
            for seed in 0..<64 {
                group.addTask {
                    var texts = TextGenerator(seed: UInt64(seed % 8))
                    return (seed, try (0..<100).flatMap { _ in try tokenizer.encode(texts.text()) })
                }
            }
            return try await group.reduce(into: [Int: [Int32]]()) { $0[$1.0] = $1.1 }
        }
        for (seed, ids) in expected.enumerated() { #expect(found[seed] == ids) }
    }

    /// "Å" (U+00C5), "Å" (U+212B) and "A" + U+030A are equal as Swift strings and different for a tokenizer.
    @Test func canonicallyEquivalentTokensStayDifferent() throws {
        let json = #"""
            {"model": {"type": "BPE", "vocab": {"\u00c5": 0, "\u212b": 1, "A": 2, "\u030a": 3, "A\u030a": 4},
             "merges": [["A", "\u030a"]]}}
            """#
        let tokenizer = try TokenizerFixture.tokenizer(json)
        #expect(tokenizer.vocabularySize == 5)
        #expect(try tokenizer.encode("\u{C5}") == [0])
        #expect(try tokenizer.encode("\u{212B}") == [1])
        #expect(try tokenizer.encode("A\u{30A}") == [4])
        #expect(try tokenizer.encode("\u{30A}A") == [3, 2])
        #expect(tokenizer.id(of: "\u{212B}") == 1)
        #expect(tokenizer.id(of: "A\u{30A}") == 4)
        #expect(tokenizer.id(of: "B") == nil)
    }

    @Test func mergesTheLowestRankFirstThenTheLeftmost() throws {
        let json = #"""
            {"model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "aa": 2, "ab": 3, "aab": 4},
             "merges": ["a b", "a a", "a ab"]}}
            """#
        let tokenizer = try TokenizerFixture.tokenizer(json)
        #expect(try tokenizer.encode("aab") == [4])
        #expect(try tokenizer.encode("aaa") == [2, 0])
        #expect(try tokenizer.encode("aaaab") == [2, 4])
        // One word of 300,000 characters: minutes if merging were quadratic.
        let ids = try tokenizer.encode(String(repeating: "aaaab", count: 60_000))
        #expect(ids == Array(repeating: [2, 4], count: 60_000).flatMap { $0 })
    }

    @Test func anEmptyTokenIsNeverMerged() throws {
        let json = #"{"model": {"vocab": {"": 0, "a": 1, "b": 2, "ab": 3}, "merges": [["", "a"], ["b", ""], "a b"]}}"#
        #expect(try TokenizerFixture.tokenizer(json).encode("abb") == [3, 2])
    }

    @Test func bosIsWhatTheTemplatePutsBeforeTheText() throws {
        func bos(_ postProcessor: String) throws -> Int32? {
            let json = TokenizerFixture.bytePairs(
                TokenizerFixture.byteLevel(usesWords: true), added: [("<s>", "s"), ("</s>", "s")],
                postProcessor: postProcessor)
            return try TokenizerFixture.tokenizer(json).bosTokenID
        }
        let first = try TokenizerFixture.tokenizer(TokenizerFixture.gpt2).vocabularySize
        let special =
            #""special_tokens": {"<s>": {"id": "<s>", "ids": [\#(first)], "tokens": ["<s>"]}, "#
            + #""</s>": {"id": "</s>", "ids": [\#(first + 1)], "tokens": ["</s>"]}}"#
        func template(_ single: String) -> String {
            #"{"type": "TemplateProcessing", "single": [\#(single)], \#(special)}"#
        }
        let (begin, end) = (#"{"SpecialToken": {"id": "<s>"}}"#, #"{"SpecialToken": {"id": "</s>"}}"#)
        let text = #"{"Sequence": {"id": "A"}}"#
        #expect(try bos("null") == nil)
        #expect(try bos(TokenizerFixture.byteLevel(usesWords: true)) == nil)
        #expect(try bos(template("\(begin), \(text), \(end)")) == Int32(first))
        #expect(try bos(template("\(text), \(end)")) == nil)
        let sequence = #"{"type": "Sequence", "processors": [\#(TokenizerFixture.byteLevel(usesWords: true)), "#
        #expect(try bos(sequence + template("\(end), \(text)") + "]}") == Int32(first + 1))
        #expect(throws: RDOError.self) { try bos(template("\(begin), \(end), \(text)")) }
    }

    @Test func unknownIDsAreLeftOut() throws {
        let tokenizer = try TokenizerFixture.tokenizer(TokenizerFixture.gpt2)
        #expect(try tokenizer.decode([104, -1, 1_000_000, 105]) == "hi")
        #expect(try tokenizer.decode([0xE4, 0xB8]) == "\u{FFFD}")
    }

    /// A pattern whose JIT stack runs over is matched by the interpreter.
    @Test func longMatchesOfGroups() throws {
        let expression = try RegularExpression(Array("(?:a|bc)+x".utf8))
        let text = Array((String(repeating: "abca", count: 300_000) + "x").utf8)
        var matches: [Range<Int>] = []
        try text.withUnsafeBufferPointer { text in try expression.forEachMatch(in: text) { matches.append($0) } }
        #expect(matches == [0..<text.count])
    }

    @Test(arguments: [
        "[a&&b]", "[[a]b]", #"\h"#, #"[\W]"#, "(", "[a", "(*LIMIT_MATCH=1)a", "(?s)a", "(?|a)", #"\C"#, #"\X"#, #"\Qa"#,
        #"(?=a\K)"#,
    ])
    func refusesPatternsThatMeanSomethingElse(_ pattern: String) {
        #expect(throws: RegularExpression.PatternError.self) { try RegularExpression(Array(pattern.utf8)) }
    }

    @Test func theByteTokenizerIsAnOrdinaryTokenizer() throws {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        try Preferences.ByteTokenizer.write(to: directory.path)
        let tokenizer = try TokenizerLoader.load(directory.path)
        #expect(tokenizer.vocabularySize == Preferences.ByteTokenizer.vocabularySize)
        #expect(tokenizer.bosTokenID == tokenizer.id(of: "<s>"))
        #expect(tokenizer.bosTokenID == Preferences.ByteTokenizer.bosTokenID)
        #expect(tokenizer.id(of: "</s>") == Preferences.ByteTokenizer.eosTokenID)
        #expect(try tokenizer.encode("a</s>é") == [97, 257, 0xC3, 0xA9])
        var texts = TextGenerator(seed: 4)
        for _ in 0..<1000 {
            let text = texts.text()
            #expect(try tokenizer.encode(text) == text.utf8.map(Int32.init))
            #expect(Array(try tokenizer.decode(tokenizer.encode(text)).utf8) == Array(text.utf8))
        }
        #expect(tokenizer.digest == Digest.of(Array(Preferences.ByteTokenizer.tokenizerJSON())).hex)
    }
}
