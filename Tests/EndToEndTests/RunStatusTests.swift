import Foundation
import TestSupport
import Testing

/// What is to be done is decided from headers alone, and said before it is done.
@Suite(.serialized) struct RunStatusTests {
    private static let set = ["difference.steps=5", "dpo.steps=5"]

    private func status(_ work: Workspace, _ set: [String] = set) throws -> [String: String] {
        let result = try work.rdo(["run"], set: set, arguments: ["--dry-run"])
        #expect(result.status == 0, "\(result.error)")
        let lines = result.output.split(separator: "\n").map { $0.split(separator: " ", maxSplits: 1) }
        return Dictionary(
            uniqueKeysWithValues: lines.map { (String($0[0]), $0[1].trimmingCharacters(in: .whitespaces)) })
    }

    @Test func aDryRunSaysWhatRemains() throws {
        let work = try Workspace(pairs: 16)
        try work.writeConfiguration()
        #expect(try status(work)["score"]?.hasPrefix("missing, after difference") == true)
        // It does nothing.
        #expect(!FileManager.default.fileExists(atPath: work.path("run")))
        #expect(try work.rdo(["run"], ranks: 2, set: Self.set).status == 0)
        #expect(try status(work).values.allSatisfy { $0.hasPrefix("complete  [") })
        let longer = try status(work, ["difference.steps=5", "dpo.steps=8"])
        #expect(longer["dpo"]?.hasPrefix("to continue (a checkpoint of step 5 of 8)") == true, "\(longer)")
        let other = try status(work, Self.set + ["difference.learning_rate=2e-3"])
        #expect(
            other["difference"]?.hasPrefix("stale: difference.learning_rate was 0.001 and is 0.002") == true, "\(other)"
        )
        #expect(other["score"]?.hasPrefix("complete, to be looked at again, after difference") == true)
        try FileManager.default.removeItem(atPath: work.path("run/reference.h5"))
        #expect(try status(work)["reference"]?.hasPrefix("to be looked at again") == true)
        // The same of the directory alone, from anywhere.
        let own = try CommandRunner.run("rdo", ["status", work.path("run")])
        #expect(own.status == 0 && own.output.contains("difference  complete"), "\(own.error)")
        let none = try CommandRunner.run("rdo", ["status", work.directory.path])
        #expect(none.status == 4 && none.error.contains("no run was started here"))
    }

    /// Every key of the configuration that a finished run can be started with again: where nothing that it depends on
    /// changed, the pass is passed over; where it did, it looks again and either finds the same inputs or says why not.
    @Test func finishedPassesArePassedOverWithoutReading() throws {
        let work = try Workspace(pairs: 16)
        try work.writeConfiguration()
        #expect(try work.rdo(["run"], set: Self.set).status == 0)
        let files = ["run/coefficients.h5", "run/reference.h5", "run/dpo/model/model.safetensors"]
        let before = try files.map { try work.bytes($0) }
        for cosmetic in [
            "dpo.checkpoint_every=3", "dpo.keep_checkpoints=1", "dpo.evaluate_every=2", "score.chunk=3",
            "reference.chunk=2", "parallel.shards=1", "parallel.gather=block", "parallel.blas_threads=2",
        ] {
            let again = try work.rdo(["run"], ranks: 2, set: Self.set + [cosmetic])
            #expect(again.status == 0, "\(again.error)")
            for pass in ["difference", "score", "reference", "dpo"] {
                #expect(again.error.contains("\(pass): complete and unchanged\n"), "\(cosmetic): \(again.error)")
            }
            #expect(!again.error.contains("looking again"), "\(cosmetic): \(again.error)")
        }
        // The same data elsewhere: looked at, and found the same.
        try FileManager.default.copyItem(atPath: work.path("train.jsonl"), toPath: work.path("copy.jsonl"))
        let moved = try work.rdo(["run"], set: Self.set + ["data.train=\(work.path("copy.jsonl"))"])
        #expect(moved.status == 0 && moved.error.contains("looking again, because data.train was"), "\(moved.error)")
        #expect(!moved.error.contains("anew"))
        #expect(try files.map { try work.bytes($0) } == before)
        // A line more is other data.
        let line = #"{"prompt": "say oak", "chosen": " oak", "rejected": " elm"}"# + "\n"
        try work.directory.write(
            try String(contentsOfFile: work.path("train.jsonl"), encoding: .utf8) + line, to: "train.jsonl")
        let changed = try work.rdo(["run"], set: Self.set)
        #expect(changed.status == 0, "\(changed.error)")
        #expect(changed.error.contains("difference: training anew, because data was"))
        #expect(try files.map { try work.bytes($0) } != before)
    }
}
