import Columns
import Coding
import Diagnostics
import Foundation
import Objectives
import Storage
import TestSupport
import Testing

@testable import Inspection

/// `--where`, `--sort` and `--limit` over the pairs of a file.
@Suite struct QueryTests {
    /// Six pairs with texts, lengths and labels.
    private static func columns(_ path: String) throws -> PairColumns {
        try make(path)
        return try PairColumns(of: path, rule: CoefficientRule(alpha: 1, symmetric: true, disagreement: .zero))
    }

    private static func make(_ path: String) throws {
        let builder = CoefficientTableBuilder()
        for row in 0..<6 {
            _ = try builder.append(
                key: .pair(query: [Int32(row)], first: [1], second: [2]), label: [1, -1, 0, 1, -1, 1][row],
                queryKey: .query([Int32(row)]), query: "what is \(row)? It's \"fine\"",
                first: .init(text: "answer \(row)", tokenCount: 10 * row),
                second: .init(text: row % 2 == 0 ? "tea" : "coffee", tokenCount: 30))
        }
        try CoefficientContents(
            scorer: "difference",
            provenance: Provenance(modelDigest: nil, tokenizerDigest: nil, dataDigest: nil, template: nil),
            keys: builder.tables.pairKeys, tables: builder.tables,
            differences: ScratchColumn([-3, -1, 0, 0.5, 2, 4]), reversed: ScratchColumn([3, 2, 0, -1.5, -2, -2])
        ).write(toNew: path, header: ArtefactHeader(schema: "", software: "test", config: "", worldSize: 1))
    }

    private static func rows(_ condition: String?, _ order: String? = nil, _ limit: Int? = nil) throws -> [Int] {
        let directory = try TemporaryDirectory()
        return try PairQuery(condition: condition, order: order, limit: limit).rows(
            of: columns(directory.path + "/c.h5"))
    }

    @Test func conditionsChoosePairs() throws {
        let cases: [(String, [Int])] = [
            ("difference < 0", [0, 1]), ("difference<0 and tokens>35", [1]), ("label = 0 or r > 2.5", [2, 5]),
            ("not (label = 0 or r > 2.5)", [0, 1, 3, 4]), ("not label = 0 and r >= 1", [3, 4, 5]),
            ("abs(r) > 2.9", [0, 5]), ("abs(bias) != 0", [1, 3, 5]), ("-r * 2 > 5", [0]),
            ("first_tokens - second_tokens >= 10", [4, 5]), ("(tokens + 10) / 2 = 25", [1]),
            ("second = 'tea'", [0, 2, 4]), ("second != \"tea\" and row <= 3", [1, 3]),
            ("query contains '3? It''s'", [3]), ("query contains \"\"\"fine\"\"\"", [0, 1, 2, 3, 4, 5]),
            ("length(second) = 6", [1, 3, 5]), ("weight = 0", [0, 2, 4]), ("r * label < 0", [0, 4]),
            ("1 < 2", [0, 1, 2, 3, 4, 5]), ("2e-1 > .1 and 1. == 1", [0, 1, 2, 3, 4, 5]), ("r / 0 > 1", [3, 4, 5]),
            ("key contains 'zz'", []), ("row = 1 or row = 2 and row = 3", [1]),
        ]
        for (condition, expected) in cases { #expect(try Self.rows(condition) == expected, "\(condition)") }
    }

    @Test func orderAndLimit() throws {
        #expect(try Self.rows(nil, "r") == [0, 1, 2, 3, 4, 5])
        #expect(try Self.rows(nil, "r desc", 2) == [5, 4])
        #expect(try Self.rows(nil, "second asc") == [1, 3, 5, 0, 2, 4])
        #expect(try Self.rows("r != 0", "abs(r) desc", 3) == [0, 5, 4])
        // 0 / 0 is no number and comes last.
        #expect(try Self.rows(nil, "r / r", 9) == [0, 1, 3, 4, 5, 2])
        #expect(try Self.rows(nil, "r / r desc", 9).last == 2)
        #expect(try Self.rows(nil, nil, 0) == [])
    }

    @Test func errorsNameThePlace() throws {
        let cases: [(String, Int, String)] = [
            ("differenc < 0", 1, "there is no column \"differenc\""), ("r <", 4, "something is missing"),
            ("r < 0 and first_reward > 1", 11, "has no column first_reward"), ("r", 1, "this is no condition"),
            ("r < 'a'", 1, "a number and a text"), ("r < 0 < 1", 7, "\"<\" is not expected"),
            ("(r < 0", 1, "the parenthesis has no end"), ("r < 0)", 6, "\")\" is not expected"),
            ("second = 'tea", 10, "the text that begins here"), ("r < 1e999", 5, "is no number"),
            ("r # 1", 3, "has no meaning"), ("abs(second) > 1", 5, "a number is expected"),
            ("length(r) > 1", 8, "length is that of a text"), ("second < 'x'", 8, "< compares numbers"),
            ("r contains 1", 3, "contains compares texts"), ("r < 0 or 5", 10, "a condition is expected"),
            ("not r", 5, "a condition is expected"), ("", 1, "something is missing"), ("r < 1 2", 7, "a value is not"),
            (String(repeating: "(", count: 1000), 65, "nested too deep"),
            (String(repeating: "not ", count: 1000), 257, "nested too deep"),
            (String(repeating: "-", count: 1000), 65, "nested too deep"), ("abs r", 1, "in parentheses"),
        ]
        for (condition, place, what) in cases {
            do {
                _ = try Self.rows(condition)
                Issue.record("\(condition.prefix(40)) was taken")
            } catch let error as RDOError {
                #expect(error.kind == .usage && error.place == "--where, character \(place)", "\(error)")
                #expect(error.what.contains(what), "\(error)")
            }
        }
        #expect(throws: RDOError.self) { try Self.rows(nil, "r < 1") }
        #expect(throws: RDOError.self) { try Self.rows(nil, "r upwards") }
        #expect(throws: RDOError.self) { try Self.rows(nil, nil, -1) }
    }

    /// Whatever is typed gives rows or one error.
    @Test func randomStringsAreNeverMoreThanAnError() throws {
        let directory = try TemporaryDirectory()
        let columns = try Self.columns(directory.path + "/c.h5")
        let words = [
            "difference", "r", "tokens", "second", "query", "first_reward", "nothing", "and", "or", "not", "contains",
            "abs", "length", "(", ")", "<", "<=", ">", ">=", "=", "!=", "+", "-", "*", "/", "'tea'", "'", "\"", "''",
            "1", "0.5", "1e9", "1e", ".", "..", "9999999999999999999999", "é", "🍵", "\0", "\n", "\u{1B}", "e\u{301}",
            "%", ";", "\\",
        ]
        var random = SeededGenerator(seed: 12)
        var taken = 0
        for number in 0..<2000 {
            var condition: String
            if number % 5 == 0 {
                condition = "abs(r) > 1 and not second = 'tea' or (tokens + 1) * 2 < 1e2"
                for _ in 0..<Int.random(in: 0...2, using: &random) {
                    let place = condition.index(
                        condition.startIndex, offsetBy: Int.random(in: 0..<condition.count, using: &random))
                    condition.remove(at: place)
                }
            } else if number % 2 == 0 {
                condition = (0..<Int.random(in: 0...12, using: &random)).map { _ in
                    words[Int.random(in: 0..<words.count, using: &random)]
                }.joined(separator: number % 4 == 0 ? " " : "")
            } else {
                let bytes = (0..<Int.random(in: 0...40, using: &random)).map { _ in
                    UInt8.random(in: 0...255, using: &random)
                }
                condition = String(decoding: bytes, as: UTF8.self)
            }
            do {
                _ = try PairQuery(condition: condition, order: condition).rows(of: columns)
                taken += 1
            } catch let error as RDOError {
                #expect(error.kind == .usage && error.place != nil, "\(condition.debugDescription)")
            }
            do {
                _ = try PairQuery(condition: condition).rows(of: columns)
                taken += 1
            } catch let error as RDOError { #expect(error.kind == .usage) }
        }
        #expect(taken > 100)
    }

    @Test func listingsAndExportsSayTheSame() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/c.h5"
        try Self.make(path)
        let rule = CoefficientRule(alpha: 1, symmetric: true, disagreement: .zero)
        let listing = try PairListing(
            of: path, PairQuery(condition: "row > 3", order: "row desc"), columns: ["row", "r", "query"], rule: rule)
        #expect(
            listing.text(isFull: false).split(separator: "\n").map { $0.split(separator: " ")[0] } == ["row", "5", "4"])
        try NewTextFile.write(directory.path + "/c.csv", listing.writeCSV)
        #expect(
            try Self.text(directory, "c.csv")
                == "row,r,query\r\n5,3.0,\"what is 5? It's \"\"fine\"\"\"\r\n4,2.0,\"what is 4? It's \"\"fine\"\"\"\r\n"
        )
        try NewTextFile.write(directory.path + "/c.jsonl", listing.writeJSONLines)
        #expect(
            try Self.text(directory, "c.jsonl").split(separator: "\n")[0]
                == #"{"row": 5, "r": 3.0, "query": "what is 5? It's \"fine\""}"#)
        // Nothing that is there is replaced.
        #expect(throws: RDOError.self) { try NewTextFile.write(directory.path + "/c.csv", listing.writeCSV) }
        #expect(throws: RDOError.self) { try PairListing(of: path, PairQuery(), columns: ["rows"], rule: rule) }

        let export = try PairExport(of: path, PairQuery(condition: "row = 1 or row = 3"), rule: rule)
        try NewTextFile.write(directory.path + "/pairs.jsonl", export.write)
        let lines = try Self.text(directory, "pairs.jsonl").split(separator: "\n")
        let labelled = try #require(
            try JSONSerialization.jsonObject(with: Data(lines[0].utf8)) as? [String: Any])
        // The second response is the better one: what is said of chosen over rejected is the reversed order.
        #expect(labelled["chosen"] as? String == "coffee" && labelled["first"] as? String == "rejected")
        #expect(labelled["difference"] as? Double == 2 && labelled["difference_reversed"] as? Double == -1)
        #expect(labelled["r"] as? Double == 1.5 && labelled["weight"] as? Double == 1.5)
        #expect(labelled["tokens"] as? [Int] == [30, 10])
        #expect(lines[1].contains("\"chosen\": \"answer 3\"") && !lines[1].contains("first"))
        // With a pair that has no label all rows are lists.
        let lists = try PairExport(of: path, PairQuery(condition: "row = 1 or row = 2"), rule: rule)
        try NewTextFile.write(directory.path + "/lists.jsonl", lists.write)
        let rows = try Self.text(directory, "lists.jsonl").split(separator: "\n")
        #expect(rows[0].contains(#""responses": ["answer 1", "coffee"], "scores": [0, 1], "difference": -1.0,"#))
        #expect(rows[1].contains(#""responses": ["answer 2", "tea"], "scores": [0, 0]"#) && !rows[1].contains("weight"))
    }

    private static func text(_ directory: TemporaryDirectory, _ name: String) throws -> String {
        try String(contentsOfFile: directory.path + "/" + name, encoding: .utf8)
    }

    /// A condition counts the pairs that it holds for alone.
    @Test func aSummaryOfSomePairs() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/c.h5"
        try Self.make(path)
        let all = try #require(try ArtefactSummary(of: path).coefficients)
        let some = try #require(try ArtefactSummary(of: path, pairs: 1, PairQuery(condition: "r > 0")).coefficients)
        #expect(all.pairs == 6 && some.pairs == 3 && some.largest.map(\.row) == [5] && some.smallest.map(\.row) == [3])
        #expect(all.agreement == 3.0 / 5 && some.agreement == 2.0 / 3 && some.duplicates == nil)
        #expect(all.duplicates?.nearDuplicates == 0 && all.duplicates?.repeatedPairs == 0)
    }

    /// Letters, digits and the two responses count, not how they are written or which stands first.
    @Test func nearDuplicatesAreCounted() throws {
        let directory = try TemporaryDirectory()
        let path = directory.path + "/c.h5"
        let builder = CoefficientTableBuilder()
        let texts = [
            ("Which tea?", "Green tea.", "Black tea!", 1), ("which  TEA", "green tea", "black  tea", 1),
            ("Which tea?", "Black tea", "Green tea", 1), ("Which tea?", "Green tea.", "Blue tea", 1),
            ("Wélche", "a", "b", 0), ("Welche", "a", "b", 1),
        ]
        for (row, (query, first, second, label)) in texts.enumerated() {
            let ids = [Int32(row)]
            _ = try builder.append(
                key: .pair(query: ids, first: [1], second: [2]), label: Int8(label), queryKey: .query(ids),
                query: query,
                first: .init(text: first, tokenCount: 2), second: .init(text: second, tokenCount: 2))
        }
        let tables = builder.tables
        try CoefficientContents(
            scorer: nil, provenance: Provenance(modelDigest: nil, tokenizerDigest: nil, dataDigest: nil, template: nil),
            keys: tables.pairKeys, tables: tables, differences: ScratchColumn([1, 1, 1, 1, 1, 1]), reversed: nil
        ).write(toNew: path, header: ArtefactHeader(schema: "", software: "test", config: "", worldSize: 1))
        let file = try CoefficientFile.read(path)
        let found = Duplicates(of: file, try file.readTables(), examples: 5)
        #expect(found.nearDuplicates == 2 && found.contradictingLabels == 1 && found.repeatedPairs == 0)
        #expect(found.examples.sorted { $0[0] < $1[0] } == [[1, 0], [2, 0]])
    }
}
