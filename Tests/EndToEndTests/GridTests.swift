import Foundation
import TestSupport
import Testing

/// `rdo grid`: every combination runs once, and the winners are those that the runs' own records say.
@Suite(.serialized) struct GridTests {
    private static let vary = ["--vary", "difference.lambda_duplication=0,2", "difference.lambda_reverse=0,1"]

    @Test func bothRulesFindTheirBest() throws {
        let work = try Workspace()
        try work.writeConfiguration()
        let result = try work.rdo(
            ["grid", "difference"], ranks: 2, set: ["difference.steps=4"], arguments: Self.vary)
        #expect(result.status == 0, "\(result.error)")

        let report = try #require(
            JSONSerialization.jsonObject(with: try work.bytes("run/grid/difference/grid.json")) as? [String: Any])
        let combinations = try #require(report["combinations"] as? [[String: Any]])
        #expect(combinations.count == 4)
        var training: [(Double, [String])] = []
        var heldOut: [(Double, Double, [String])] = []
        for combination in combinations {
            let settings = try #require(combination["settings"] as? [String])
            let directory = try #require(combination["directory"] as? String)
            let name = settings.map { $0.dropFirst("difference.".count) }.joined(separator: ",")
            #expect(directory.hasSuffix("/grid/difference/\(name)/difference"))
            let relative = "run/grid/difference/\(name)/difference/"
            let steps = try work.metrics(relative + "metrics.jsonl")
            let losses = steps.compactMap { $0["loss_main"] as? Double }
            let mean = losses.reduce(0, +) / Double(losses.count)
            // Four steps are less than an epoch of the workspace's data.
            #expect(abs((combination["training_preference_loss"] as? Double ?? .nan) - mean) < 1e-12)
            training.append((mean, settings))
            let last = try #require(work.metrics(relative + "evaluation.jsonl").last)
            heldOut.append(
                (last["test_accuracy"] as? Double ?? .nan, -(last["test_loss_main"] as? Double ?? .nan), settings))
            #expect(FileManager.default.fileExists(atPath: work.path(relative + "model/model.safetensors")))
        }
        #expect(report["best_by_training_loss"] as? [String] == training.min { $0.0 < $1.0 }?.1)
        #expect(
            report["best_by_held_out_accuracy"] as? [String] == heldOut.max { ($0.0, $0.1) < ($1.0, $1.1) }?.2)
        #expect(result.output.contains("best by held-out accuracy: difference.lambda_duplication="))

        // More values: only the new combinations run.
        let more = try work.rdo(
            ["grid", "difference"], set: ["difference.steps=4"],
            arguments: ["--vary", "difference.lambda_duplication=0,2,3", "difference.lambda_reverse=0"])
        #expect(more.status == 0, "\(more.error)")
        #expect(more.error.components(separatedBy: "difference: complete and unchanged").count == 3, "\(more.error)")
    }

    @Test func aPolicyStartsFromTheRunItself() throws {
        let work = try Workspace()
        try work.writeConfiguration()
        let set = ["passes=[reference]", "dpo.steps=2", "dpo.coefficients.use=false"]
        #expect(try work.rdo(["run"], set: set).status == 0)
        let result = try work.rdo(["grid", "dpo"], set: set, arguments: ["--vary", "dpo.beta=0.1,0.2"])
        #expect(result.status == 0, "\(result.error)")
        #expect(result.output.contains("| dpo.beta=0.2 |"))
    }

    @Test func badInput() throws {
        let work = try Workspace()
        try work.writeConfiguration()
        for (pass, vary, words) in [
            ("difference", "dpo.beta=1,2", "only seed and keys of difference can be varied"),
            ("difference", "difference.lambda_reverse", "is not KEY=VALUE,VALUE"),
            ("difference", "difference.lambda_reverse=0,,1", "is not KEY=VALUE,VALUE"),
            ("difference", "difference.lambda_reverse=0,-1", "difference.lambda_reverse must be"),
            ("difference", "difference.lambda=0,1", "unknown key difference.lambda"),
        ] {
            let result = try work.rdo(["grid", pass], arguments: ["--vary", vary])
            #expect(result.status == 2 && result.error.contains(words), "\(result.error)")
        }
        let nothing = try work.rdo(["grid", "dpo"])
        #expect(nothing.status == 2 && nothing.error.contains("nothing to vary"), "\(nothing.error)")
        #expect(!FileManager.default.fileExists(atPath: work.path("run/grid")))
    }
}
