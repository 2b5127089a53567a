import Diagnostics
import TestSupport
import Testing

@testable import Preferences

@Suite struct TruncationTests {
    private let tokenizer = ByteTokenizer()

    private func example(_ plan: TokenizationPlan, _ record: PreferenceRecord) throws -> TokenizedExample {
        try plan.examples(of: [record], rows: 0..<1)[0].get()
    }

    private func reason(_ plan: TokenizationPlan, _ record: PreferenceRecord) -> String? {
        guard case .failure(let row) = plan.examples(of: [record], rows: 0..<1)[0] else { return nil }
        return row.reason
    }

    @Test func bosAndEosStandOnceWhereTheyMust() throws {
        let whole = try example(try plan(.hh), pair("q", "a", "bc"))
        #expect(whole.prompt == [ByteTokenizer.bos] + tokenizer.encode("\n\nHuman: q\n\nAssistant:"))
        #expect(
            whole.responses == [
                tokenizer.encode(" a") + [ByteTokenizer.eos], tokenizer.encode(" bc") + [ByteTokenizer.eos],
            ])
        #expect(whole.truncatedResponses == [false, false])
        #expect(!whole.isPromptTruncated)
        let bare = try example(try plan(tokenizer: ByteTokenizer(bosTokenID: nil)), pair("q", "a", "bc"))
        #expect(bare.prompt == tokenizer.encode("q"))
    }

    @Test func theTextsOwnBosAndEosAreBadRows() throws {
        #expect(reason(try plan(), pair("<s>q", "a", "b")) == "the prompt's text begins with the BOS token")
        #expect(reason(try plan(), pair("q", "a</s>", "b")) == "a response's text contains the EOS token")
        // Inside a prompt they are the user's text, such as a turn's end in ChatML.
        #expect(reason(try plan(), pair("q</s><s>r", "a", "b")) == nil)
    }

    @Test func responsesThatBecomeTheSameTokensAreBadRows() throws {
        let lower = try plan(tokenizer: ByteTokenizer(lowercases: true), maxTokens: 16, overLong: .truncate)
        #expect(reason(lower, pair("q", "A", "a")) == "identical responses after tokenization")
        let (a, b) = (String(repeating: "x", count: 30) + "a", String(repeating: "x", count: 30) + "b")
        #expect(reason(lower, pair("q", a, b)) == "identical responses after tokenization")
    }

    @Test func thePromptLosesItsBeginningBeforeAResponseLosesItsEnd() throws {
        // 9 prompt tokens with BOS, longest response 6 with EOS: 12 leave the prompt 6, its last 5 bytes and BOS.
        let short = try example(try plan(maxTokens: 12), pair("abcdefgh", "12345", "1"))
        #expect(short.prompt == [ByteTokenizer.bos] + tokenizer.encode("defgh"))
        #expect(short.isPromptTruncated)
        #expect(short.truncatedResponses == [false, false])
        #expect(tokenizer.decode(short.responses[0]) == "12345")
        // Room for exactly everything: nothing is cut.
        let exact = try example(try plan(maxTokens: 15), pair("abcdefgh", "12345", "1"))
        #expect(!exact.isPromptTruncated)
    }

    @Test func theFloorKeepsThePromptAndAnOverLongResponseIsABadRow() throws {
        let record = pair("abcdefgh", "1234567", "1")
        #expect(reason(try plan(maxTokens: 12), record) == "response longer than the limit of 12 tokens")
        #expect(reason(try plan(maxTokens: 12, maxPromptTokens: 4), record) == nil)
        let cut = try example(try plan(maxTokens: 12, overLong: .truncate), record)
        #expect(cut.prompt == [ByteTokenizer.bos] + tokenizer.encode("defgh"))
        // No EOS: the text goes on. The other response is whole.
        #expect(cut.responses == [tokenizer.encode("123456"), tokenizer.encode("1") + [ByteTokenizer.eos]])
        #expect(cut.truncatedResponses == [true, false])
        // A response that fits but for its EOS is cut as well.
        let barely = try example(try plan(maxTokens: 12, overLong: .truncate), pair("abcdefgh", "123456", "1"))
        #expect(barely.responses[0] == tokenizer.encode("123456"))
        #expect(barely.truncatedResponses == [true, false])
    }

    @Test func impossibleLimitsAreUsageErrors() {
        for (limit, prompt) in [(7, nil), (16, 1), (16, 14), (16, 16)] as [(Int, Int?)] {
            let error = #expect(throws: RDOError.self) { _ = try plan(maxTokens: limit, maxPromptTokens: prompt) }
            #expect(error?.kind == .usage)
        }
    }

    /// Whatever the lengths: nothing exceeds the limit, EOS ends exactly the whole responses, ids give texts back.
    @Test func randomRecordsKeepTheConventions() throws {
        var generator = SeededGenerator(seed: 7)
        var (cutPrompts, cutResponses, rejected) = (0, 0, 0)
        for round in 0..<400 {
            let limit = Int.random(in: 8...120, using: &generator)
            let floor = Bool.random(using: &generator) ? nil : Int.random(in: 2...(limit - 3), using: &generator)
            let texts = (0...Int.random(in: 1...4, using: &generator)).map { index in
                randomText(length: 0...40, using: &generator) + "\(index)"
            }
            let record = PreferenceRecord(
                file: "f", line: round + 1, kind: .list, prompt: randomText(length: 0...60, using: &generator),
                responses: texts, scores: texts.indices.map(Double.init))
            let plan = try plan(maxTokens: limit, maxPromptTokens: floor, overLong: .truncate)
            guard case .success(let example) = plan.examples(of: [record], rows: 0..<1)[0] else {
                // Only responses cut to the same beginning are turned down.
                rejected += 1
                continue
            }
            let promptText = Array(record.prompt.utf8).map { Int32($0) }
            #expect(example.prompt[0] == ByteTokenizer.bos)
            #expect(promptText.suffix(example.prompt.count - 1) == example.prompt[1...])
            #expect(example.isPromptTruncated == (example.prompt.count - 1 < promptText.count))
            for ((ids, isTruncated), text) in zip(zip(example.responses, example.truncatedResponses), texts) {
                #expect(example.prompt.count + ids.count <= limit)
                #expect((ids.last == ByteTokenizer.eos) == !isTruncated)
                #expect(ids.count { $0 == ByteTokenizer.eos } == (isTruncated ? 0 : 1))
                if isTruncated {
                    #expect(example.prompt.count + ids.count == limit)
                    #expect(tokenizer.encode(text).starts(with: ids))
                    #expect(example.prompt.count <= max(floor ?? limit / 2, 2))
                } else {
                    #expect(tokenizer.decode(ids).utf8.elementsEqual(text.utf8))
                }
            }
            cutPrompts += example.isPromptTruncated ? 1 : 0
            cutResponses += example.truncatedResponses.contains(true) ? 1 : 0
        }
        #expect(cutPrompts > 50 && cutResponses > 50 && rejected < 100)
    }

    @Test func theDifferenceInputIsFourSegments() throws {
        let example = try plan().differenceExamples(of: [pair("q", " a", "b")], rows: 0..<1)[0].get()
        #expect(example.query == [ByteTokenizer.bos] + tokenizer.encode("Query: q"))
        #expect(example.asFirst == [tokenizer.encode("; Response 1:  a"), tokenizer.encode("; Response 1: b")])
        #expect(example.asSecond == [tokenizer.encode("; Response 2:  a"), tokenizer.encode("; Response 2: b")])
        // The template renders chats only.
        let wrapped = try plan(.hh).differenceExamples(of: [pair("q", "a", "b")], rows: 0..<1)[0].get()
        #expect(wrapped.query == example.query)
        var chat = pair("q", "a", "b")
        chat.messages = [ChatMessage(role: .user, content: "q")]
        let rendered = try plan(.hh).differenceExamples(of: [chat], rows: 0..<1)[0].get()
        #expect(tokenizer.decode(rendered.query) == "Query: \n\nHuman: q\n\nAssistant:")
    }

    @Test func noComparisonExceedsTheLimit() throws {
        var generator = SeededGenerator(seed: 9)
        var cut = 0
        for _ in 0..<300 {
            let limit = Int.random(in: 70...200, using: &generator)
            let record = pair(
                randomText(length: 0...60, using: &generator), randomText(length: 0...60, using: &generator) + "a",
                randomText(length: 0...60, using: &generator) + "b")
            let plan = try plan(maxTokens: limit, overLong: .truncate)
            guard case .success(let example) = plan.differenceExamples(of: [record], rows: 0..<1)[0] else { continue }
            let longest =
                try #require(example.asFirst.map(\.count).max()) + #require(example.asSecond.map(\.count).max())
            #expect(example.query.count + longest + 1 <= limit)
            #expect(example.query[0] == ByteTokenizer.bos)
            for (index, text) in record.responses.enumerated() where !example.truncatedResponses[index] {
                #expect(example.asFirst[index] == tokenizer.encode("; Response 1: " + text))
                #expect(example.asSecond[index] == tokenizer.encode("; Response 2: " + text))
            }
            cut += example.truncatedResponses.contains(true) ? 1 : 0
        }
        #expect(cut > 20)
    }
}
