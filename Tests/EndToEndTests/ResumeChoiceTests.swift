import Foundation
import TestSupport
import Testing

/// Where training goes on from, as `--resume` says it, and what becomes of the checkpoints that it leaves behind.
@Suite(.serialized) struct ResumeChoiceTests {
    private func checkpoints(_ work: Workspace, _ pass: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: work.path("run/\(pass)/checkpoints")).sorted()
    }

    /// Newer checkpoints stay, put aside, until the first new one is complete; the end is the undisturbed run's.
    @Test func goingBackToAnOlderStepKeepsWhatItSaves() throws {
        let work = try Workspace(pairs: 16)
        try work.writeConfiguration()
        let set = ["difference.steps=20", "difference.keep_checkpoints=10"]
        #expect(try work.rdo(["train", "difference"], ranks: 2, set: set).status == 0)
        let whole = try work.bytes("run/difference/model/model.safetensors")
        let middle = work.path("run/difference/checkpoints/step-00000005")
        // Stopped at the first step, where nothing new is saved yet.
        let signalled = try work.rdo(
            ["train", "difference"], ranks: 2, set: set + ["difference.keep_checkpoints=1"],
            arguments: ["--resume", middle],
            whileRunning: { job in
                let deadline = Date(timeIntervalSinceNow: 60)
                while try !checkpoints(work, "difference").contains("step-00000020-superseded"), Date() < deadline {
                    usleep(2_000)
                }
                job.terminate()
            })
        let left = try checkpoints(work, "difference")
        if signalled.status == 75 {
            #expect(left.contains { $0.hasPrefix("step-") && !$0.contains("-superseded") }, "\(left)")
        }
        // `auto` now goes on from there.
        #expect(try work.rdo(["train", "difference"], set: set + ["difference.keep_checkpoints=1"]).status == 0)
        #expect(try checkpoints(work, "difference") == ["step-00000020"])
        #expect(try work.bytes("run/difference/model/model.safetensors") == whole)
    }

    /// Made longer, a run has the rates of one that was to be so long from the beginning where `schedule_steps` says so.
    /// (Where it does not: ScheduleChangeTests.)
    @Test func aScheduleMayBeMadeForMoreSteps() throws {
        let work = try Workspace(pairs: 16)
        try work.writeConfiguration()
        let scheduled = ["difference.schedule_steps=10"]
        #expect(try work.rdo(["train", "difference"], set: scheduled + ["difference.steps=4"]).status == 0)
        let longer = try work.rdo(["train", "difference"], set: scheduled + ["difference.steps=8"])
        #expect(longer.status == 0 && longer.error.contains("continuing from step 4"), "\(longer.error)")
        #expect(!longer.error.contains("the learning rate was"))
        let weights = try work.bytes("run/difference/model/model.safetensors")
        let once = try work.rdo(["train", "difference"], output: "once", set: scheduled + ["difference.steps=8"])
        #expect(once.status == 0, "\(once.error)")
        #expect(try work.bytes("once/difference/model/model.safetensors") == weights)
    }

    /// Another learning rate is another run, unless a key says that it may go on.
    @Test func aLearningRateMayChange() throws {
        let work = try Workspace(pairs: 16)
        try work.writeConfiguration()
        let start = ["difference.schedule=constant", "difference.warmup_ratio=0"]
        #expect(try work.rdo(["train", "difference"], set: start + ["difference.steps=4"]).status == 0)
        let changed = start + ["difference.steps=8", "difference.learning_rate=1e-4"]
        let on = try work.rdo(
            ["train", "difference"], set: changed + ["difference.may_change_learning_rate=true"])
        #expect(on.status == 0 && on.error.contains("continuing from step 4"), "\(on.error)")
        #expect(on.error.contains("going on although difference.learning_rate was"))
        let rates = try work.metrics("run/difference/metrics.jsonl").compactMap { $0["learning_rate"] as? Double }
        #expect(rates.count == 8 && rates[3] != 1e-4 && rates[4...].allSatisfy { $0 == 1e-4 }, "\(rates)")
        let anew = try work.rdo(["train", "difference"], set: changed + ["difference.learning_rate=2e-4"])
        #expect(
            anew.status == 0 && anew.error.contains("training anew, because difference.learning_rate was"),
            "\(anew.error)")
    }

    /// A checkpoint for dpo is no reason for other passes to fail or to begin anew.
    @Test func aCheckpointIsForThePassThatWroteIt() throws {
        let work = try Workspace(pairs: 16)
        try work.writeConfiguration()
        let set = ["difference.steps=4", "dpo.steps=10", "dpo.keep_checkpoints=5"]
        #expect(try work.rdo(["run"], set: set).status == 0)
        let middle = work.path("run/dpo/checkpoints/step-00000005")
        for choice in [middle, "dpo=" + middle] {
            let result = try work.rdo(["run"], set: set, arguments: ["--resume", choice])
            #expect(result.status == 0, "\(result.error)")
            #expect(result.error.contains("continuing from step 5 (\(middle))"))
            #expect(result.error.contains("difference: complete and unchanged"))
        }
        let never = try work.rdo(["run"], set: set, arguments: ["--resume", "dpo=never"])
        #expect(never.status == 0 && never.error.contains("difference: complete and unchanged"), "\(never.error)")
        #expect(!never.error.contains("dpo: complete and unchanged"))
        let other = try work.rdo(
            ["run"], set: set + ["passes=[difference, score]", "passes=[reward, difference]"],
            arguments: ["--resume", work.path("run/dpo/checkpoints/step-00000010")])
        #expect(other.status == 2 && other.error.contains("of the pass dpo"), "\(other.error)")
    }

    /// A named checkpoint that does not fit is the user's; the run's own is put aside and the pass trained anew.
    @Test func whatDoesNotFitIsMadeAgainUnlessItWasNamed() throws {
        let work = try Workspace(pairs: 16)
        try work.writeConfiguration()
        let set = ["difference.steps=5"]
        #expect(try work.rdo(["train", "difference"], set: set).status == 0)
        let old = try work.bytes("run/difference/model/model.safetensors")
        let changed = set + ["difference.learning_rate=2e-3"]
        let named = try work.rdo(
            ["train", "difference"], set: changed,
            arguments: ["--resume", work.path("run/difference/checkpoints/step-00000005")])
        #expect(named.status == 4, "\(named.error)")
        #expect(named.error.contains("difference.learning_rate was 0.001 and is 0.002"))
        #expect(named.error.contains("--resume difference=never"))
        #expect(try checkpoints(work, "difference") == ["step-00000005"])
        let again = try work.rdo(["train", "difference"], set: changed)
        #expect(again.status == 0, "\(again.error)")
        #expect(
            again.error.contains("difference: training anew, because difference.learning_rate was 0.001 and is 0.002"))
        #expect(try checkpoints(work, "difference") == ["step-00000005"])
        #expect(try work.bytes("run/difference/model/model.safetensors") != old)
        // Fewer steps are another run too.
        let fewer = try work.rdo(["train", "difference"], set: changed + ["difference.steps=3"])
        #expect(fewer.status == 0 && fewer.error.contains("trained for 5 steps, and now for 3"), "\(fewer.error)")
        #expect(try checkpoints(work, "difference") == ["step-00000003"])
    }

    /// Every pass of a run traces into the file, and a pass that is done again replaces its own lines only.
    @Test func theTraceHoldsEveryPass() throws {
        let work = try Workspace(pairs: 16)
        try work.writeConfiguration()
        let set = ["difference.steps=3", "dpo.steps=2", "passes=[difference, score, reference, dpo]"]
        func passes() throws -> [String] { try work.metrics("trace.jsonl").compactMap { $0["pass"] as? String } }
        let trace = ["--trace", work.path("trace.jsonl")]
        #expect(try work.rdo(["run"], ranks: 2, set: set, arguments: trace).status == 0)
        #expect(try passes() == ["difference", "difference", "difference", "dpo", "dpo"])
        #expect(try work.rdo(["run"], set: set, arguments: trace + ["--resume", "difference=never"]).status == 0)
        #expect(try passes() == ["dpo", "dpo", "difference", "difference", "difference"])
        // A file of somebody else's is no trace.
        let data = try work.bytes("train.jsonl")
        let mistaken = try work.rdo(
            ["train", "difference"], set: set,
            arguments: ["--trace", work.path("train.jsonl"), "--resume", "never"])
        #expect(mistaken.status == 2 && mistaken.error.contains("holds something else"), "\(mistaken.error)")
        #expect(try work.bytes("train.jsonl") == data)
    }
}
