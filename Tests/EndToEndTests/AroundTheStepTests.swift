import Foundation
import TestSupport
import Testing

/// What a run does beside its steps: evaluations that a stop came before, nodes without shared memory, jobs that end.
@Suite(.serialized) struct AroundTheStepTests {
    /// A stop between a save and the evaluation of the same step: what was evaluated in the end is the same.
    @Test func anEvaluationThatAStopCameBefore() throws {
        let work = try Workspace(pairs: 16)
        try work.writeConfiguration()
        let set = ["difference.steps=10", "difference.evaluate_every=5", "difference.keep_checkpoints=5"]
        #expect(try work.rdo(["train", "difference"], set: set).status == 0)
        func figures() throws -> [String] {
            try work.metrics("run/difference/evaluation.jsonl").map {
                "\($0["step"] ?? "") \($0["loss"] ?? $0["test_loss"] ?? "")"
            }
        }
        let whole = try figures()
        #expect(whole.count == 2)
        let last = work.path("run/difference/checkpoints/step-00000010")
        for path in [last, work.path("run/difference/model")] { try FileManager.default.removeItem(atPath: path) }
        try Data().write(to: URL(fileURLWithPath: work.path("run/difference/evaluation.jsonl")))
        let again = try work.rdo(["train", "difference"], set: set)
        #expect(again.status == 0 && again.error.contains("continuing from step 5"), "\(again.error)")
        #expect(try figures() == whole)
    }

    /// Where the node's shared memory cannot be had, the ranks say so, each holds a copy, and the numbers are the same.
    @Test func withoutSharedMemory() throws {
        let work = try Workspace(pairs: 16)
        try work.writeConfiguration()
        #expect(try work.rdo(["train", "difference"], ranks: 2, set: ["difference.steps=3"]).status == 0)
        let overrides = (work.settings(output: "copies") + ["difference.steps=3"]).flatMap { ["--set", $0] }
        let copies = try CommandRunner.run(
            "rdo", ["train", "difference", work.path("config.yaml")] + overrides, ranks: 2, timeout: 60,
            environment: ["OMPI_MCA_osc_sm_backing_directory": work.path("nowhere")])
        #expect(copies.status == 0, "\(copies.error)")
        #expect(copies.error.contains("warning: no shared memory for"), "\(copies.error)")
        let model = "difference/model/model.safetensors"
        #expect(try work.bytes("run/" + model) == work.bytes("copies/" + model))
    }

    /// Before the first step is measured, its operations say whether the job has time for it.
    @Test func aJobThatEndsBeforeTheFirstStep() throws {
        let work = try Workspace(pairs: 16)
        try work.writeConfiguration()
        func run(_ command: [String], _ set: [String]) throws -> ProcessResult {
            let end = Int(Date().timeIntervalSince1970) + 90
            return try CommandRunner.run(
                "rdo",
                command + [work.path("config.yaml")]
                    + (work.settings(output: "run") + set).flatMap { ["--set", $0] },
                timeout: 120, environment: ["SLURM_JOB_END_TIME": "\(end)"])
        }
        // As much as 100 GFLOP/s do in ten minutes.
        let long = ["difference.batch_size=300000", "difference.micro_batches=4"]
        let stopped = try run(["train", "difference"], long + ["difference.steps=2"])
        #expect(stopped.status == 75, "\(stopped.error)")
        #expect(stopped.error.contains("stopped at step 0 of 2 with a complete checkpoint"), "\(stopped.error)")
        let short = try run(["train", "difference"], ["difference.steps=2"])
        #expect(short.status == 0, "\(short.error)")
    }
}
