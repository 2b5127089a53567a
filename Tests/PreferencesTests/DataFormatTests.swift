import Diagnostics
import Foundation
import Testing

@testable import Preferences

@Suite struct DataFormatTests {
    let directory: DataDirectory

    init() throws { directory = try DataDirectory() }

    private func only(_ line: String, _ format: DataFormat) throws -> PreferenceRecord {
        let data = try PreferenceReader().read([try directory.write([line])])
        #expect(data.report.files[0].format == format)
        return try #require(data.records.first)
    }

    @Test func pairs() throws {
        let record = try only(
            #"{"prompt": "q", "chosen": " a", "rejected": "b\u0000", "source": 3, "weight": 0.5}"#, .pairs)
        #expect(record.kind == .pair)
        #expect(record.prompt == "q")
        #expect(record.responses == [" a", "b\0"])
        #expect(record.weight == 0.5)
        #expect(record.line == 1)
        #expect(record.scores == nil && record.label == nil && record.messages == nil)
    }

    /// Rows count all lines of all files, so that none is named twice: blank and bad ones, and a file read again.
    @Test func rowsOfSeveralFilesAreDistinct() throws {
        let row = #"{"prompt": "q", "chosen": "a", "rejected": "b"}"#
        let first = try directory.write(["", row, "", "{}", row])
        let data = try PreferenceReader(policy: .skip).read([first, first])
        #expect(data.records.map(\.line) == [2, 5, 2, 5])
        #expect(data.records.map(\.row) == [1, 4, 6, 9])
    }

    @Test func questions() throws {
        let plain = try only(#"{"system": " ", "question": "q?", "chosen": "a", "rejected": "b"}"#, .questions)
        #expect(plain.prompt == "q?" && plain.messages == nil && plain.responses == ["a", "b"])
        let chat = try only(#"{"system": "Be brief.", "question": "q?", "chosen": "a", "rejected": "b"}"#, .questions)
        #expect(
            chat.messages == [
                ChatMessage(role: .system, content: "Be brief."), ChatMessage(role: .user, content: "q?"),
            ])
        #expect(chat.prompt == "Be brief.\n\nq?")
        #expect(try only(#"{"question": "q?", "chosen": "a", "rejected": "b"}"#, .questions).messages == nil)
    }

    @Test func dahoas() throws {
        let record = try only(#"{"prompt": "q", "response": "a", "chosen": "a", "rejected": "b"}"#, .dahoas)
        #expect(record.responses == ["a", "b"])
    }

    @Test func dialoguesAreSplitAtTheLastAssistantTurn() throws {
        let prompt = #"\n\nHuman: hi\n\nAssistant: hello\n\nHuman: e\u0301?\r\n\n\nAssistant:"#
        let record = try only(#"{"chosen": "\#(prompt) yes\nAssistant: x", "rejected": "\#(prompt) no"}"#, .hh)
        #expect(
            Array(record.prompt.utf8)
                == Array("\n\nHuman: hi\n\nAssistant: hello\n\nHuman: e\u{301}?\r\n\n\nAssistant:".utf8))
        #expect(record.responses == [" yes\nAssistant: x", " no"])
    }

    @Test func summaries() throws {
        let info = #""info": {"subreddit": "s", "title": "t", "post": "p"}"#
        let summaries = #""summaries": [{"text": " a"}, {"text": " b", "policy": "x"}]"#
        let record = try only("{\(info), \(summaries), \"choice\": 1}", .tldr)
        #expect(record.prompt == "SUBREDDIT: r/s\n\nTITLE: t\n\nPOST: p\n\nTL;DR:")
        #expect(record.responses == [" b", " a"])
    }

    @Test func chats() throws {
        func message(_ role: String, _ content: String) -> String { #"{"role": "\#(role)", "content": "\#(content)"}"# }
        let expected = [ChatMessage(role: .user, content: "q")]
        let (user, good, bad) = (message("user", "q"), message("assistant", "a"), message("assistant", "b"))
        for line in [
            // Whole dialogues; with a prompt as text (UltraFeedback) and as messages; responses beside either.
            "{\"chosen\": [\(user), \(good)], \"rejected\": [\(user), \(bad)]}",
            "{\"prompt\": \"q\", \"chosen\": [\(user), \(good)], \"rejected\": [\(user), \(bad)]}",
            "{\"prompt\": [\(user)], \"chosen\": [\(user), \(good)], \"rejected\": [\(user), \(bad)]}",
            "{\"prompt\": [\(user)], \"chosen\": [\(good)], \"rejected\": [\(bad)]}",
            "{\"prompt\": \"q\", \"chosen\": [\(good)], \"rejected\": [\(bad)]}",
        ] {
            let record = try only(line, .messages)
            #expect(record.messages == expected, "\(line)")
            #expect(record.responses == ["a", "b"])
            #expect(record.prompt == "q")
        }
    }

    @Test func lists() throws {
        let record = try only(#"{"query": "q", "responses": ["a", "b", "c"], "scores": [1, -2.5, 1]}"#, .lists)
        #expect(record.kind == .list)
        #expect(record.responses == ["a", "b", "c"])
        #expect(record.scores == [1, -2.5, 1])
        #expect(try only(#"{"query": "q", "responses": ["a", "b"], "scores": null}"#, .lists).scores == nil)
        let chat = try only(
            #"{"messages": [{"role": "user", "content": "q"}], "responses": ["a", "b"]}"#, .lists)
        #expect(chat.messages == [ChatMessage(role: .user, content: "q")] && chat.scores == nil)
        #expect(try only(#"{"prompt": "q", "responses": ["a", "b"], "scores": [1, 2]}"#, .lists).prompt == "q")
    }

    @Test func unpaired() throws {
        let record = try only(#"{"prompt": "q", "completion": "a", "label": false}"#, .kto)
        #expect(record.kind == .unpaired)
        #expect(record.label == false)
        #expect(record.responses == ["a"])
        let chat = try only(
            #"{"prompt": [{"role": "user", "content": "q"}], "completion": [{"role": "assistant", "content": "a"}], "label": true}"#,
            .kto)
        #expect(chat.messages == [ChatMessage(role: .user, content: "q")])
        #expect(chat.responses == ["a"])
        #expect(chat.label == true)
    }

    /// Every way in which a row can be bad, and what is said of it.
    private static let badRows: [(DataFormat, String, String)] = [
        (.pairs, #"{"prompt": "q", "chosen": "a""#, "malformed JSON: the text ends in the middle of a value"),
        (.pairs, #"{"prompt": "q", "chosen": "a", "rejected": "b",}"#, "malformed JSON: unexpected character"),
        (.pairs, #"{"prompt": "q", "chosen": NaN, "rejected": "b"}"#, "field \"chosen\" is not a string"),
        (
            .pairs, #"{"prompt": "\ud800", "chosen": "a", "rejected": "b"}"#,
            "malformed JSON: half of a surrogate pair (a character that was cut in two)"
        ),
        (.pairs, "{\"a\":" + String(repeating: "[", count: 100_000), "malformed JSON: nested too deeply"),
        (.pairs, "3", "not a JSON object"),
        (.pairs, #"{"prompt": "q", "chosen": "a"}"#, "missing field \"rejected\""),
        (.pairs, #"{"prompt": null, "chosen": "a", "rejected": "b"}"#, "missing field \"prompt\""),
        (.pairs, #"{"prompt": "q", "chosen": 1, "rejected": "b"}"#, "field \"chosen\" is not a string"),
        (.pairs, #"{"prompt": "q", "chosen": "a", "rejected": "a"}"#, "identical responses"),
        (.pairs, #"{"prompt": " \n", "chosen": "a", "rejected": "b"}"#, "empty prompt"),
        (.pairs, #"{"prompt": "q", "chosen": "", "rejected": "b"}"#, "empty response"),
        (.pairs, #"{"prompt": "q", "chosen": "a", "rejected": " \t "}"#, "empty response"),
        (
            .pairs, #"{"prompt": "q", "chosen": "a", "rejected": "b", "weight": -1}"#,
            "field \"weight\" is not a number of at least 0"
        ),
        (
            .pairs, #"{"prompt": "q", "chosen": "a", "rejected": "b", "weight": true}"#,
            "field \"weight\" is not a number of at least 0"
        ),
        (.dahoas, #"{"response": "a", "chosen": "a", "rejected": "b"}"#, "missing field \"prompt\""),
        (
            .hh, #"{"chosen": "x", "rejected": "\n\nHuman: q\n\nAssistant: b"}"#,
            "field \"chosen\" has no assistant turn"
        ),
        (
            .hh,
            #"{"chosen": "\n\nHuman: q\n\nAssistant: a", "rejected": "\n\nHuman: q\n\nAssistant: b\n\nHuman: c"}"#,
            "field \"rejected\" does not end in an assistant turn"
        ),
        (
            .hh, #"{"chosen": "\n\nHuman: q\n\nAssistant: a", "rejected": "\n\nHuman: r\n\nAssistant: b"}"#,
            "the prompts of chosen and rejected differ"
        ),
        // The same text in two Unicode forms is not the same prompt.
        (
            .hh, #"{"chosen": "\n\nHuman: \u00e9\n\nAssistant: a", "rejected": "\n\nHuman: e\u0301\n\nAssistant: b"}"#,
            "the prompts of chosen and rejected differ"
        ),
        (.tldr, #"{"info": {"article": "x"}, "summaries": [], "choice": 0}"#, "missing field \"info.subreddit\""),
        (
            .tldr,
            #"{"info": {"subreddit": "s", "title": "t", "post": "p"}, "summaries": [{"text": "a"}], "choice": 0}"#,
            "field \"summaries\" does not hold two summaries"
        ),
        (
            .tldr,
            #"{"info": {"subreddit": "s", "title": "t", "post": "p"}, "summaries": [{"note": "a"}], "choice": 0}"#,
            "missing field \"summaries[].text\""
        ),
        (
            .tldr,
            #"{"info": {"subreddit": "s", "title": "t", "post": "p"}, "summaries": [{"text": "a"}, {"text": "b"}], "choice": 2}"#,
            "field \"choice\" is neither 0 nor 1"
        ),
        (
            .tldr,
            #"{"info": {"subreddit": "s", "title": "t", "post": "p"}, "summaries": [{"text": "a"}, {"text": "b"}], "choice": true}"#,
            "field \"choice\" is not an integer"
        ),
        (
            .tldr,
            #"{"info": {"subreddit": "s", "title": "t", "post": ""}, "summaries": [{"text": "a"}, {"text": "b"}], "choice": 0}"#,
            "empty prompt"
        ),
        (
            .messages, #"{"chosen": [{"role": "user", "content": "q"}], "rejected": []}"#,
            "field \"chosen\" does not end in an assistant message"
        ),
        (
            .messages, #"{"chosen": [{"role": "function", "content": "q"}], "rejected": []}"#,
            "field \"chosen[].role\" is not system, user, assistant or tool"
        ),
        (.messages, #"{"chosen": [{"role": "user"}], "rejected": []}"#, "missing field \"chosen[].content\""),
        (.messages, #"{"chosen": ["a"], "rejected": []}"#, "field \"chosen\" is not an array of objects"),
        (
            .messages,
            #"{"chosen": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}], "rejected": [{"role": "user", "content": "r"}, {"role": "assistant", "content": "b"}]}"#,
            "the prompts of chosen and rejected differ"
        ),
        (
            .messages,
            #"{"prompt": "other", "chosen": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}], "rejected": [{"role": "user", "content": "q"}, {"role": "assistant", "content": "b"}]}"#,
            "field \"prompt\" is no user message of \"chosen\""
        ),
        (
            .messages,
            #"{"chosen": [{"role": "assistant", "content": "a"}], "rejected": [{"role": "assistant", "content": "b"}]}"#,
            "empty prompt"
        ),
        (.lists, #"{"responses": ["a", "b"], "scores": [1, 2]}"#, "missing field \"prompt\""),
        (
            .lists, #"{"query": "q", "responses": ["a", 3], "scores": [1, 2]}"#,
            "field \"responses\" is not an array of strings"
        ),
        (
            .lists, #"{"query": "q", "responses": ["a", "b"], "scores": [1, "2"]}"#,
            "field \"scores\" is not an array of numbers"
        ),
        (.lists, #"{"query": "q", "responses": ["a", "b"], "scores": [1]}"#, "responses and scores differ in number"),
        (.lists, #"{"query": "q", "responses": ["a"], "scores": [1]}"#, "fewer than two responses"),
        (.lists, #"{"query": "q", "responses": ["a", "b", "a"], "scores": [1, 2, 3]}"#, "identical responses"),
        (.lists, #"{"query": "q", "responses": ["a", ""], "scores": [1, 2]}"#, "empty response"),
        (.kto, #"{"prompt": "q", "completion": "a", "label": 2}"#, "field \"label\" is not true or false, 1 or 0"),
        (
            .kto, #"{"prompt": "q", "completion": "a", "label": "true"}"#,
            "field \"label\" is not true or false, 1 or 0"
        ),
        (
            .kto, #"{"prompt": "q", "completion": [], "label": true}"#,
            "field \"completion\" is not one assistant message"
        ),
    ]

    @Test(arguments: badRows.indices) func everyKindOfBadRow(_ index: Int) throws {
        let (format, line, reason) = Self.badRows[index]
        let good = [
            DataFormat.hh: #"{"chosen": "\n\nHuman: q\n\nAssistant: a", "rejected": "\n\nHuman: q\n\nAssistant: b"}"#,
            .tldr:
                #"{"info": {"subreddit": "s", "title": "t", "post": "p"}, "summaries": [{"text": "a"}, {"text": "b"}], "choice": 0}"#,
            .messages:
                #"{"prompt": "q", "chosen": [{"role": "assistant", "content": "a"}], "rejected": [{"role": "assistant", "content": "b"}]}"#,
            .lists: #"{"query": "q", "responses": ["a", "b"], "scores": [1, 2]}"#,
            .kto: #"{"prompt": "q", "completion": "a", "label": true}"#,
        ][format, default: #"{"prompt": "q", "chosen": "a", "rejected": "b"}"#]
        let path = try directory.write([line, good, "", line])

        let data = try PreferenceReader(format: format, policy: .skip).read([path])
        #expect(data.records.map(\.line) == [2])
        #expect(data.report.rows == 3)
        #expect(data.report.kept == 1)
        #expect(data.report.bad.reasons.map(\.reason) == [reason])
        #expect(data.report.bad.reasons[0].count == 2)
        let places = data.report.bad.reasons[0].first
        #expect(places.map { $0.hasPrefix("\(path):1") } == [true, false] && places[1].hasPrefix("\(path):4"))

        let error = #expect(throws: RDOError.self) { _ = try PreferenceReader(format: format).read([path]) }
        #expect(error?.kind == .data)
        #expect(error?.place?.hasPrefix("\(path):1") == true)
        #expect(error?.what == "\(reason) (2 of 3 rows are bad)")
    }
}
