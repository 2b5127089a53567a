import Foundation
import TestSupport
import Testing

/// A rank dies without a word in the middle of a pass: the job ends, nothing is left running, nothing is damaged.
@Suite(.serialized) struct LostRankTests {
    /// The moments at which a rank is killed: the file that shows that a pass is under way, and how many lines it has.
    @Test(arguments: [
        ("difference/metrics.jsonl", 3, 1), ("coefficients.h5.partial", 0, 1), ("coefficients.h5.partial", 0, 0),
        ("reference.h5.partial", 0, 2), ("dpo/metrics.jsonl", 3, 0), ("dpo/checkpoints/step-00000005.partial", 0, 2),
    ]) func theJobEndsAndContinues(file: String, lines: Int, victim: Int) throws {
        let work = try Workspace()
        try work.writeConfiguration()
        let set = ["score.chunk=1", "reference.chunk=1", "difference.steps=10", "dpo.steps=10"]
        #expect(try work.rdo(["run"], output: "whole", ranks: 2, set: set).status == 0)

        var ranks: [pid_t] = []
        var killed = Date()
        let result = try work.rdo(["run"], ranks: 3, set: set, timeout: 60) { process in
            let path = work.path("run/" + file)
            while process.isRunning {
                let found = (try? String(contentsOfFile: path, encoding: .utf8))?.count { $0 == "\n" } ?? 0
                if FileManager.default.fileExists(atPath: path) && found >= lines { break }
                usleep(500)
            }
            ranks = CommandRunner.ranks(of: process)
            #expect(ranks.count == 3)
            if ranks.count == 3 { kill(ranks[victim], SIGKILL) }
            killed = Date()
        }
        #expect(result.status != 0 && result.status != 75, "\(result.error)")
        #expect(Date().timeIntervalSince(killed) < 60)
        // The launcher, or a survivor, says who was lost.
        #expect(result.error.contains("rank \(victim)"), "\(result.error)")
        let deadline = Date() + 10
        while ranks.contains(where: isRunning), Date() < deadline { usleep(10_000) }
        #expect(!ranks.contains(where: isRunning), "a rank still runs")

        let again = try work.rdo(["run"], ranks: 2, set: set)
        #expect(again.status == 0, "\(again.error)")
        let checkpoints = try ["difference/checkpoints/", "dpo/checkpoints/"].flatMap { directory in
            try FileManager.default.contentsOfDirectory(atPath: work.path("run/" + directory)).map { directory + $0 }
        }
        #expect(checkpoints.count == 4 && !checkpoints.contains { $0.hasSuffix(".partial") }, "\(checkpoints)")
        for name in ["coefficients.h5", "reference.h5"] + checkpoints {
            let verified = try CommandRunner.run("rdo", ["verify", work.path("run/" + name)])
            #expect(verified.status == 0, "\(verified.error)")
        }
        let losses = try ["whole", "run"].map {
            try work.metrics("\($0)/dpo/metrics.jsonl").compactMap { $0["loss"] as? Double }
        }
        #expect(losses[1].count == 10)
        // Three ranks sum gradients in another order.
        for (a, b) in zip(losses[0], losses[1]) { #expect(abs(a - b) < 1e-4) }
    }

    /// False for a dead process that nobody has asked for its status yet.
    private func isRunning(_ id: pid_t) -> Bool {
        guard let status = try? String(contentsOfFile: "/proc/\(id)/stat", encoding: .utf8) else { return false }
        return !status.contains(") Z ")
    }
}
