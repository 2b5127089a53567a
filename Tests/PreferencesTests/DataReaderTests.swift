import Diagnostics
import Foundation
import Preferences
import Testing

@Suite struct DataReaderTests {
    let directory: DataDirectory
    private let good = #"{"prompt": "q", "chosen": "a", "rejected": "b"}"#

    init() throws { directory = try DataDirectory() }

    @Test func badUTF8IsABadRow() throws {
        let path = try directory.write(Array((good + "\n{\"prompt\": \"").utf8) + [0xC3, 0x28] + Array("\"}\n".utf8))
        let error = #expect(throws: RDOError.self) { _ = try PreferenceReader().read([path]) }
        #expect(error?.place == "\(path):2")
        #expect(error?.what == "not valid UTF-8 (1 of 2 rows is bad)")
    }

    @Test func eachFileHasItsOwnFormat() throws {
        let pairs = try directory.write([good], as: "pairs.jsonl")
        let lists = try directory.gzip(
            try directory.write([#"{"query": "q", "responses": ["a", "b"], "scores": [1, 2]}"#], as: "lists.jsonl"))
        let data = try PreferenceReader().read([pairs, lists])
        #expect(data.report.files.map(\.format) == [.pairs, .lists])
        #expect(data.records.map(\.file) == [pairs, lists])
        #expect(data.records.map(\.kind) == [.pair, .list])
    }

    @Test func theFormatIsThatOfTheFirstRowWithKnownFields() throws {
        let path = try directory.write([
            "x", #"{"question": "q"}"#, good, #"{"query": "q", "responses": [], "scores": []}"#,
        ])
        let data = try PreferenceReader(policy: .skip).read([path])
        #expect(data.report.files[0].format == .pairs)
        #expect(
            data.report.bad.reasons.map(\.reason) == [
                "malformed JSON: unexpected character",
                "the row's fields (question) fit no known data format", "fewer than two responses",
            ])
        let unknown = try directory.write([#"{"question": "q"}"#], as: "unknown.jsonl")
        let error = #expect(throws: RDOError.self) { _ = try PreferenceReader().read([unknown]) }
        #expect(error?.place == "\(unknown):1")
        #expect(error?.remedy?.contains("data.columns") == true)
    }

    @Test func theFirstBadRowIsNamedAndAllAreCounted() throws {
        let path = try directory.write([good, "x", good, "{}", "x"])
        let error = #expect(throws: RDOError.self) { _ = try PreferenceReader(format: .pairs).read([path]) }
        #expect(
            error?.description
                == "\(path):2:1: malformed JSON: unexpected character (3 of 5 rows are bad: "
                + "2 malformed JSON: unexpected character, 1 missing field \"prompt\"); "
                + "correct the data, or set data.on_error to skip")
    }

    @Test func emptyFilesAndNothingLeftAreErrors() throws {
        let empty = try directory.write(["", "  "], as: "empty.jsonl")
        let full = try directory.write([good], as: "full.jsonl")
        let error = #expect(throws: RDOError.self) { _ = try PreferenceReader().read([full, empty]) }
        #expect(error?.kind == .data)
        #expect(error?.place == empty)
        let bad = try directory.write(["x"], as: "bad.jsonl")
        let nothing = #expect(throws: RDOError.self) { _ = try PreferenceReader(policy: .skip).read([bad]) }
        #expect(nothing?.what == "none of 1 rows can be used: 1 malformed JSON: unexpected character")
        #expect(nothing?.place == "\(bad):1:1")
    }

    /// Files of two encodings that were put together.
    @Test func aRowInAnotherEncoding() throws {
        let wide = try #require(good.data(using: .utf16LittleEndian))
        let path = try directory.write(Array((good + "\n").utf8) + wide, as: "mixed.jsonl")
        let error = #expect(throws: RDOError.self) { _ = try PreferenceReader().read([path]) }
        #expect(error?.place == "\(path):2" && error?.what.contains("text in UTF-16, not UTF-8") == true)
    }

    @Test func theReportIsJSON() throws {
        let path = try directory.write([good, "x"] + (0..<12).map { _ in "[]" })
        var data = try PreferenceReader(policy: .skip).read([path])
        _ = try data.report.admit(
            try plan(maxTokens: 8, overLong: .truncate).examples(of: data.records, rows: 0..<1), policy: .skip)
        let object = try #require(
            try JSONSerialization.jsonObject(with: Data(data.report.json().utf8)) as? [String: Any])
        #expect(object["rows"] as? Int == 14)
        #expect(object["kept"] as? Int == 1)
        #expect(object["truncated_responses"] as? Int == 0)
        let bad = try #require(object["bad"] as? [[String: Any]])
        #expect(bad.map { $0["reason"] as? String } == ["malformed JSON: unexpected character", "not a JSON object"])
        #expect(bad[1]["count"] as? Int == 12)
        #expect((bad[1]["first"] as? [String])?.count == 10)
    }

    @Test func rowsThatCannotBeTokenisedAreReportedWithTheOthers() throws {
        let long = String(repeating: "a", count: 40)
        let path = try directory.write([
            good, #"{"prompt": "q", "chosen": "\#(long)", "rejected": "b"}"#, "x",
            #"{"prompt": "q", "chosen": "</s>", "rejected": "b"}"#,
        ])
        var data = try PreferenceReader(policy: .skip).read([path])
        let results = try plan(maxTokens: 20).examples(of: data.records, rows: 0..<3)
        var strict = data.report
        let examples = try data.report.admit(results, policy: .skip)
        #expect(examples.map(\.row) == [0])
        #expect(data.report.kept == 1)
        #expect(
            data.report.bad.reasons.map(\.reason) == [
                "malformed JSON: unexpected character", "response longer than the limit of 20 tokens",
                "a response's text contains the EOS token",
            ])
        #expect(data.report.bad.reasons.map(\.first) == [["\(path):3:1"], ["\(path):2"], ["\(path):4"]])
        #expect(throws: RDOError.self) { _ = try strict.admit(results, policy: .fail) }
    }

    /// Every line is read once, by the rank in whose portion it begins, and has its own number.
    @Test(arguments: ["\n", "\r\n"]) func portionsMakeUpTheFile(end: String) throws {
        var lines = (0..<23).map {
            #"{"prompt": "\#($0)", "chosen": "\#(String(repeating: "x", count: $0 * 7 % 40))y", "rejected": "b"}"#
        }
        lines[0] = "x"
        lines[3] = ""
        lines[9] = "{"
        for text in [
            lines.joined(separator: end), lines.joined(separator: end) + end, "\u{FEFF}" + lines.joined(separator: end),
        ] {
            let path = try directory.write(Array(text.utf8))
            for file in [path, try directory.gzip(path)] {
                let whole = try PreferenceReader(policy: .skip).read([file, path])
                for ranks in 2...9 {
                    let parts = try PreferenceReader(policy: .skip).read([file, path], ranks: ranks)
                    #expect(parts.records == whole.records && parts.report == whole.report, "\(ranks) ranks")
                }
                #expect(
                    whole.records.prefix(3).map(\.line) == [2, 3, 5] && whole.records.prefix(3).map(\.row) == [1, 2, 4])
            }
            try FileManager.default.removeItem(atPath: path + ".gz")
        }
    }
}
