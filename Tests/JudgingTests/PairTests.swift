import Diagnostics
import TestSupport
import Testing

@testable import Judging

/// Two files of responses, joined by their queries.
@Suite struct PairTests {
    private func files(_ a: String, _ b: String) throws -> (TemporaryDirectory, String, String) {
        let directory = try TemporaryDirectory()
        return (directory, try directory.write(a, to: "a.jsonl"), try directory.write(b, to: "b.jsonl"))
    }

    @Test func rowsArePairedByQuery() throws {
        let (directory, a, b) = try files(
            """
            {"query": "one", "responses": ["a1", "other"], "scores": [1, 2]}
            {"prompt": "two", "responses": [""]}

            {"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "three"}], "responses": ["a3"]}
            {"query": "four", "responses": ["a4"]}
            {"query": "one", "responses": ["again"]}
            {"query": "five", "responses": ["same"]}
            """,
            """
            {"query": "five", "responses": ["same"]}
            {"messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "three"}], "responses": ["b3"]}
            {"query": "three", "responses": ["not the same query"]}
            {"prompt": [{"role": "user", "content": "two"}], "responses": ["b2"]}
            {"query": "one", "responses": ["b1"]}
            """)
        let pairs = try PolicyPairs(a, b, limit: nil, seed: 1)
        #expect(pairs.pairs.map(\.query) == ["one", "two", "system: s\n\nuser: three", "five"])
        #expect(
            pairs.pairs.map(\.a) == ["a1", "", "a3", "same"] && pairs.pairs.map(\.b) == ["b1", "b2", "b3", "same"])
        #expect(
            pairs.coverage
                == PairCoverage(a: a, b: b, paired: 4, used: 4, unpaired: [1, 1], repeated: [1, 0], identical: 1))
        #expect(pairs.notes.count == 4)
        #expect(pairs.notes[0].hasPrefix("\(a):5: ") && pairs.notes[1].hasPrefix("\(b):3: "))
        #expect(pairs.notes[2].hasPrefix("\(a):6: "))
        withExtendedLifetime(directory) {}
    }

    @Test func aLimitDrawsFromTheSeedAlone() throws {
        func row(_ number: Int) -> String { #"{"query": "q\#(number)", "responses": ["r\#(number)"]}"# }
        let ordered = (0..<50).map(row).joined(separator: "\n")
        let reversed = (0..<50).reversed().map(row).joined(separator: "\n")
        let (directory, a, b) = try files(ordered, reversed)
        func drawn(_ a: String, _ b: String, limit: Int, seed: Int) throws -> [String] {
            try PolicyPairs(a, b, limit: limit, seed: seed).pairs.map(\.query)
        }
        let ten = try drawn(a, b, limit: 10, seed: 1)
        #expect(ten.count == 10 && ten != (0..<10).map { "q\($0)" })
        #expect(try Set(drawn(b, a, limit: 10, seed: 1)) == Set(ten))
        #expect(try Set(drawn(a, b, limit: 20, seed: 1)).isSuperset(of: ten))
        #expect(try Set(drawn(a, b, limit: 10, seed: 2)) != Set(ten))
        #expect(try drawn(a, b, limit: 99, seed: 1).count == 50)
        withExtendedLifetime(directory) {}
    }

    @Test(arguments: [
        (#"{"query": "x"}"#, "a.jsonl:1: missing field \"responses\""),
        (#"{"query": "x", "responses": []}"#, "a.jsonl:1: no response"),
        (#"{"query": "x", "responses": "y"}"#, "a.jsonl:1: field \"responses\" is not an array of strings"),
        (#"{"query": " ", "responses": ["y"]}"#, "a.jsonl:1: empty query"),
        (#"{"responses": ["y"]}"#, "a.jsonl:1: missing field \"prompt\""),
        ("{\"query\": \"x\", \"responses\": [\"y\"]}\n{", "a.jsonl:2: malformed JSON"),
        (
            #"{"messages": [{"role": "function", "content": "x"}], "responses": ["y"]}"#,
            "is not system, user, assistant or tool"
        ),
        ("\n", "a.jsonl: the file has no rows"),
    ]) func badRowsAreNamed(_ text: String, _ message: String) throws {
        let (directory, a, b) = try files(text, #"{"query": "x", "responses": ["y"]}"#)
        let error = #expect(throws: RDOError.self) { try PolicyPairs(a, b, limit: nil, seed: 1) }
        #expect(error?.kind == .data && error?.description.contains(message) == true, "\(error?.description ?? "")")
        withExtendedLifetime(directory) {}
    }

    @Test func filesWithoutACommonQueryAreRefused() throws {
        let (directory, a, b) = try files(
            #"{"query": "x", "responses": ["y"]}"#, #"{"query": "z", "responses": ["y"]}"#)
        #expect(throws: RDOError.self) { try PolicyPairs(a, b, limit: nil, seed: 1) }
        withExtendedLifetime(directory) {}
    }

    /// A coin of each judge and query: neither all the same, nor the same for two judges.
    @Test func orderIsDrawnForEachJudge() {
        func coins(_ judge: String, seed: Int) -> [Bool] {
            (0..<400).map { Draw.coin(.order, seed: seed, "\($0)", salt: judge) }
        }
        let (one, two, other) = (coins("one", seed: 1), coins("two", seed: 1), coins("one", seed: 2))
        for coins in [one, two, other] { #expect((160...240).contains(coins.count { $0 })) }
        for others in [two, other] { #expect((160...240).contains(zip(one, others).count { $0 == $1 })) }
        #expect(one == coins("one", seed: 1))
    }
}
