import Foundation
import TestSupport
import Testing

/// What an earlier run left and no longer fits is never used in silence.
@Suite(.serialized) struct StaleArtefactTests {
    private static let short = ["difference.steps=2", "dpo.steps=2"]

    /// Another seed is another model with the same tokenizer.
    @Test(arguments: [1, 2]) func aReferenceOfAnotherModelIsRefused(_ ranks: Int) throws {
        let work = try Workspace(pairs: 16)
        try work.writeConfiguration()
        let set = Self.short + ["dpo.coefficients.use=false"]
        #expect(try work.rdo(["run"], output: "old", set: set + ["passes=[reference]", "seed=7"]).status == 0)
        let old = work.path("old/reference.h5")
        let result = try work.rdo(
            ["run"], ranks: ranks, set: set + ["passes=[dpo]", "reference.file=\(old)"])
        #expect(result.status == 4, "\(result.error)")
        #expect(result.error.contains("\(old): the log-probabilities are of another model"))
        #expect(result.error.contains("reference.model"))
        // The remedy that the message names.
        let named = ["passes=[dpo]", "reference.file=\(old)", "reference.model=\(work.path("old/initial-model"))"]
        #expect(try work.rdo(["run"], ranks: ranks, set: set + named).status == 0)
    }

    @Test func coefficientsOfAnEarlierDifferenceModelAreRefused() throws {
        let work = try Workspace(pairs: 16)
        try work.writeConfiguration()
        #expect(try work.rdo(["run"], set: Self.short).status == 0)
        let again = Self.short + ["difference.learning_rate=3e-3"]
        #expect(try work.rdo(["train", "difference"], set: again, arguments: ["--resume", "never"]).status == 0)
        let stale = try work.rdo(["train", "dpo"], set: again, arguments: ["--resume", "never"])
        #expect(stale.status == 4, "\(stale.error)")
        #expect(stale.error.contains("coefficients.h5: the coefficients are of another model"))
        // `rdo run` makes them again.
        #expect(try work.rdo(["score"], set: again).status == 0)
        #expect(try work.rdo(["train", "dpo"], set: again, arguments: ["--resume", "never"]).status == 0)
    }

    /// A file that cannot be read is not absent: it may be hours of work, or not ours at all.
    @Test(arguments: ["coefficients.h5", "reference.h5"]) func anUnreadableFileIsNotReplaced(_ name: String) throws {
        let work = try Workspace(pairs: 16)
        try work.writeConfiguration()
        try FileManager.default.createDirectory(atPath: work.path("run"), withIntermediateDirectories: true)
        try work.directory.write("somebody's notes", to: "run/" + name)
        let result = try work.rdo(["run"], set: Self.short)
        #expect(result.status == 4, "\(result.error)")
        #expect(result.error.contains(name))
        #expect(try work.bytes("run/" + name) == Data("somebody's notes".utf8))
    }

    /// What a killed save left would stay for ever otherwise.
    @Test func unfinishedCheckpointsAreRemoved() throws {
        let work = try Workspace(pairs: 16)
        try work.writeConfiguration()
        let left = work.path("run/difference/checkpoints/step-00000099.partial")
        try FileManager.default.createDirectory(atPath: left, withIntermediateDirectories: true)
        try work.directory.write("half", to: "run/difference/checkpoints/step-00000099.partial/shard-0000.h5")
        let result = try work.rdo(["train", "difference"], ranks: 2, set: Self.short)
        #expect(result.status == 0, "\(result.error)")
        #expect(result.error.contains("removed what an interrupted save left: \(left)"))
        #expect(!FileManager.default.fileExists(atPath: left))
    }

    /// The second job ends at once and names the first; when that is killed, the next takes over.
    @Test func oneJobAtATimeWritesToAnOutput() throws {
        let work = try Workspace(pairs: 16)
        try work.writeConfiguration()
        var second: ProcessResult?
        let first = try work.rdo(
            ["train", "difference"], set: ["difference.steps=100000"],
            whileRunning: { job in
                let deadline = Date(timeIntervalSinceNow: 60)
                let metrics = work.path("run/difference/metrics.jsonl")
                while !FileManager.default.fileExists(atPath: metrics), Date() < deadline { usleep(20_000) }
                second = try work.rdo(["train", "difference"], timeout: 20)
                #expect(second?.error.contains("process \(job.processIdentifier) on ") == true)
                kill(job.processIdentifier, SIGKILL)
            })
        #expect(first.status != 0)
        #expect(second?.status == 4)
        #expect(second?.error.contains("another job writes to this output") == true)
        let next = try work.rdo(["train", "difference"], set: Self.short, arguments: ["--resume", "never"])
        #expect(next.status == 0, "\(next.error)")
    }

    /// A run that was extended and killed between its last checkpoint and the export has the old model.
    @Test func anExportOfAnEarlierStepIsMadeAgain() throws {
        let work = try Workspace(pairs: 16)
        try work.writeConfiguration()
        let set = ["passes=[difference]"]
        let weights = "difference/model/model.safetensors"
        #expect(try work.rdo(["run"], set: set + ["difference.steps=5"]).status == 0)
        let old = work.path("old")
        try FileManager.default.copyItem(atPath: work.path("run/difference/model"), toPath: old)
        #expect(try work.rdo(["run"], set: set + ["difference.steps=10"]).status == 0)
        let new = try work.bytes("run/" + weights)
        try FileManager.default.removeItem(atPath: work.path("run/difference/model"))
        try FileManager.default.moveItem(atPath: old, toPath: work.path("run/difference/model"))
        let again = try work.rdo(["run"], ranks: 2, set: set + ["difference.steps=10"])
        #expect(again.status == 0)
        #expect(again.error.contains("writing the model again, because it is of step 5, and the last is 10"))
        #expect(try work.bytes("run/" + weights) == new)
        // Another number type is another export, of the same training.
        let half = try work.rdo(["run"], set: set + ["difference.steps=10", "difference.export=bf16"])
        #expect(half.status == 0 && half.error.contains("it is in f32 and export is bf16"), "\(half.error)")
        #expect(try work.bytes("run/" + weights).count < new.count)
        #expect(try work.metrics("run/difference/metrics.jsonl").count == 10)
    }

    /// A head file and held-out data are compared by content, wherever they are.
    @Test func theHeadAndTheHeldOutDataAreInputs() throws {
        let work = try Workspace(pairs: 16)
        try work.writeConfiguration()
        for (output, seed) in [("a", "1"), ("b", "2")] {
            let set = ["passes=[reward]", "reward.steps=1", "seed=\(seed)"]
            #expect(try work.rdo(["run"], output: output, set: set).status == 0)
        }
        let set = ["passes=[reward]", "reward.steps=3"]
        func head(_ output: String) -> [String] {
            set + ["reward.head=\(work.path(output + "/reward/model/model.safetensors"))"]
        }
        #expect(try work.rdo(["run"], set: head("a")).status == 0)
        let other = try work.rdo(["run"], set: head("b"))
        #expect(other.status == 0 && other.error.contains("training anew, because head was"), "\(other.error)")
        let before = try work.bytes("run/reward/model/model.safetensors")
        let evaluation = try work.bytes("run/reward/evaluation.jsonl")
        try work.directory.write(Workspace.rows(6, seed: 9), to: "test.jsonl")
        let evaluated = try work.rdo(["run"], set: head("b"))
        #expect(evaluated.status == 0 && evaluated.error.contains("6 held-out examples"), "\(evaluated.error)")
        #expect(try work.bytes("run/reward/evaluation.jsonl") != evaluation)
        #expect(try work.bytes("run/reward/model/model.safetensors") == before)
    }

    /// What a path names outside the output is not replaced.
    @Test func aFileOutsideTheOutputIsNotReplaced() throws {
        let work = try Workspace(pairs: 16)
        try work.writeConfiguration()
        try FileManager.default.createDirectory(atPath: work.path("shared"), withIntermediateDirectories: true)
        let set = ["passes=[reference]", "reference.file=\(work.path("shared/r.h5"))"]
        #expect(try work.rdo(["run"], set: set).status == 0)
        let before = try work.bytes("shared/r.h5")
        let other = try work.rdo(["run"], output: "other", ranks: 2, set: set + ["seed=7"])
        #expect(other.status == 4 && other.error.contains("model_digest was"), "\(other.error)")
        #expect(try work.bytes("shared/r.h5") == before)
        let own = try work.rdo(["run"], set: ["passes=[reference]"])
        #expect(own.status == 0, "\(own.error)")
        let again = try work.rdo(["run"], set: ["passes=[reference]", "data.template=hh"])
        #expect(again.status == 0 && again.error.contains("again, because data_digest was"), "\(again.error)")
    }

    /// The texts of `data.turns` are part of what artefacts are made from, as the name of a template is.
    @Test func aChangedPrefixMakesArtefactsStale() throws {
        let work = try Workspace(pairs: 16)
        try work.writeConfiguration()
        func run(_ turns: String...) throws -> ProcessResult {
            let set = ["passes=[reference, dpo]", "dpo.steps=1", "dpo.coefficients.use=false", "data.template=custom"]
            return try work.rdo(["run"], set: set + turns.map { "data.turns.\($0)" })
        }
        let (user, assistant) = ("user.prefix=\"Q: \"", "assistant.prefix=\"\\nA: \"")
        #expect(try run(user, assistant).status == 0)
        let same = try run(user, assistant)
        #expect(same.error.contains("reference: complete and unchanged"), "\(same.error)")
        let changed = try run("user.prefix=\"q: \"", assistant)
        #expect(changed.status == 0, "\(changed.error)")
        #expect(changed.error.contains("again, because data_digest was"), "\(changed.error)")
        #expect(changed.error.contains("data.turns.user.prefix was \"Q: \" and is \"q: \""), "\(changed.error)")
        // What only chats would show makes no other tokens here, and still another template.
        let suffixed = try run("user.prefix=\"q: \"", assistant, "assistant.suffix=\"\\n\"")
        #expect(suffixed.error.contains("template was {"), "\(suffixed.error)")
    }
}
