import Coding
import Foundation
import Storage
import TestSupport
import Testing

/// Coefficients as preference data and back, compared and merged, through the whole program.
@Suite(.serialized) struct ExchangeTests {
    /// What a coefficient file says, without when and by whom it was made.
    private struct Content: Equatable {
        let keys: [ContentKey]
        let differences: [Float]
        let reversed: [Float]?
        let rewards: [UInt32]?
        let labels: [Int8]?
        let queries: [String]
        let pairs: [[String]]
        let tokens: [Int32]

        init(_ path: String) throws {
            let file = try CoefficientFile.read(path)
            (keys, differences, reversed) = (Array(file.keys), Array(file.differences), file.reversed.map(Array.init))
            labels = try file.readLabels().map(Array.init)
            let tables = try file.hasTables() ? file.readTables() : nil
            rewards = try tables.flatMap { try file.readRewards(responses: $0.responseTexts.count) }?.map(\.bitPattern)
            queries = tables.map { Array($0.queryTexts) } ?? []
            tokens = tables.map { Array($0.responseTokenCounts) } ?? []
            pairs =
                tables.map { tables in
                    file.keys.indices.map { row in
                        [
                            tables.queryTexts[Int(tables.pairQueries[row])],
                            tables.responseTexts[Int(tables.pairFirsts[row])],
                            tables.responseTexts[Int(tables.pairSeconds[row])],
                        ]
                    }
                } ?? []
        }
    }

    private func rdo(_ arguments: String...) throws -> ProcessResult { try CommandRunner.run("rdo", arguments) }

    private func succeeds(_ arguments: String..., sourceLocation: SourceLocation = #_sourceLocation) throws -> String {
        let result = try CommandRunner.run("rdo", arguments)
        #expect(result.status == 0, "\(result.error)", sourceLocation: sourceLocation)
        return result.output
    }

    /// Pairs and lists, of a difference and of a reward model: export and import give the same file, whether the tokenizer
    /// makes the keys again or the rows state them.
    @Test(arguments: ["difference", "reward"]) func exportAndImportLoseNothing(_ scorer: String) throws {
        let work = try Workspace(pairs: 12)
        try work.writeConfiguration("reward: { steps: 2, batch_size: 4, micro_batches: 4 }")
        let lists = (0..<4).map { row in
            let responses = (0..<6).map { "\" \(row) word\(String(repeating: " é", count: $0 + 1))\\n\"" }
            return
                #"{"query": "list \#(row)", "responses": [\#(responses.joined(separator: ","))], "scores": [1,3,3,0,2,\#(row)]}"#
        }
        try work.directory.write(lists.joined(separator: "\n") + "\n", to: "lists.jsonl")
        for data in ["train.jsonl", "lists.jsonl"] {
            let output = "run-\(data)"
            let run = try work.rdo(
                ["run"], output: output,
                set: [
                    "passes=[\(scorer), score]", "score.scorer=\(scorer)", "difference.steps=2",
                    "data.train=\(work.path(data))",
                ])
            #expect(run.status == 0, "\(run.error)")
            let original = work.path("\(output)/coefficients.h5")
            _ = try succeeds("export-pairs", original, "--out", work.path("\(data)-pairs"))
            let model = work.path("\(output)/\(scorer)/model")
            _ = try succeeds(
                "import", work.path("\(data)-pairs"), "--out", work.path("\(data)-keyed.h5"), "--model", model,
                "--set", "data.max_tokens=200")
            _ = try succeeds("import", work.path("\(data)-pairs"), "--out", work.path("\(data)-stated.h5"))
            let expected = try Content(original)
            #expect(expected.pairs.count == (data == "train.jsonl" ? 12 : 60) && expected.labels?.contains(1) == true)
            for made in ["keyed", "stated"] {
                let path = work.path("\(data)-\(made).h5")
                #expect(try Content(path) == expected, "\(data) \(made)")
                #expect(try succeeds("verify", path).contains("agrees with its digest"))
            }
            // Other limits make other keys, and that is said.
            let wrong = try rdo(
                "import", work.path("\(data)-pairs"), "--out", work.path("never.h5"), "--model", model, "--set",
                "data.template=hh")
            #expect(
                wrong.status == 3 && wrong.error.contains("the row's key is not that of its texts"), "\(wrong.error)")
            #expect(!FileManager.default.fileExists(atPath: work.path("never.h5")))
        }
    }

    /// A judge's strengths become coefficients that training takes, and come back as they were.
    @Test func aJudgesStrengthsAreTrainedWith() throws {
        let work = try Workspace(pairs: 24)
        try work.writeConfiguration()
        var result = try work.rdo(["run"], set: ["passes=[difference]", "difference.steps=1"])
        #expect(result.status == 0, "\(result.error)")
        let rows = try String(contentsOfFile: work.path("train.jsonl"), encoding: .utf8).split(separator: "\n")
        let strengths = rows.indices.map { Float($0) * 0.37 - 2.1 }
        let judged = zip(rows, strengths).map { $0.dropLast() + ", \"strength\": \($1)}\n" }.joined()
        try work.directory.write(judged, to: "judged.jsonl")
        let model = work.path("run/difference/model")
        _ = try succeeds(
            "import", work.path("judged.jsonl"), "--out", work.path("judge.h5"), "--model", model, "--field",
            "strength",
            "--set", "data.max_tokens=200")
        #expect(try Content(work.path("judge.h5")).differences == strengths)
        result = try work.rdo(
            ["run"], output: "trained",
            set: [
                "passes=[reference, dpo]", "dpo.coefficients.file=\(work.path("judge.h5"))", "dpo.steps=2",
                "dpo.model=\(model)", "reference.model=\(model)",
            ])
        #expect(result.status == 0 && result.error.contains("coefficients: 24 pairs"), "\(result.error)")
        _ = try succeeds("export-pairs", work.path("judge.h5"), "--out", work.path("back.jsonl"))
        _ = try succeeds("import", work.path("back.jsonl"), "--out", work.path("again.h5"))
        #expect(try Content(work.path("again.h5")) == Content(work.path("judge.h5")))

        let some = try succeeds(
            "import", work.path("back.jsonl"), "--out", work.path("some.h5"), "--set", "data.limit=7")
        #expect(some.contains("7 pairs"))

        // Keys and numbers alone are a file too.
        _ = try succeeds(
            "export-pairs", work.path("judge.h5"), "--columns", "key,difference,label", "--out", work.path("keys.jsonl")
        )
        _ = try succeeds("import", work.path("keys.jsonl"), "--out", work.path("keys.h5"))
        let keys = try Content(work.path("keys.h5"))
        #expect(keys.differences == strengths && keys.pairs.isEmpty && keys.labels == [Int8](repeating: 1, count: 24))

        // One value for each response instead.
        let valued = rows.map { $0.dropLast() + ", \"good\": 1.5, \"bad\": -0.25}\n" }.joined()
        try work.directory.write(valued, to: "valued.jsonl")
        _ = try succeeds(
            "import", work.path("valued.jsonl"), "--out", work.path("valued.h5"), "--model", model, "--rewards",
            "good,bad", "--set", "data.max_tokens=200")
        let values = try Content(work.path("valued.h5"))
        #expect(values.differences == [Float](repeating: 1.75, count: 24) && values.rewards?.count == 48)
    }

    @Test func whatCannotBeImportedIsSaid() throws {
        let work = try Workspace(pairs: 4)
        func problem(_ rows: String, _ arguments: String...) throws -> (status: Int32, error: String) {
            try work.directory.write(rows, to: "rows.jsonl")
            let result = try CommandRunner.run(
                "rdo", ["import", work.path("rows.jsonl"), "--out", work.path("out.h5")] + arguments)
            #expect(!FileManager.default.fileExists(atPath: work.path("out.h5")))
            #expect(result.error.split(separator: "\n").filter { $0.contains("error") }.count == 1)
            return (result.status, result.error)
        }
        let key = String(repeating: "0a", count: 16)
        let other = String(repeating: "0b", count: 16)
        let cases: [(String, Int32, String)] = [
            (#"{"prompt": "a", "chosen": "b", "rejected": "c", "difference": 1}"#, 3, "name the policy with --model"),
            (#"{"key": "\#(key)"}"#, 3, "missing field \"difference\""),
            (#"{"key": "\#(key)", "difference": "much"}"#, 3, "is not a number of 32 bits"),
            (#"{"key": "\#(key)", "difference": 1e40}"#, 3, "is not a number of 32 bits"),
            (#"{"key": "xyz", "difference": 1}"#, 3, "is not 32 hexadecimal digits"),
            (#"{"key": "\#(key)", "difference": 1, "label": 2}"#, 3, "field \"label\""),
            ("{\"key\": \"\(key)\", \"difference\": 1}\n{\"key\": \"\(key)\", \"difference\": 2}", 3, "rows.jsonl:2"),
            (
                "{\"key\": \"\(key)\", \"difference\": 1}\n{\"key\": \"\(other)\", \"difference\": 2, \"label\": 1}", 3,
                "the row has a label, line 1 has a key and a difference alone"
            ), ("", 3, "the file has no rows"), ("not JSON", 3, "not a JSON object"),
            (String(repeating: "x\n", count: 100_002), 3, "100000 of the first 100000 rows are bad"),
        ]
        for (rows, status, what) in cases {
            let found = try problem(rows + "\n")
            #expect(found.status == status && found.error.contains(what), "\(rows): \(found.error)")
        }
        #expect(try problem("{}\n", "--rewards", "one").status == 2)
        try work.directory.write("{\"key\": \"\(key)\", \"difference\": 1}\n", to: "good.jsonl")
        _ = try succeeds("import", work.path("good.jsonl"), "--out", work.path("good.h5"))
        let again = try rdo("import", work.path("good.jsonl"), "--out", work.path("good.h5"))
        #expect(again.status == 2 && again.error.contains("there is a file already"))
        #expect(try rdo("import", work.path("none.jsonl"), "--out", work.path("none.h5")).status == 3)
    }

    /// Two halves of the data scored apart are the whole scored at once, and what contradicts is refused.
    @Test func partsAreMergedAndCompared() throws {
        let work = try Workspace(pairs: 16)
        try work.writeConfiguration()
        let rows = try String(contentsOfFile: work.path("train.jsonl"), encoding: .utf8).split(separator: "\n")
        try work.directory.write(rows[..<9].joined(separator: "\n") + "\n", to: "first.jsonl")
        // One row stands in both.
        try work.directory.write(rows[8...].joined(separator: "\n") + "\n", to: "second.jsonl")
        var result = try work.rdo(["run"], set: ["passes=[difference, score]", "difference.steps=3"])
        #expect(result.status == 0, "\(result.error)")
        for part in ["first", "second"] {
            result = try work.rdo(
                ["score"], output: part,
                set: ["data.train=\(work.path("\(part).jsonl"))", "score.model=\(work.path("run/difference/model"))"])
            #expect(result.status == 0, "\(result.error)")
        }
        let (whole, first) = (work.path("run/coefficients.h5"), work.path("first/coefficients.h5"))
        let merged = work.path("merged.h5")
        let said = try succeeds("merge", first, work.path("second/coefficients.h5"), "--out", merged)
        #expect(said.contains("16 pairs of 2 files, 1 repeated ones left out"))
        let (a, b) = (try Content(whole), try Content(merged))
        #expect(a.keys == b.keys && a.pairs == b.pairs && a.labels == b.labels && a.queries == b.queries)
        #expect(zip(a.differences, b.differences).allSatisfy { abs($0 - $1) < 1e-4 })
        #expect(try succeeds("verify", merged).contains("agrees with its digest"))
        #expect(try succeeds("diff", whole, merged).contains("16 pairs in both"))
        let comparison = try succeeds("diff", whole, merged, "--json")
        let figures = try #require(
            try JSONSerialization.jsonObject(with: Data(comparison.utf8)) as? [String: Any])
        #expect(abs((figures["pearson"] as? Double ?? 0) - 1) < 1e-6)
        #expect((figures["flips"] as? [String: Any])?["share"] as? Double == 0)

        // The same keys with other values are no parts of one scoring.
        try work.directory.write("{\"key\": \"\(a.keys[0])\", \"difference\": 9}\n", to: "other.jsonl")
        _ = try succeeds("import", work.path("other.jsonl"), "--out", work.path("other.h5"))
        try work.directory.write("{\"key\": \"\(a.keys[0])\", \"difference\": 8}\n", to: "another.jsonl")
        _ = try succeeds("import", work.path("another.jsonl"), "--out", work.path("another.h5"))
        let refused = try rdo("merge", work.path("other.h5"), work.path("another.h5"), "--out", work.path("no.h5"))
        #expect(refused.status == 4 && refused.error.contains("has the differences 8.0, and 9.0"), "\(refused.error)")
        #expect(try rdo("merge", whole, work.path("other.h5"), "--out", work.path("no.h5")).status == 4)
        #expect(try rdo("merge", first, "--out", whole).status == 2)
        #expect(!FileManager.default.fileExists(atPath: work.path("no.h5")))
        #expect(try Content(whole) == a)
        #expect(try succeeds("diff", whole, work.path("other.h5")).contains("1 pairs in both"))
    }

    @Test func pairsAreAskedFor() throws {
        let work = try Workspace(pairs: 12)
        try work.writeConfiguration()
        let result = try work.rdo(["run"], set: ["passes=[difference, score]", "difference.steps=1"])
        #expect(result.status == 0, "\(result.error)")
        let path = work.path("run/coefficients.h5")
        #expect(try succeeds("inspect", path, "--columns").contains("first_reward   a reward model's value"))
        let table = try succeeds(
            "inspect", path, "--where", "row >= 2", "--sort", "r desc", "--limit", "3", "--columns", "row,r,query")
        #expect(table.split(separator: "\n").count == 4)
        let json = try succeeds("inspect", path, "--limit", "2", "--columns", "row,first", "--json")
        #expect(json.hasPrefix("{\"row\": 0, \"first\": \" "))
        let csv = try succeeds("export-pairs", path, "--format", "csv", "--where", "label > 0", "--columns", "row,key")
        #expect(csv.split(whereSeparator: \.isNewline).count == 13)
        let wrong = try rdo("inspect", path, "--where", "tokenz > 3")
        #expect(wrong.status == 2 && wrong.error.contains("--where, character 1: there is no column"), "\(wrong.error)")
        #expect(try rdo("inspect", work.path("run/reference.h5"), "--where", "r > 3").status == 4)
        // No option is without effect.
        for options in [
            ["--limit", "2", "--pairs", "3"], ["--pair", "ab", "--where", "r > 0"], ["--sort", "r", "--by", "bias"],
        ] {
            #expect(try CommandRunner.run("rdo", ["inspect", path] + options).status == 2, "\(options)")
        }
        #expect(try succeeds("inspect", path, "--where", "row < 5").contains("pairs                 5"))
        let whole = try succeeds("inspect", path, "--pairs", "1", "--full")
        #expect(whole.contains("      query: say "))
    }
}
