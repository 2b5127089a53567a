import Foundation
import TestSupport
import Testing

/// A run that is made longer has another learning rate from there on, and says so.
@Suite(.serialized) struct ScheduleChangeTests {
    private func resumed(_ schedule: String, ranks: Int, from: Int = 2, to: Int = 6) throws -> (
        error: String, rates: [Double]
    ) {
        let work = try Workspace(pairs: 16)
        try work.writeConfiguration()
        let set = ["passes=[difference]", "difference.schedule=\(schedule)", "difference.warmup_ratio=0"]
        let first = try work.succeeds(set + ["difference.steps=\(from)"], output: "run", ranks: ranks)
        #expect(!first.error.contains("schedule"), "\(first.error)")
        let second = try work.succeeds(set + ["difference.steps=\(to)"], output: "run", ranks: ranks)
        let third = try work.succeeds(set + ["difference.steps=\(to)"], output: "run", ranks: ranks)
        #expect(third.error.contains("complete and unchanged") && !third.error.contains("schedule"), "\(third.error)")
        return (
            second.error, try work.metrics("run/difference/metrics.jsonl").compactMap { $0["learning_rate"] as? Double }
        )
    }

    @Test(arguments: [("linear", 0), ("cosine", 2)]) func aDecayEndsElsewhere(_ schedule: String, ranks: Int) throws {
        let (error, rates) = try resumed(schedule, ranks: ranks)
        #expect(rates.count == 6 && rates[2] > rates[1])
        let lines = error.split(separator: "\n").filter { $0.contains("the schedule now ends at step 6") }
        #expect(lines.count == 1 && lines[0].contains("warning"), "\(error)")
        #expect(lines[0].contains("the learning rate was \(rates[1]) at step 2 and is \(rates[2]) at the next"))
    }

    @Test func aConstantRateHasNoEnd() throws {
        let (error, rates) = try resumed("constant", ranks: 0)
        #expect(Set(rates).count == 1 && rates.count == 6 && !error.contains("schedule"), "\(error)")
    }

    /// Interrupted and continued to the same end, it is the same schedule.
    @Test func aStopIsNoChange() throws {
        let work = try Workspace(pairs: 16)
        try work.writeConfiguration()
        let set = [
            "passes=[difference]", "difference.schedule=linear", "difference.steps=400",
            "difference.checkpoint_every=1000",
        ]
        let stopped = try work.rdo(["run"], set: set) { process in
            let metrics = work.path("run/difference/metrics.jsonl")
            while process.isRunning, (FileManager.default.contents(atPath: metrics)?.count ?? 0) == 0 { usleep(5_000) }
            kill(process.processIdentifier, SIGTERM)
        }
        #expect(stopped.status == 75, "\(stopped.error)")
        let resumed = try work.rdo(["run"], set: set) { process in
            usleep(1_500_000)
            kill(process.processIdentifier, SIGTERM)
        }
        #expect([0, 75].contains(resumed.status) && !resumed.error.contains("schedule now"), "\(resumed.error)")
        #expect(resumed.error.contains("continuing from"), "\(resumed.error)")
    }
}
