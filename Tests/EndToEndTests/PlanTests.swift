import Foundation
import TestSupport
import Testing

/// `rdo bench` and `rdo plan`.
@Suite(.serialized) struct PlanTests {
    @Test func aPlanIsMadeFromMeasuredRates() throws {
        let work = try Workspace()
        try work.writeConfiguration()
        let machine = work.path("machine.json")
        for ranks in [0, 2] {
            let bench = try CommandRunner.run("rdo", ["bench", "--out", machine], ranks: ranks)
            #expect(bench.status == 0, "\(bench.error)")
            #expect(bench.output.contains("| block of width 256, forward and backward |"))
            #expect(bench.output.contains("MPI_Reduce_scatter_block") == (ranks == 2))
        }
        func plan(_ arguments: [String]) throws -> ProcessResult {
            let overrides = work.settings(output: "run").flatMap { ["--set", $0] }
            return try CommandRunner.run("rdo", ["plan", work.path("config.yaml")] + overrides + arguments)
        }
        let measured = ["--machine", machine]
        let two = try plan(measured + ["--ranks", "2", "--json"])
        #expect(two.status == 0, "\(two.error)")
        let passes = try #require(
            try JSONSerialization.jsonObject(with: Data(two.output.utf8)) as? [[String: Any]])
        #expect(passes.map { $0["pass"] as? String } == ["difference", "dpo"])
        #expect(passes.allSatisfy { ($0["step_seconds"] as? Double ?? 0) > 0 && $0["shards"] as? Int == 2 })
        // The plan leaves nothing behind.
        #expect(!FileManager.default.fileExists(atPath: work.path("run")))

        let cluster = try plan(
            measured + [
                "--ranks", "8", "--nodes", "4", "--network", "2,12", "--memory-per-node", "0.001", "--tokens", "30,20",
            ])
        #expect(cluster.status == 0, "\(cluster.error)")
        #expect(cluster.output.contains("mesh 1×8") && cluster.output.contains("(does not fit)"))

        for (arguments, status, message) in [
            (measured + ["--ranks", "16"], 2, "micro_batches"),
            (measured + ["--ranks", "3", "--nodes", "2"], 2, "evenly"),
            (measured + ["--ranks", "4", "--nodes", "2"], 2, "--network"),
            (measured + ["--ranks", "4", "--nodes", "2", "--network", "fast"], 2, "two positive numbers"),
            (measured + ["--ranks", "2", "--tokens", "0,5"], 2, "two positive numbers"),
            (["--ranks", "2", "--machine", work.path("train.jsonl")], 4, "rdo bench"),
            (["--ranks", "2", "--machine", work.path("none.json")], 4, "rdo bench"),
        ] as [([String], Int32, String)] {
            let result = try plan(arguments)
            #expect(result.status == status && result.error.contains(message), "\(arguments): \(result.error)")
            #expect(result.error.split(separator: "\n").count { $0.hasPrefix("rdo: error:") } == 1, "\(result.error)")
        }
    }
}
