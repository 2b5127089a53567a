import Foundation
import TestSupport
import Testing

/// `rdo generate`: the responses depend on the queries, the model and the seed alone.
@Suite(.serialized) struct GenerateTests {
    private static let base = [
        "generate.max_new_tokens=24", "generate.chunk=5", "generate.batch=8", "data.max_tokens=200",
    ]
    private static let sampling = [
        "generate.strategy=sample", "generate.responses=3", "generate.temperature=1.3", "generate.top_p=0.95",
    ]

    /// A model that ends some responses.
    private func workspace() throws -> Workspace {
        let work = try Workspace(pairs: 24)
        try work.writeConfiguration()
        let result = try work.rdo(
            ["run"], ranks: 2, set: ["passes=[sft]", "sft.steps=30", "sft.batch_size=8", "sft.learning_rate=3e-3"])
        try #require(result.status == 0, "\(result.error)")
        return work
    }

    private func generate(
        _ work: Workspace, _ file: String, ranks: Int, _ set: [String] = [],
        whileRunning: (Process) throws -> Void = { _ in }
    ) throws -> ProcessResult {
        try work.rdo(
            ["generate"], ranks: ranks,
            set: Self.base + [
                "generate.model=\(work.path("run/sft/model"))", "generate.file=\(work.path("run/" + file))",
            ]
                + set, whileRunning: whileRunning)
    }

    private func rows(_ work: Workspace, _ file: String) throws -> [[String: Any]] { try work.metrics("run/" + file) }

    @Test func responsesDoNotDependOnTheRanks() throws {
        let work = try workspace()
        for (name, strategy) in [
            ("greedy", []), ("sample", Self.sampling),
            ("beam", ["generate.strategy=beam", "generate.beams=3", "generate.responses=2"]),
            ("diverse", ["generate.strategy=diverse_beam", "generate.responses=4"]),
        ] {
            for (ranks, more) in [
                (1, []), (2, []), (4, []), (3, ["parallel.gather=block"]),
                (4, ["parallel.gather=block", "parallel.shards=2"]),
            ] {
                let result = try generate(work, "\(name)-\(ranks)\(more.count).jsonl", ranks: ranks, strategy + more)
                try #require(result.status == 0, "\(result.error)")
                #expect(
                    try work.bytes("run/\(name)-\(ranks)\(more.count).jsonl") == work.bytes("run/\(name)-10.jsonl"),
                    "\(name) on \(ranks) ranks \(more)")
            }
            let rows = try rows(work, "\(name)-10.jsonl")
            #expect(rows.count == 24)
            for row in rows {
                let (texts, counts) = (row["responses"] as? [String] ?? [], row["token_counts"] as? [Int] ?? [])
                #expect(texts.count == (name == "greedy" ? 1 : name == "sample" ? 3 : name == "beam" ? 2 : 4))
                #expect(counts.count == texts.count && counts.allSatisfy { (1...24).contains($0) })
            }
        }
        // Three draws are not one.
        let drawn = try rows(work, "sample-10.jsonl").compactMap { $0["responses"] as? [String] }
        #expect(drawn.contains { Set($0).count > 1 })
        // A second start finds it complete; another seed does not.
        let again = try generate(work, "sample-10.jsonl", ranks: 1, Self.sampling)
        #expect(again.error.contains("complete and unchanged"))
        let other = try generate(work, "sample-10.jsonl", ranks: 1, Self.sampling + ["seed=4"])
        #expect(other.status == 0 && !other.error.contains("complete and unchanged"))
        #expect(try work.bytes("run/sample-10.jsonl") != work.bytes("run/sample-20.jsonl"))
    }

    /// Stopped and killed as often as it takes, by any ranks: the same bytes, and no chunk twice.
    @Test func interruptionsChangeNothing() throws {
        let work = try workspace()
        #expect(try generate(work, "whole.jsonl", ranks: 1, Self.sampling + ["generate.chunk=1"]).status == 0)
        var stops = 0
        for attempt in 0..<30 {
            let result = try generate(
                work, "parts.jsonl", ranks: 1 + attempt % 3, Self.sampling + ["generate.chunk=1"]
            ) { process in
                let partial = work.path("run/parts.jsonl.partial")
                let before = (try? Data(contentsOf: URL(fileURLWithPath: partial)).count) ?? 0
                while process.isRunning && ((try? Data(contentsOf: URL(fileURLWithPath: partial)).count) ?? 0) <= before
                {
                    usleep(500)
                }
                kill(process.processIdentifier, attempt % 2 == 0 ? SIGUSR1 : SIGKILL)
            }
            if result.status == 0 { break }
            stops += 1
            if attempt == 2 {
                // What a kill in the middle of a line would leave.
                let path = work.path("run/parts.jsonl.partial")
                var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
                bytes.removeLast(min(bytes.count, 9))
                try bytes.write(to: URL(fileURLWithPath: path))
            }
        }
        #expect(stops > 0)
        #expect(try generate(work, "parts.jsonl", ranks: 2, Self.sampling + ["generate.chunk=1"]).status == 0)
        #expect(try work.bytes("run/parts.jsonl") == work.bytes("run/whole.jsonl"))
        #expect(!FileManager.default.fileExists(atPath: work.path("run/parts.jsonl.partial")))
    }

    @Test func promptsMayStandAlone() throws {
        let work = try workspace()
        try work.directory.write(
            """
            {"prompt": "say oak (1)"}
            {"query": "say elm (2)"}
            {"messages": [{"role": "user", "content": "say fir"}]}
            {"answer": "nothing to ask"}

            """, to: "prompts.jsonl")
        let set = ["generate.prompts=[\(work.path("prompts.jsonl"))]", "data.template=chatml"]
        let refused = try generate(work, "alone.jsonl", ranks: 2, set)
        #expect(refused.status == 3 && refused.error.contains("prompts.jsonl:4"), "\(refused.error)")
        let result = try generate(work, "alone.jsonl", ranks: 2, set + ["data.on_error=skip", "generate.stop=[a, b]"])
        #expect(result.status == 0, "\(result.error)")
        #expect(result.error.contains("left out 1"))
        let rows = try rows(work, "alone.jsonl")
        #expect(rows.count == 3)
        #expect(rows[0]["query"] as? String == "say oak (1)" && rows[1]["query"] as? String == "say elm (2)")
        #expect((rows[2]["messages"] as? [[String: String]])?.first?["content"] == "say fir")
        for row in rows {
            let text = (row["responses"] as? [String])?.first ?? "a"
            #expect(!text.contains("a") && !text.contains("b"))
        }
    }

    /// A model with adapters answers as the model that they were merged into, also with gathered rows.
    @Test func adaptersAreAdded() throws {
        let work = try workspace()
        let result = try work.rdo(
            ["run"], ranks: 2,
            set: [
                "passes=[sft]", "sft.model=\(work.path("run/initial-model"))", "sft.steps=6", "sft.batch_size=8",
                "sft.learning_rate=1e-2", "sft.lora.rank=4",
            ])
        try #require(result.status == 0, "\(result.error)")
        let merged = ["generate.model=\(work.path("run/sft/model"))"]
        #expect(try generate(work, "merged.jsonl", ranks: 1, merged).status == 0)
        let adapted = [
            "generate.model=\(work.path("run/initial-model"))", "generate.adapter=\(work.path("run/sft/adapter"))",
        ]
        for (ranks, more) in [(1, []), (2, ["parallel.gather=block"])] {
            let result = try generate(work, "adapted-\(ranks).jsonl", ranks: ranks, adapted + more)
            #expect(result.status == 0, "\(result.error)")
            #expect(try work.bytes("run/adapted-\(ranks).jsonl") == work.bytes("run/merged.jsonl"))
        }
        let missing = try generate(work, "x.jsonl", ranks: 1, adapted + ["generate.adapter=\(work.path("nowhere"))"])
        #expect(missing.status == 4 && missing.error.contains("adapter_config.json"))
    }

    /// HH+: the given responses and generated ones, scored, ordered by the scorer and trained on, in one run; on any ranks.
    @Test func listsAreMadeAndTrainedOn() throws {
        let work = try workspace()
        let set = [
            "passes=[reward, generate, score, rrhf]", "data.train=\(work.path("lists.jsonl"))", "data.test=[]",
            "reward.data=\(work.path("train.jsonl"))", "reward.steps=4", "reward.batch_size=8",
            "generate.model=\(work.path("run/sft/model"))", "generate.prompts=\(work.path("train.jsonl"))",
            "generate.file=\(work.path("lists.jsonl"))", "generate.add_given=true",
            "generate.strategy=diverse_beam", "generate.responses=4", "generate.max_new_tokens=12",
            "score.scorer=reward", "rrhf.ranking=difference", "rrhf.steps=3", "rrhf.batch_size=8",
        ]
        var weights: [Data] = []
        for ranks in [1, 4] {
            try? FileManager.default.removeItem(atPath: work.path("lists.jsonl"))
            let result = try work.rdo(["run"], output: "plus-\(ranks)", ranks: ranks, set: set)
            try #require(result.status == 0, "\(result.error)")
            weights.append(try work.bytes("plus-\(ranks)/rrhf/model/model.safetensors"))
        }
        #expect(weights[0] == weights[1])
        for row in try work.metrics("lists.jsonl") {
            let texts = row["responses"] as? [String] ?? []
            let sources = row["sources"] as? [String] ?? []
            #expect((2...6).contains(texts.count) && Set(texts).count == texts.count && sources.count == texts.count)
            #expect(!texts.contains { $0.allSatisfy(\.isWhitespace) })
        }

        // Lists with scores, which other programs and `ranking: scores` read: the same order, so the same weights.
        let export = try CommandRunner.run(
            "rdo", ["export-lists", work.path("plus-1/coefficients.h5"), "--out", work.path("scored.jsonl")])
        #expect(export.status == 0, "\(export.error)")
        let scored = try work.rdo(
            ["train", "rrhf"], output: "scored",
            set: Array(set.dropFirst(2)) + [
                "data.train=\(work.path("scored.jsonl"))", "data.test=[]", "rrhf.ranking=scores",
                "rrhf.coefficients.file=\(work.path("plus-1/coefficients.h5"))",
            ])
        #expect(scored.status == 0, "\(scored.error)")
        #expect(try work.bytes("scored/rrhf/model/model.safetensors") == weights[0])
        // Without them nobody knows the order.
        let unknown = try work.rdo(
            ["train", "rrhf"], output: "unknown", set: Array(set.dropFirst()) + ["rrhf.ranking=scores"])
        #expect(unknown.status == 3 && unknown.error.contains("without scores"), "\(unknown.error)")
    }

    @Test func whatCannotBeIsSaid() throws {
        let work = try workspace()
        for (set, part) in [
            (["generate.temperature=0.5"], "generate.temperature has no effect"),
            (["generate.responses=2"], "greedy gives one response"),
            (["generate.strategy=beam", "generate.beams=2", "generate.responses=3"], "exceeds generate.beams"),
            (["generate.strategy=beam", "generate.beams=2", "generate.beam_groups=2"], "beam_groups has no effect"),
            (["generate.strategy=diverse_beam", "generate.beams=4", "generate.beam_groups=3"], "does not divide"),
            (["generate.max_new_tokens=250"], "leaves no room"),
        ] {
            let result = try generate(work, "x.jsonl", ranks: 2, set)
            #expect(result.status == 2 && result.error.contains(part), "\(set): \(result.error)")
        }
        // A file of somebody else's stays as it is.
        try work.directory.write("mine\n", to: "run/mine.jsonl")
        let foreign = try generate(work, "mine.jsonl", ranks: 2)
        #expect(foreign.status == 2 && foreign.error.contains("did not make"), "\(foreign.error)")
        #expect(try String(contentsOfFile: work.path("run/mine.jsonl"), encoding: .utf8) == "mine\n")
    }
}
