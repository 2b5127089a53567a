import Diagnostics
import Foundation
import Testing

@testable import Preferences

/// Rows as people publish them: one of each layout, what becomes of it, and what is refused rather than guessed.
@Suite struct PublishedFormatTests {
    let directory: DataDirectory

    init() throws { directory = try DataDirectory() }

    private func read(_ line: String, columns: [String: String] = [:]) throws -> (PreferenceRecord, DataFormat) {
        let data = try PreferenceReader(columns: columns).read([try directory.write([line])])
        return (try #require(data.records.first), data.report.files[0].format)
    }

    private func refusal(_ line: String, format: DataFormat = .auto) throws -> String {
        let path = try directory.write([line])
        let error = #expect(throws: RDOError.self) { _ = try PreferenceReader(format: format).read([path]) }
        #expect(error?.kind == .data && error?.place?.hasPrefix("\(path):1") == true)
        return error?.what ?? ""
    }

    private struct Expected {
        let format: DataFormat
        let line: String
        var kind = PreferenceRecord.Kind.pair
        var prompt = "q"
        var roles: [ChatMessage.Role]?
        var responses = ["good", "bad"]
        var scores: [Double]?
        var label: Bool?
        var margin: Double?
    }

    private static let user = #"{"role": "user", "content": "q"}"#
    private static let human = #"{"from": "human", "value": "q"}"#
    private static let better = #"{"role": "assistant", "content": "good"}"#
    private static let worse = #"{"role": "assistant", "content": "bad"}"#

    private static let rows = [
        Expected(format: .alpaca, line: #"{"instruction": "q", "input": "", "chosen": "good", "rejected": "bad"}"#),
        Expected(
            format: .alpaca, line: #"{"instruction": "do", "input": "this", "output": ["good", "bad"]}"#,
            prompt: "do\nthis"),
        Expected(
            format: .alpaca,
            line: #"""
                {"instruction": "q", "input": "", "chosen": "good", "rejected": "bad", "system": "s",
                "history": [["a", "b"]]}
                """#.replacing("\n", with: " "),
            prompt: "s\n\na\n\nb\n\nq", roles: [.system, .user, .assistant, .user]),
        Expected(
            format: .alpaca, line: #"{"instruction": "q", "input": "", "output": "good"}"#, kind: .unpaired,
            responses: ["good"]),
        Expected(
            format: .alpaca, line: #"{"instruction": "q", "output": "good", "kto_tag": false}"#, kind: .unpaired,
            responses: ["good"], label: false),
        Expected(
            format: .sharegpt,
            line: #"{"conversations": [\#(human)], "chosen": {"from": "gpt", "value": "good"}, "#
                + #""rejected": {"from": "gpt", "value": "bad"}}"#,
            roles: [.user]),
        Expected(
            format: .sharegpt,
            line: #"{"conversations": [\#(human), {"from": "gpt", "value": "good"}], "kto_tag": true}"#,
            kind: .unpaired, roles: [.user], responses: ["good"], label: true),
        Expected(
            format: .sharegpt, line: #"{"conversations": [\#(human), {"from": "gpt", "value": "good"}]}"#,
            kind: .unpaired, roles: [.user], responses: ["good"]),
        Expected(
            format: .sharegpt, line: #"{"messages": [\#(user)], "chosen": \#(better), "rejected": \#(worse)}"#,
            roles: [.user]),
        Expected(
            format: .swift, line: #"{"messages": [\#(user), \#(better)], "rejected_response": "bad"}"#,
            roles: [.user]),
        Expected(
            format: .swift,
            line: #"{"messages": [\#(user), \#(better)], "rejected_messages": [\#(user), \#(worse)]}"#,
            roles: [.user]),
        Expected(
            format: .swift, line: #"{"messages": [\#(user), \#(better)], "label": 1}"#, kind: .unpaired,
            roles: [.user], responses: ["good"], label: true),
        Expected(
            format: .ultrafeedback,
            line: #"""
                {"source": "x", "instruction": "q", "completions": [{"response": "good", "overall_score": 8.5},
                {"response": "bad", "overall_score": 3}]}
                """#.replacing("\n", with: " "),
            kind: .list, scores: [8.5, 3]),
        Expected(
            format: .messages,
            line: #"{"prompt": "q", "chosen": [\#(user), \#(better)], "rejected": [\#(user), \#(worse)], "#
                + #""messages": [\#(user), \#(better)], "score_chosen": 8, "score_rejected": 5.5}"#,
            roles: [.user], margin: 2.5),
        Expected(
            format: .helpsteer2,
            line: #"{"prompt": "q", "response_1": "bad", "response_2": "good", "preference_strength": 2}"#, margin: 2),
        Expected(
            format: .helpsteer3,
            line: #"{"context": [\#(user)], "response1": "good", "response2": "bad", "overall_preference": -3}"#,
            roles: [.user], margin: 3),
        Expected(
            format: .saferlhf,
            line: #"""
                {"prompt": "q", "response_0": "bad", "response_1": "good", "is_response_0_safe": true,
                "better_response_id": 1, "safer_response_id": 0}
                """#.replacing("\n", with: " ")),
        Expected(
            format: .shp,
            line: #"{"history": "q", "human_ref_A": "good", "human_ref_B": "bad", "labels": 1, "score_ratio": 2.0}"#),
        Expected(
            format: .nectar,
            line: #"""
                {"prompt": "q", "answers": [{"answer": "bad", "model": "m", "rank": 2.0},
                {"answer": "good", "model": "n", "rank": 1.0}], "turns": 1}
                """#.replacing("\n", with: " "),
            kind: .list, responses: ["bad", "good"], scores: [-2, -1]),
        Expected(
            format: .nemo,
            line: #"{"context": [\#(user)], "completions": [{"rank": 0, "completion": [\#(better)]}, "#
                + #"{"rank": 1, "completion": [\#(worse)]}]}"#,
            kind: .list, roles: [.user], scores: [0, -1]),
        Expected(format: .pairs, line: #"{"prompt": [\#(user)], "chosen": "good", "rejected": "bad"}"#, roles: [.user]),
        Expected(
            format: .pairs, line: #"{"prompt": "q", "chosen": "good", "rejected": "bad", "margin": 0.75}"#,
            margin: 0.75),
        Expected(
            format: .questions,
            line: #"{"question": "q", "chosen": "good", "rejected": "bad", "chosen_rating": 5, "rejected_rating": 1}"#,
            margin: 4),
        Expected(
            format: .demonstrations, line: #"{"prompt": "q", "completion": "good"}"#, kind: .unpaired,
            responses: ["good"]),
        // A system message beside any layout makes the row a chat.
        Expected(
            format: .pairs, line: #"{"system": "s", "prompt": "q", "chosen": "good", "rejected": "bad"}"#,
            prompt: "s\n\nq", roles: [.system, .user]),
        Expected(
            format: .messages,
            line: #"{"system": "s", "chosen": [\#(user), \#(better)], "rejected": [\#(user), \#(worse)]}"#,
            prompt: "s\n\nq", roles: [.system, .user]),
        // Python's NaN does no harm where nobody reads it.
        Expected(
            format: .pairs,
            line: #"{"prompt": "q", "chosen": "good", "rejected": "bad", "margin": NaN, "x": -Infinity}"#
        ),
    ]

    @Test(arguments: rows.indices) func everyLayout(_ index: Int) throws {
        let expected = Self.rows[index]
        let (record, format) = try read(expected.line)
        #expect(format == expected.format, "\(expected.line)")
        #expect(record.kind == expected.kind && record.prompt == expected.prompt, "\(expected.line)")
        #expect(record.messages?.map(\.role) == expected.roles, "\(expected.line)")
        #expect(record.responses == expected.responses, "\(expected.line)")
        #expect(record.scores == expected.scores && record.label == expected.label, "\(expected.line)")
        #expect(record.margin == expected.margin, "\(expected.line)")
    }

    @Test func columnsOfAnyName() throws {
        let columns = ["prompt": "ask", "chosen": "win", "rejected": "lose", "margin": "by"]
        let line = #"{"ask": "q", "win": "good", "lose": "bad", "by": 2, "prompt": 3}"#
        let (record, format) = try read(line, columns: columns)
        #expect(format == .pairs && record.responses == ["good", "bad"] && record.margin == 2)
        let path = try directory.write([#"{"ask": "q", "win": "good"}"#])
        let error = #expect(throws: RDOError.self) {
            _ = try PreferenceReader(format: .pairs, columns: columns).read([path])
        }
        #expect(error?.what.hasPrefix("missing field \"lose\"") == true)
    }

    @Test func rowsOfSeveralLayoutsInOneFile() throws {
        let data = try PreferenceReader().read([
            try directory.write([
                #"{"prompt": "q", "chosen": "good", "rejected": "bad"}"#,
                #"{"instruction": "q", "output": ["good", "bad"]}"#,
                #"{"messages": [\#(Self.user), \#(Self.better)], "rejected_response": "bad"}"#,
            ])
        ])
        #expect(data.records.map(\.responses) == [["good", "bad"], ["good", "bad"], ["good", "bad"]])
    }

    @Test func rowsThatMayMeanTwoThings() throws {
        let found = try refusal(
            #"{"prompt": "q", "question": "r", "chosen": "good", "rejected": "bad"}"#)
        #expect(found.contains("pairs, questions"))
        #expect(try refusal(#"{"a": 1, "b": 2}"#).contains("(a, b) fit no known data format"))
    }

    /// What a response answers is never left out in silence.
    @Test(arguments: [
        #""tools": [{"name": "f"}]"#, #""history": [["a", "b"]]"#, #""input": "more""#, #""images": ["x.png"]"#,
    ]) func textThatIsNotRead(_ field: String) throws {
        let found = try refusal(#"{"prompt": "q", "chosen": "good", "rejected": "bad", \#(field)}"#)
        #expect(found.contains("is not read in this format") && found.contains(field.prefix(6)))
        for empty in ["null", "\" \"", "[]"] {
            let name = field.prefix { $0 != ":" }
            _ = try read(#"{"prompt": "q", "chosen": "good", "rejected": "bad", \#(name): \#(empty)}"#)
        }
    }

    @Test func toolsAndStrangeRoles() throws {
        let call = #"{"role": "assistant", "content": "x", "tool_calls": [{"id": "1"}]}"#
        #expect(
            try refusal(#"{"chosen": [\#(Self.user), \#(call)], "rejected": [\#(Self.user), \#(Self.worse)]}"#)
                .contains("chosen[].tool_calls"))
        #expect(
            try refusal(#"{"conversations": [{"from": "function_call", "value": "x"}]}"#)
                .contains("conversations[].from"))
        let (answered, _) = try read(
            #"{"conversations": [{"from": "human", "value": "q"}, {"from": "gpt", "value": "f()"}, {"from": "#
                + #""observation", "value": "1"}], "chosen": {"from": "gpt", "value": "good"}, "rejected": {"from": "#
                + #""gpt", "value": "bad"}}"#)
        #expect(answered.messages?.map(\.role) == [.user, .assistant, .tool])
        #expect(
            try refusal(
                #"{"system": "s", "messages": [{"role": "system", "content": "t"}, \#(Self.user), \#(Self.better)]}"#
            )
            .contains("not the system message"))
    }

    @Test func judgementsThatAreNone() throws {
        #expect(
            try refusal(#"{"prompt": "q", "response_1": "a", "response_2": "b", "preference_strength": 0}"#)
                .contains("neither response is preferred"))
        #expect(
            try refusal(#"{"prompt": "q", "response_0": "a", "response_1": "b", "better_response_id": 2}"#)
                .contains("better_response_id"))
    }

    /// Dialogues that part before their last turn: the query is what they share.
    @Test func dialoguesThatDifferEarly() throws {
        let start = #"\n\nHuman: a\n\nAssistant:"#
        let (record, _) = try read(
            #"{"chosen": "\#(start) b\n\nHuman: c\n\nAssistant: d", "rejected": "\#(start) x\n\nHuman: c\n\nAssistant: d"}"#
        )
        #expect(record.prompt == "\n\nHuman: a\n\nAssistant:" && record.differsEarly)
        #expect(record.responses == [" b\n\nHuman: c\n\nAssistant: d", " x\n\nHuman: c\n\nAssistant: d"])
    }

    // MARK: - Files

    private func records(_ text: String, as name: String = "data.json", ranks: Int = 1) throws -> [PreferenceRecord] {
        try PreferenceReader().read([try directory.write(Array(text.utf8), as: name)], ranks: ranks).records
    }

    private func row(_ number: Int) -> String {
        #"{"prompt": "q\#(number), [\"]{", "chosen": "good", "rejected": "bad\\"}"#
    }

    @Test(arguments: ["\n", "", " ,", "\r\n\t"]) func arraysOfRows(_ space: String) throws {
        let separator = space == " ," ? " , " : space + "," + space
        let text = "\u{FEFF} [" + (0..<50).map(row).joined(separator: separator) + "]\n"
        for ranks in [1, 3] {
            let found = try records(text, ranks: ranks)
            #expect(found.map(\.prompt) == (0..<50).map { "q\($0), [\"]{" })
            #expect(found.map(\.line) == Array(1...50) && found.map(\.row) == Array(0..<50))
        }
        let zipped = try directory.gzip(try directory.write(Array(text.utf8), as: "zipped.json"))
        #expect(try PreferenceReader().read([zipped]).records.count == 50)
    }

    /// Elements that span chunks of the reader.
    @Test func arraysOfLongRows() throws {
        let rows = (0..<7).map {
            #"{"prompt": "\#(String(repeating: "x]", count: 90_000))", "chosen": "\#($0)", "rejected": "b"}"#
        }
        #expect(
            try records("[\n" + rows.joined(separator: ",\n") + "\n]").map { $0.responses[0] }
                == (0..<7).map(String.init))
    }

    @Test func arraysThatAreCutShort() throws {
        for text in ["[", "[\(row(1)),", "[\(row(1)), {\"prompt\"", "[\(row(1))"] {
            let error = #expect(throws: RDOError.self, "\(text)") { _ = try records(text) }
            #expect(error?.what.contains("does not end") == true)
        }
        #expect(throws: RDOError.self) { _ = try records("[]") }
        #expect(throws: RDOError.self) { _ = try records("[\(row(1)),]") }
        #expect(throws: RDOError.self) { _ = try records("[\(row(1))] x") }
    }

    @Test(arguments: [
        (Array("PAR1....".utf8), "x.parquet", "Parquet"), ([0x28, 0xB5, 0x2F, 0xFD, 0], "x.jsonl.zst", "zstd -d"),
        ([0xFF, 0xFE, 0x7B, 0], "x.jsonl", "UTF-16"), ([0x7B, 0, 0x22, 0], "x.jsonl", "utf-16le"),
        ([0, 0x7B, 0, 0x22], "x.jsonl", "utf-16be"), (Array("prompt,chosen\n".utf8), "x.csv", "read_csv"),
        (Array("version https://git-lfs.github.com/spec/v1\n".utf8), "y.jsonl", "git lfs pull"),
        ([0x89, 0x48, 0x44, 0x46, 0x0D], "x.h5", "HDF5"), ([0x50, 0x4B, 3, 4], "x.zip", "ZIP"),
    ]) func filesOfOtherKinds(_ bytes: [UInt8], _ name: String, _ word: String) throws {
        let path = try directory.write(bytes, as: name)
        let error = #expect(throws: RDOError.self) { _ = try PreferenceReader().read([path]) }
        #expect(error?.kind == .data && error?.place == path && error?.description.contains(word) == true)
    }

    @Test func whatIsNoFile() throws {
        let pipe = directory.path + "/pipe"
        #expect(mkfifo(pipe, 0o600) == 0)
        for path in [pipe, directory.path, "/dev/null"] {
            let error = #expect(throws: RDOError.self) { _ = try LineReader(path: path) }
            #expect(error?.kind == .data && error?.what.contains("not a regular file") == true)
        }
    }

    @Test func linesBeyondTheLimit() throws {
        let path = try directory.write([row(1), #"{"prompt": "\#(String(repeating: "x", count: 5000))"}"#, row(2)])
        let data = try PreferenceReader(policy: .skip, maxBytes: 1000).read([path], ranks: 2)
        #expect(data.records.map(\.line) == [1, 3])
        #expect(data.report.bad.reasons.map(\.reason) == ["a line of more than 1000 bytes (data.max_row_bytes)"])
    }

    /// Reasons name fields: damaged data may have any number of them.
    @Test func badRowsTakeNoMemory() {
        var rows = BadRows()
        for number in 0..<1000 { rows.add(BadRow(file: "f", line: number + 1, reason: "reason \(number)")) }
        for _ in 0..<50 { rows.add(BadRow(file: "f", line: 1, reason: "reason 3")) }
        #expect(rows.count == 1050 && rows.reasons.count == 101)
        #expect(rows.reasons[3].count == 51 && rows.reasons[3].first.count == 10)
        #expect(rows.reasons[100].reason == "other reasons" && rows.reasons[100].count == 900)
    }
}
