import Foundation
import Storage
import TestSupport
import Testing

/// Passes that train adapters: the same bits on any ranks and after a stop, what they write, and what they refuse.
@Suite(.serialized) struct LowRankTests {
    private static let adapter = "dpo/adapter/adapter_model.safetensors"
    private static let lora = "{ rank: 4, alpha: 8, targets: [q_proj, v_proj, down_proj] }"

    private static func workspace() throws -> Workspace {
        let work = try Workspace()
        try work.writeConfiguration("kto: { steps: 4, batch_size: 8, micro_batches: 8 }")
        return work
    }

    private static let set = ["dpo.lora=\(lora)", "difference.lora=\(lora)", "difference.head_learning_rate=1e-3"]

    @Test func anyRanksAndMeshesGiveTheSameBits() throws {
        let work = try Self.workspace()
        let arms: [(Int, [String])] = [
            (1, []), (2, []), (4, []), (4, ["parallel.shards=1"]), (4, ["parallel.gather=block"]),
            (2, ["parallel.shared_memory=false", "parallel.recompute=block"]),
        ]
        for (index, arm) in arms.enumerated() {
            let result = try work.rdo(["run"], output: "r\(index)", ranks: arm.0, set: Self.set + arm.1)
            #expect(result.status == 0, "\(result.error)")
        }
        for file in [
            Self.adapter, "dpo/model/model.safetensors", "difference/adapter/adapter_model.safetensors",
            "difference/model/model.safetensors", "difference/adapter/adapter_config.json",
        ] where !file.hasSuffix(".json") {
            let first = try work.bytes("r0/" + file)
            for index in 1..<arms.count { #expect(try work.bytes("r\(index)/" + file) == first, "\(file) \(index)") }
        }
        // It learns, and holds gradients and moments of the adapters alone.
        let metrics = try work.metrics("r0/dpo/metrics.jsonl")
        let margins = metrics.compactMap { $0["margin"] as? Double }
        #expect(
            margins.count == 20 && abs(margins[0]) < 1e-5 && margins.suffix(3).allSatisfy { $0 > 1e-3 }, "\(margins)")
        #expect(try work.rdo(["run"], output: "full", ranks: 1, set: ["dpo.steps=1"]).status == 0)
        let full = try work.metrics("full/dpo/metrics.jsonl")[0]["state_memory_bytes"] as? Double ?? 0
        #expect(metrics[0]["state_memory_bytes"] as? Double ?? .infinity < 0.3 * full)
        // A scalar head is trained whole.
        let head = try SafetensorsFile.open(work.path("r0/difference/adapter/adapter_model.safetensors"))
        #expect(head.contains("base_model.model.score.weight"))
        #expect(head.contains("base_model.model.model.layers.1.mlp.down_proj.lora_A.weight"))
    }

    @Test func resumingOnOtherRanksContinuesTheSameRun() throws {
        let work = try Self.workspace()
        let set = Self.set + ["passes=[difference]", "difference.steps=200", "difference.checkpoint_every=0"]
        #expect(try work.rdo(["run"], output: "whole", ranks: 2, set: set).status == 0)
        let stopped = try work.rdo(["run"], output: "stopped", ranks: 4, set: set) { process in
            let metrics = work.path("stopped/difference/metrics.jsonl")
            while process.isRunning && ((try? Data(contentsOf: URL(fileURLWithPath: metrics)))?.isEmpty ?? true) {
                usleep(1_000)
            }
            kill(process.processIdentifier, SIGUSR1)
        }
        #expect(stopped.status == 75, "\(stopped.error)")
        let resumed = try work.rdo(["run"], output: "stopped", ranks: 1, set: set)
        #expect(resumed.status == 0, "\(resumed.error)")
        for file in ["adapter/adapter_model.safetensors", "model/model.safetensors"] {
            #expect(try work.bytes("stopped/difference/" + file) == work.bytes("whole/difference/" + file))
        }
        // Checkpoints hold the adapters only.
        let checkpoint = try Checkpoint.open(work.path("whole/difference/checkpoints/step-00000200"))
        #expect(checkpoint.shape(.model, "model.embed_tokens.weight") == nil)
        #expect(checkpoint.shape(.model, "model.layers.0.self_attn.q_proj.lora_A.weight") == [4, 32])
        // Full training does not continue from adapters, nor other adapters from these.
        for other in [["difference.lora=null"], ["difference.lora.rank=5"], ["difference.lora.alpha=9"]] {
            let anew = try work.rdo(["run"], output: "whole", set: set + other + ["difference.steps=2"])
            #expect(anew.status == 0, "\(anew.error)")
            #expect(anew.error.contains("training anew") && anew.error.contains("lora"), "\(anew.error)")
        }
    }

    /// The adapter that a pass left, started from again, is the merged model to rounding; `rdo export` writes both.
    /// Again with a real model, where the assets are there.
    @Test(arguments: Assets.has(StoriesRun.model) ? [false, true] : [false]) func mergedIsAdapterAndBase(real: Bool)
        throws
    {
        let work = try Self.workspace()
        var set =
            Self.set + ["passes=[dpo]", "dpo.coefficients.use=false", "dpo.variant=simpo", "dpo.learning_rate=1e-2"]
        if real {
            set += [
                "model.init=null", "model.path=\(Assets.path(StoriesRun.model))", "model.tokenizer=null",
                "data.max_tokens=120",
            ]
        }
        let trained = try work.rdo(["run"], output: "run", ranks: 2, set: set)
        #expect(trained.status == 0, "\(trained.error)")
        // No learning: the exported weights after one step of rate ~0 come from the adapter read again.
        let again = try work.rdo(
            ["run"], output: "again", ranks: 2,
            set: set + [
                "dpo.lora.start=\(work.path("run/dpo/adapter"))", "dpo.steps=1", "dpo.learning_rate=1e-30",
            ])
        #expect(again.status == 0, "\(again.error)")
        #expect(try work.bytes("again/" + Self.adapter) == work.bytes("run/" + Self.adapter))
        // The held-out metrics of the adapted model, and of the merged one under full training with no learning.
        let merged = try work.rdo(
            ["run"], output: "merged", ranks: 1,
            set: set + [
                "dpo.lora=null", "dpo.model=\(work.path("run/dpo/model"))", "dpo.steps=1", "dpo.learning_rate=1e-30",
            ])
        #expect(merged.status == 0, "\(merged.error)")
        let (a, b) = try (
            work.metrics("again/dpo/evaluation.jsonl")[0], work.metrics("merged/dpo/evaluation.jsonl")[0]
        )
        for name in ["test_loss", "test_margin"] {
            let (a, b) = (a[name] as? Double ?? .nan, b[name] as? Double ?? .nan)
            #expect(abs(a - b) < 1e-4 * max(1, abs(a)), "\(name): \(a) against \(b)")
        }

        // Merged as it is read.
        let base = real ? Assets.path(StoriesRun.model) : work.path("run/initial-model")
        var values: [[Double]] = []
        for (name, model) in [
            ("merged", [work.path("run/dpo/model")]), ("read", [base, "--adapter", work.path("run/dpo/adapter")]),
        ] {
            let out = work.path("\(name).h5")
            let result = try CommandRunner.run(
                "rdo", ["logprobs", "--data", work.path("test.jsonl"), "--out", out, "--model"] + model)
            #expect(result.status == 0, "\(result.error)")
            values.append(Array(try ReferenceFile.read(out).logprobs))
        }
        #expect(values[0].count > 8 && zip(values[0], values[1]).allSatisfy { abs($0 - $1) < 1e-4 })

        let checkpoints = work.path("run/dpo/checkpoints")
        for (out, flags, file) in [
            ("whole", [], "model/model.safetensors"), ("low", ["--adapter"], "adapter/adapter_model.safetensors"),
        ] {
            let exported = try CommandRunner.run("rdo", ["export", checkpoints, "--out", work.path(out)] + flags)
            #expect(exported.status == 0, "\(exported.error)")
            let name = URL(fileURLWithPath: file).lastPathComponent
            #expect(try work.bytes(out + "/" + name) == work.bytes("run/dpo/" + file))
        }
    }

    @Test func everyObjectiveTrainsAdapters() throws {
        let work = try Self.workspace()
        let set = [
            "passes=[sft, reward, reference, kto]", "kto.lora={targets: [o_proj]}", "sft.lora={rank: 1}",
            "sft.steps=3", "sft.batch_size=8", "reward.steps=3", "reward.batch_size=8", "reward.lora={rank: 2}",
            "kto.coefficients.use=false", "kto.lora.export=adapter",
        ]
        let result = try work.rdo(["run"], ranks: 2, set: set)
        #expect(result.status == 0, "\(result.error)")
        #expect(FileManager.default.fileExists(atPath: work.path("run/reward/model/model.safetensors")))
        #expect(FileManager.default.fileExists(atPath: work.path("run/kto/adapter/adapter_config.json")))
        #expect(!FileManager.default.fileExists(atPath: work.path("run/kto/model")))
        // Complete: nothing is done again.
        let again = try work.rdo(["run"], set: set)
        #expect(again.status == 0 && again.error.contains("kto: complete"), "\(again.error)")
    }

    @Test func badInput() throws {
        let work = try Self.workspace()
        func refused(_ set: [String], _ code: Int32, _ words: String...) throws {
            let result = try work.rdo(["train", "difference"], set: set)
            #expect(result.status == code, "\(result.error)")
            for word in words { #expect(result.error.contains(word), "\(word): \(result.error)") }
        }
        try refused(["difference.lora={targets: [q_proj, w_proj]}"], 2, "difference.lora.targets", "w_proj")
        try refused(["difference.lora={targets: []}"], 2, "difference.lora.targets is empty")
        try refused(["difference.lora={targets: [q_proj, q_proj]}"], 2, "twice")
        try refused(["difference.lora.rank=0"], 2, "difference.lora.rank")
        try refused(["difference.lora.alpha=0"], 2, "difference.lora.alpha")
        try refused(["difference.lora.start=\(work.path("nowhere"))"], 4, "adapter_config.json", "missing")

        let small = ["difference.lora={rank: 2}", "difference.steps=1"]
        #expect(try work.rdo(["train", "difference"], output: "small", set: small).status == 0)
        let start = "difference.lora.start=\(work.path("small/difference/adapter"))"
        try refused(["difference.lora={rank: 3}", start], 4, "r is 2, the configuration says 3")
        try refused(["difference.lora={rank: 2, alpha: 3}", start], 4, "lora_alpha")
        try refused(["difference.lora={rank: 2, targets: k_proj}", start], 4, "target_modules")
        let otherShape = "model.init.hidden_size=64"
        try refused(["difference.lora={rank: 2}", start, otherShape], 4, "adapter_model.safetensors", "shape")
    }
}
