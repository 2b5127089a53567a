import Foundation
import Storage
import TestSupport
import Testing

/// Ways through the pipeline beside the default one.
@Suite(.serialized) struct PipelineTests {
    @Test func aRewardModelScoresThePairs() throws {
        let work = try Workspace()
        try work.writeConfiguration("reward: { steps: 30, batch_size: 8, micro_batches: 4, learning_rate: 1e-3 }")
        let result = try work.rdo(
            ["run"], ranks: 2,
            set: [
                "passes=[sft, reward, score, reference, dpo]", "score.scorer=reward",
                "sft.steps=4", "sft.batch_size=8", "sft.micro_batches=4",
            ])
        #expect(result.status == 0, "\(result.error)")
        let file = try CoefficientFile.read(work.path("run/coefficients.h5"))
        #expect(file.scorer == "reward" && file.count == 48 && file.reversed == nil)
        let inspected = try CommandRunner.run(
            "rdo", ["inspect", work.path("run/coefficients.h5"), "--json", "--pairs", "3"])
        #expect(inspected.status == 0, "\(inspected.error)")
        #expect(try JSONSerialization.jsonObject(with: Data(inspected.output.utf8)) is [String: Any])
        let losses = try work.metrics("run/reward/metrics.jsonl").compactMap { $0["loss"] as? Double }
        #expect(losses.count == 30 && losses.suffix(5).reduce(0, +) < losses.prefix(5).reduce(0, +))
    }

    @Test func aCheckpointIsExportedAndVerified() throws {
        let work = try Workspace()
        try work.writeConfiguration()
        #expect(try work.rdo(["train", "difference"], ranks: 4, set: ["difference.steps=6"]).status == 0)
        let checkpoints = work.path("run/difference/checkpoints")
        let exported = try CommandRunner.run("rdo", ["export", checkpoints, "--out", work.path("exported")])
        #expect(exported.status == 0, "\(exported.error)")
        // The same weights as the pass's own export, byte for byte.
        #expect(
            try work.bytes("exported/model.safetensors") == work.bytes("run/difference/model/model.safetensors"))
        let verified = try CommandRunner.run("rdo", ["verify", checkpoints + "/step-00000006"])
        #expect(verified.status == 0, "\(verified.error)")
        for arguments in [[checkpoints + "/step-00000006"], [checkpoints + "/step-00000006", "--json"]] {
            let inspected = try CommandRunner.run("rdo", ["inspect"] + arguments)
            #expect(
                inspected.status == 0 && inspected.output.contains("model.embed_tokens.weight"), "\(inspected.error)")
        }
    }

    @Test func usageErrorsAndHelp() throws {
        for ranks in [0, 3] {
            let wrong = try CommandRunner.run("rdo", ["train", "dpo"], ranks: ranks)
            #expect(wrong.status == 2)
            #expect(wrong.error.split(separator: "\n").count { $0.contains("rdo: error:") } == 1, "\(wrong.error)")
            let unknown = try CommandRunner.run("rdo", ["fly"], ranks: ranks)
            #expect(unknown.status == 2)
        }
        let help = try CommandRunner.run("rdo", ["--help"])
        #expect(help.status == 0 && help.output.contains("score"))
        let version = try CommandRunner.run("rdo", ["--version"])
        #expect(version.status == 0 && version.output.hasPrefix("0."))
    }

    /// The data are read and looked at without any weights.
    @Test func prepareSaysWhatTrainingWillSee() throws {
        let work = try Workspace()
        try work.writeConfiguration()
        let result = try work.rdo(
            ["prepare"], ranks: 2, set: ["passes=[difference, dpo]", "prepare.examples=1"])
        #expect(result.status == 0, "\(result.error)")
        #expect(result.error.contains("prepare: train: 48 rows") && result.error.contains("prepare: test: 12 rows"))
        #expect(result.error.contains("prepare: dpo: 48 examples, 20 steps"))
        #expect(result.error.contains("prepare: train row 1: ") && result.error.contains("say "))
        let refused = try work.rdo(["prepare"], set: ["passes=[kto]", "data.train=\(work.path("none.jsonl"))"])
        #expect(refused.status == 3)
    }
}
