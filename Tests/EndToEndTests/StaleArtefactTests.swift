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
}
