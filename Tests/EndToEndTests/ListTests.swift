import Foundation
import Storage
import TestSupport
import Testing

/// Lists of responses and the weights of pairs, through the whole program.
@Suite(.serialized) struct ListTests {
    /// Lists whose better responses repeat the word that the prompt asks for more often; every fifth has equal scores.
    private static func lists(_ count: Int) -> String {
        (0..<count).map { index in
            let word = ["ash", "birch", "cedar", "elm"][index % 4]
            let responses = (0..<(2 + index % 3)).map {
                "\" \(String(repeating: word + " ", count: $0 + 1))\($0 + index)\""
            }
            let scores = responses.indices.map { index % 5 == 4 ? "1" : String(($0 * 7 + index) % 5) }
            return
                #"{"query": "say \#(word) (\#(index))", "responses": [\#(responses.joined(separator: ","))], "scores": [\#(scores.joined(separator: ","))]}"#
        }.joined(separator: "\n") + "\n"
    }

    private static let sections = """
        rrhf: { steps: 6, batch_size: 8, micro_batches: 8, learning_rate: 1e-3, checkpoint_every: 3 }
        """

    @Test func listsGiveTheSameBitsOnAnyRanksAndAfterAResume() throws {
        let work = try Workspace()
        try work.writeConfiguration(Self.sections)
        try work.directory.write(Self.lists(30), to: "lists.jsonl")
        let set = [
            "passes=[rrhf]", "data.train=\(work.path("lists.jsonl"))", "data.test=\(work.path("lists.jsonl"))",
            "rrhf.coefficients.use=false",
        ]
        let whole = try work.succeeds(set, output: "r1", ranks: 1)
        #expect(whole.error.contains("6 of 30 lists have equally good responses only"), "\(whole.error)")
        let weights = try work.bytes("r1/rrhf/model/model.safetensors")
        for ranks in [2, 4] {
            _ = try work.succeeds(set, output: "r\(ranks)", ranks: ranks)
            #expect(try work.bytes("r\(ranks)/rrhf/model/model.safetensors") == weights)
        }
        _ = try work.succeeds(set + ["rrhf.steps=4", "rrhf.schedule=constant"], output: "parts", ranks: 2)
        _ = try work.succeeds(set + ["rrhf.schedule=constant"], output: "parts", ranks: 4)
        _ = try work.succeeds(set + ["rrhf.schedule=constant"], output: "constant", ranks: 1)
        #expect(
            try work.bytes("parts/rrhf/model/model.safetensors") == work.bytes("constant/rrhf/model/model.safetensors"))
        let row = try #require(try work.metrics("r1/rrhf/metrics.jsonl").first)
        for name in ["loss", "loss_ranking", "loss_supervised", "accuracy", "coefficient_mean", "unranked_share"] {
            #expect((row[name] as? Double)?.isFinite ?? false, "\(name)")
        }
        #expect(row["coefficient_mean"] as? Double == 1)
        #expect(try work.metrics("r1/rrhf/evaluation.jsonl").last?["test_examples"] as? Double == 30)
    }

    /// The difference model learns from the pairs of lists, scores every two responses, and weights or ranks them.
    @Test func listsAreScoredAndRanked() throws {
        let work = try Workspace()
        try work.writeConfiguration(Self.sections)
        try work.directory.write(Self.lists(20), to: "lists.jsonl")
        let set = [
            "data.train=\(work.path("lists.jsonl"))", "data.test=\(work.path("lists.jsonl"))",
            "passes=[difference, score, rrhf]", "difference.steps=4", "data.pairs_per_list=2", "score.data=both",
        ]
        var weights: Data?
        for ranks in [1, 4] {
            _ = try work.succeeds(set, output: "r\(ranks)", ranks: ranks)
            let found = try work.bytes("r\(ranks)/rrhf/model/model.safetensors")
            #expect(weights == nil || weights == found)
            weights = found
        }
        let file = try CoefficientFile.read(work.path("r1/coefficients.h5"))
        let tables = try file.readTables()
        // Lists of 2, 3 and 4 responses in turn: 7, 7 and 6 of them.
        #expect(file.count == 7 * 1 + 7 * 3 + 6 * 6 && tables.responseTexts.count == 7 * 2 + 7 * 3 + 6 * 4)
        #expect(Set(tables.labels) == [-1, 0, 1] && file.reversed?.count == file.count)
        let other = try CoefficientFile.read(work.path("r4/coefficients.h5"))
        #expect(other.keys == file.keys && other.differences == file.differences)

        // Other chunks cut lists elsewhere, and give the same differences to rounding.
        _ = try work.succeeds(
            set + ["passes=[score]", "score.chunk=7", "score.model=\(work.path("r1/difference/model"))"],
            output: "chunks", ranks: 2)
        let chunks = try CoefficientFile.read(work.path("chunks/coefficients.h5"))
        #expect(zip(chunks.differences, file.differences).allSatisfy { abs($0 - $1) < 1e-4 })

        let files = ["score.file=\(work.path("r1/coefficients.h5"))", "passes=[rrhf]"]
        let ranked = try work.succeeds(set + files + ["rrhf.ranking=difference"], output: "ranked", ranks: 2)
        #expect(ranked.error.contains("cycles of three responses"), "\(ranked.error)")
        #expect(try work.bytes("ranked/rrhf/model/model.safetensors") != weights)
        // Equal scores are no obstacle: the differences order them.
        let row = try #require(try work.metrics("ranked/rrhf/metrics.jsonl").first)
        #expect(row["unranked_share"] as? Double == 0)
        // DPO on the pairs of lists reads the same file, whichever response is the better one.
        _ = try work.succeeds(
            set + files + ["passes=[reference, dpo]", "dpo.steps=2", "data.test=[]", "score.data=train"],
            output: "dpo", ranks: 2)
    }

    @Test func listsAreScoredByRewards() throws {
        let work = try Workspace()
        try work.writeConfiguration(
            Self.sections + "\nreward: { steps: 2, batch_size: 8, micro_batches: 8, learning_rate: 1e-3 }")
        try work.directory.write(Self.lists(12), to: "lists.jsonl")
        _ = try work.succeeds(

            [
                "data.train=\(work.path("lists.jsonl"))", "data.test=[]", "passes=[reward, score, rrhf]",
                "score.scorer=reward", "rrhf.ranking=difference",
            ], output: "run", ranks: 2)
        let file = try CoefficientFile.read(work.path("run/coefficients.h5"))
        let tables = try file.readTables()
        let rewards = try HDF5File(opening: work.path("run/coefficients.h5")).dataset("/responses/reward").read(
            Float.self)
        #expect(file.scorer == "reward" && rewards.count == tables.responseTexts.count)
        for row in 0..<file.count {
            let (first, second) = (Int(tables.pairFirsts[row]), Int(tables.pairSeconds[row]))
            #expect(abs(file.differences[row] - (rewards[first] - rewards[second])) < 1e-4)
        }
        // Rewards are consistent by themselves.
        let log = try String(contentsOfFile: work.path("run/rdo.log"), encoding: .utf8)
        #expect(log.contains("ranking by reward differences: 0 cycles"), "\(log)")
    }

    private static let eightResponses = "data/alpacaeval_lists_k8/lists.jsonl"

    /// Eight responses to a query, real lists and a real model.
    @Test(.enabled(if: Assets.has(StoriesRun.model, eightResponses), "no assets"))
    func listsOfEightTrainOnARealModel() throws {
        let (model, lists) = (Assets.path(StoriesRun.model), Assets.path(Self.eightResponses))
        let directory = try TemporaryDirectory()
        let training = "steps: 3, batch_size: 8, micro_batches: 8, learning_rate: 1e-4"
        let config = try directory.write(
            """
            output: \(directory.path)/lists
            model: { path: \(model) }
            data: { train: \(lists), max_tokens: 192, over_long: truncate, on_error: skip, limit: 24, pairs_per_list: 3 }
            passes: [difference, score, rrhf]
            difference: { \(training) }
            score: { chunk: 28 }
            rrhf: { \(training) }
            """, to: "lists.yaml")
        func train(_ output: String, ranks: Int, _ set: String...) throws -> Data {
            let scores = ["output=\(directory.path)/\(output)", "score.file=\(directory.path)/lists/coefficients.h5"]
            let result = try CommandRunner.run(
                "rdo", ["run", config, "--set", "rrhf.schedule=constant"] + scores + set, ranks: ranks)
            #expect(result.status == 0, "\(result.error)")
            return try Data(
                contentsOf: URL(fileURLWithPath: "\(directory.path)/\(output)/rrhf/model/model.safetensors"))
        }
        let whole = try train("lists", ranks: 4)
        // An epoch is three steps: the second run continues in the middle of it.
        _ = try train("parts", ranks: 2, "passes=[rrhf]", "rrhf.steps=2")
        #expect(try train("parts", ranks: 4, "passes=[rrhf]") == whole)
        #expect(try train("plain", ranks: 4, "passes=[rrhf]", "rrhf.coefficients.use=false") != whole)
    }

    @Test func pairsAreListsOfTwo() throws {
        let work = try Workspace()
        try work.writeConfiguration(Self.sections)
        let set = ["passes=[difference, score, rrhf]", "difference.steps=2"]
        _ = try work.succeeds(set, output: "weighted", ranks: 2)
        _ = try work.succeeds(set + ["rrhf.coefficients.alpha=0"], output: "zero", ranks: 2)
        _ = try work.succeeds(set + ["rrhf.coefficients.use=false"], output: "plain", ranks: 2)
        let plain = try work.bytes("plain/rrhf/model/model.safetensors")
        #expect(try work.bytes("zero/rrhf/model/model.safetensors") == plain)
        #expect(try work.bytes("weighted/rrhf/model/model.safetensors") != plain)
    }

    // MARK: - Bad input

    @Test func dataThatDoNotFit() throws {
        let work = try Workspace()
        try work.writeConfiguration(Self.sections)
        try work.directory.write(
            #"{"prompt": "p", "completion": " r", "label": true}"# + "\n", to: "labelled.jsonl")
        let set = ["data.train=\(work.path("labelled.jsonl"))", "data.test=[]", "rrhf.coefficients.use=false"]
        for pass in ["rrhf", "difference", "dpo"] {
            try work.fails(set + ["passes=[\(pass)]"], code: 3, mentions: "row 1 has one response only")
        }
        try work.directory.write(
            #"{"query": "p", "responses": [" a", " b"], "scores": [1, 1]}"# + "\n", to: "labelled.jsonl")
        try work.fails(set + ["passes=[difference]"], code: 3, mentions: "no list has responses with different scores")
        for (row, message) in [
            (#""responses": [" a"], "scores": [1]"#, "fewer than two responses"),
            (#""responses": [" a", " b"]"#, "row 1 has responses without scores"),
            (#""responses": [" a", " b"], "scores": [1]"#, "responses and scores differ in number"),
            (#""responses": [" a", " b"], "scores": [1, "NaN"]"#, "not an array of numbers"),
        ] {
            try work.directory.write(#"{"query": "p", \#(row)}"# + "\n", to: "labelled.jsonl")
            try work.fails(set + ["passes=[rrhf]", "data.format=lists"], code: 3, mentions: message)
        }
    }

    @Test func coefficientsOfOtherPairs() throws {
        let work = try Workspace()
        try work.writeConfiguration(Self.sections)
        try work.directory.write(Self.lists(8), to: "lists.jsonl")
        let pairs = ["passes=[difference, score]", "difference.steps=1"]
        _ = try work.succeeds(pairs, output: "bad", ranks: 2)
        try work.fails(
            ["data.train=\(work.path("lists.jsonl"))", "data.test=[]", "passes=[rrhf]"], code: 4,
            mentions: "pairs are missing, the first is of responses")
        // A file that knows the first two responses of every list.
        func list(_ responses: String, _ scores: String) -> String {
            (0..<8).map { #"{"query": "q\#($0)", "responses": [\#(responses)], "scores": [\#(scores)]}"# + "\n" }
                .joined()
        }
        try work.directory.write(list(#"" a", " b""#, "1, 2"), to: "short.jsonl")
        try work.directory.write(list(#"" a", " b", " c""#, "1, 2, 3"), to: "long.jsonl")
        _ = try work.succeeds(
            pairs + ["data.train=\(work.path("short.jsonl"))", "data.test=[]"], output: "short", ranks: 1)
        try work.fails(
            [
                "data.train=\(work.path("long.jsonl"))", "data.test=[]", "passes=[rrhf]",
                "score.file=\(work.path("short/coefficients.h5"))",
            ], code: 4, mentions: "16 of 24 pairs are missing")
    }

    @Test func weightsOfTheRows() throws {
        let work = try Workspace()
        try work.writeConfiguration(Self.sections)
        let rows = Workspace.rows(16, seed: 4).split(separator: "\n")
        func weighted(_ weight: (Int) -> String) -> String {
            rows.enumerated().map { $1.dropLast() + ", \"weight\": \(weight($0))}\n" }.joined()
        }
        let set = [
            "data.train=\(work.path("weighted.jsonl"))", "data.test=[]", "passes=[reference, dpo]", "dpo.steps=3",
            "dpo.coefficients.column=only",
        ]
        try work.directory.write(weighted { _ in "1" }, to: "weighted.jsonl")
        _ = try work.succeeds(set, output: "one", ranks: 1)
        _ = try work.succeeds(set + ["dpo.coefficients.use=false"], output: "plain", ranks: 1)
        #expect(try work.bytes("one/dpo/model/model.safetensors") == work.bytes("plain/dpo/model/model.safetensors"))
        try work.directory.write(weighted { $0 % 2 == 0 ? "0" : "2.5" }, to: "weighted.jsonl")
        _ = try work.succeeds(set, output: "some", ranks: 1)
        let shares = try work.metrics("some/dpo/metrics.jsonl").compactMap { $0["coefficient_zero_share"] as? Double }
        #expect(shares.count == 3 && abs(shares[0] - 0.5) < 0.4)
        // Beside a file the row's weight is a factor, so 0 leaves the row out.
        _ = try work.succeeds(

            set + [
                "passes=[difference, score, reference, dpo]", "difference.steps=1", "dpo.coefficients.column=multiply",
            ],
            output: "both", ranks: 1)
        let both = try work.metrics("both/dpo/metrics.jsonl").compactMap { $0["coefficient_zero_share"] as? Double }
        #expect(zip(both, shares).allSatisfy { $0 >= $1 })

        try work.directory.write(weighted { _ in "-1" }, to: "weighted.jsonl")
        try work.fails(set, code: 3, mentions: "\"weight\" is not a number of at least 0")
        try work.directory.write(rows.joined(separator: "\n"), to: "weighted.jsonl")
        try work.fails(set, code: 3, mentions: "row 1 has no field \"weight\"")
    }

    /// Two files: the mean of a file with itself is the file.
    @Test func severalFiles() throws {
        let work = try Workspace()
        try work.writeConfiguration(Self.sections)
        let set = ["difference.steps=2", "dpo.steps=3"]
        _ = try work.succeeds(set, output: "one", ranks: 2)
        let file = work.path("one/coefficients.h5")
        let dpo = set + ["passes=[dpo]", "reference.file=\(work.path("one/reference.h5"))"]
        _ = try work.succeeds(dpo + ["dpo.coefficients.file=[\(file), \(file)]"], output: "two", ranks: 2)
        #expect(try work.bytes("two/dpo/model/model.safetensors") == work.bytes("one/dpo/model/model.safetensors"))
        let product = dpo + ["dpo.coefficients.file=[\(file), \(file)]", "dpo.coefficients.combine=product"]
        _ = try work.succeeds(product, output: "product", ranks: 2)
        _ = try work.succeeds(
            dpo + ["dpo.coefficients.file=\(file)", "dpo.coefficients.alpha=1"], output: "alpha", ranks: 2)
        // √R · √R is R but for rounding.
        func losses(_ name: String) throws -> [Double] {
            try work.metrics("\(name)/dpo/metrics.jsonl").compactMap { $0["loss"] as? Double }
        }
        let (a, b) = (try losses("product"), try losses("alpha"))
        #expect(a.count == 3 && zip(a, b).allSatisfy { abs($0 - $1) < 1e-6 })
    }
}

extension Workspace {
    /// Runs the configuration's passes, which must work.
    @discardableResult
    func succeeds(
        _ set: [String], output: String, ranks: Int, arguments: [String] = [],
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> ProcessResult {
        let result = try rdo(["run"], output: output, ranks: ranks, set: set, arguments: arguments)
        #expect(result.status == 0, "\(result.error)", sourceLocation: sourceLocation)
        return result
    }

    /// Runs the configuration's passes on two ranks, which must end in one line of error.
    func fails(
        _ set: [String], code: Int32, mentions: String, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let result = try rdo(["run"], output: "bad", ranks: 2, set: set)
        #expect(result.status == code, "\(result.error)", sourceLocation: sourceLocation)
        let lines = result.error.split(separator: "\n").filter { $0.contains("rdo: error:") }
        #expect(lines.count == 1 && lines[0].contains(mentions), "\(result.error)", sourceLocation: sourceLocation)
    }
}
