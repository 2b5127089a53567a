import Foundation
import TestSupport
import Testing

/// A run that changes its number of ranks at every stop goes through the same samples with the same losses.
@Suite(.serialized) struct ResumeMatrixTests {
    /// Ranks of each stretch of four steps. Up to the third rank count all are powers of two.
    private static let stretches = [1, 4, 2, 3, 1]

    @Test(arguments: ["difference", "dpo"]) func changingRanks(pass: String) throws {
        let work = try Workspace()
        try work.writeConfiguration()
        try Self.check(pass) { steps, ranks, output, arguments in
            try work.rdo(
                ["train", pass], output: output, ranks: ranks,
                set: Self.settings(pass, steps: steps) + ["dpo.variant=simpo", "dpo.coefficients.use=false"],
                arguments: arguments)
        } metrics: {
            try work.metrics($0)
        } path: {
            work.path($0)
        }
    }

    @Test(.enabled(if: StoriesRun.isPossible, "no assets"), arguments: ["difference", "dpo"])
    func changingRanksWithARealModel(pass: String) throws {
        let run = try StoriesRun()
        try Self.check(pass) { steps, ranks, output, arguments in
            try run.train(
                pass, output: output, ranks: ranks, set: Self.settings(pass, steps: steps), arguments: arguments)
        } metrics: {
            try run.work.metrics($0)
        } path: {
            run.work.path($0)
        }
    }

    /// A constant rate: a schedule would depend on where the run is to end.
    private static func settings(_ pass: String, steps: Int) -> [String] {
        [
            "steps=\(steps)", "batch_size=12", "micro_batches=12", "schedule=constant", "warmup_steps=0",
            "checkpoint_every=4",
        ].map { pass + "." + $0 }
    }

    private static func check(
        _ pass: String, run: (Int, Int, String, [String]) throws -> ProcessResult,
        metrics: (String) throws -> [[String: Any]], path: (String) -> String
    ) throws {
        let last = 4 * stretches.count
        let whole = try run(last, 1, "whole", ["--trace", path("whole.jsonl")])
        #expect(whole.status == 0, "\(whole.error)")
        for (index, ranks) in stretches.enumerated() {
            let part = try run(4 * (index + 1), ranks, "parts", ["--trace", path("parts.jsonl")])
            #expect(part.status == 0, "\(part.error)")
            #expect(index == 0 || part.error.contains("continuing from step \(4 * index)"), "\(part.error)")
        }
        let rows = try ["whole.jsonl", "parts.jsonl"].map { try metrics($0).map { $0["rows"] as? [Int] } }
        #expect(rows[0].count == last && rows[0] == rows[1])
        let losses = try ["whole", "parts"].map { output in
            try metrics("\(output)/\(pass)/metrics.jsonl").compactMap { $0["loss"] as? Double }
        }
        #expect(losses[0].count == last && losses[1].count == last)
        // Step 12 is the first that three ranks compute; its loss is still that of the weights before.
        #expect(losses[0].prefix(12) == losses[1].prefix(12))
        for (a, b) in zip(losses[0], losses[1]) { #expect(abs(a - b) <= 1e-5 * max(1, abs(a))) }
    }
}

/// Training of a small real model on real pairs, where the assets are there.
struct StoriesRun {
    static let model = "models/stories260K"
    static let data = "data/hh_mixed_100/pairs.jsonl"
    static let isPossible = Assets.has(model, data)

    let work: Workspace

    init() throws {
        work = try Workspace()
        try work.directory.write("output: unset\n", to: "config.yaml")
    }

    func train(
        _ pass: String, output: String, ranks: Int, set: [String], arguments: [String] = []
    ) throws -> ProcessResult {
        try work.rdo(
            ["train", pass], output: output, ranks: ranks,
            set: [
                "data.train=\(Assets.path(Self.data))", "data.test=[]", "model.path=\(Assets.path(Self.model))",
                "data.template=hh", "data.max_tokens=96",
                "data.over_long=truncate", "data.on_error=skip", "difference.learning_rate=1e-4",
                "dpo.learning_rate=1e-4", "dpo.variant=simpo", "dpo.beta=2", "dpo.coefficients.use=false",
            ] + set, arguments: arguments)
    }
}
