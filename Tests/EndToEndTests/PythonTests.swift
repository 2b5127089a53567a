import TestSupport
import Testing

/// What a pass leaves computes the same in Python: log-probabilities of every held-out response.
@Suite(.serialized) struct PythonTests {
    private func compare(_ script: String, set: [String], directory: String) throws {
        let work = try Workspace()
        try work.writeConfiguration()
        _ = try work.succeeds(
            ["passes=[dpo]", "dpo.coefficients.use=false", "dpo.variant=simpo", "dpo.learning_rate=1e-2"] + set,
            output: "run", ranks: 2)
        let found = try CommandRunner.run(
            "rdo",
            [
                "logprobs", "--model", work.path("run/dpo/model"), "--data", work.path("test.jsonl"), "--out",
                work.path("logprobs.h5"),
            ])
        #expect(found.status == 0, "\(found.error)")
        let result = try Python.run(
            script: script, [work.path("run/dpo/\(directory)"), work.path("test.jsonl"), work.path("logprobs.h5")])
        #expect(result.status == 0, "\(result.output) \(result.error)")
    }

    @Test(.enabled(if: Python.has("torch", "transformers", "h5py"), "RDO_PYTHON names no Python with transformers"))
    func modelsAgreeWithTransformers() throws {
        try compare("compare_transformers.py", set: [], directory: "model")
    }

    @Test(.enabled(if: Python.has("torch", "transformers", "peft", "h5py"), "RDO_PYTHON names no Python with peft"))
    func adaptersAgreeWithPEFT() throws {
        try compare(
            "compare_peft.py", set: ["dpo.lora={ rank: 4, alpha: 8, targets: [q_proj, v_proj, down_proj] }"],
            directory: "adapter")
    }

    /// Every family, on a random model that transformers makes and on what is left of it after a step.
    @Test(.enabled(if: Python.has("torch", "transformers", "h5py"), "RDO_PYTHON names no Python with transformers"))
    func familiesAgreeWithTransformers() throws {
        let program = CommandRunner.products.appendingPathComponent("rdo").path
        let result = try Python.run(script: "compare_families.py", ["--rdo", program])
        #expect(result.status == 0, "\(result.output) \(result.error)")
    }

    /// What scripts/experiments.py makes of its runs: intervals, verdicts, the section of a page.
    @Test(.enabled(if: Python.has("json"), "there is no Python"))
    func experimentsAreSummedUpRightly() throws {
        let result = try Python.run(script: "check_experiments.py", [])
        #expect(result.status == 0, "\(result.output) \(result.error)")
    }

    /// The event files of a run that was stopped and continued, read by TensorBoard itself.
    @Test(.enabled(if: Python.has("tensorboard"), "RDO_PYTHON names no Python with tensorboard"))
    func eventFilesAgreeWithTensorBoard() throws {
        let work = try Workspace()
        try work.writeConfiguration()
        for steps in [7, 20] {
            _ = try work.succeeds(
                [
                    "passes=[difference, score, reference, dpo]", "metrics=[jsonl, tensorboard]",
                    "dpo.evaluate_every=5",
                    "dpo.steps=\(steps)", "dpo.schedule=constant",
                ], output: "run", ranks: 2)
        }
        let result = try Python.run(script: "check_tensorboard.py", [work.path("run")])
        #expect(result.status == 0, "\(result.output) \(result.error)")
    }
}
