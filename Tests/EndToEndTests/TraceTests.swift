import Foundation
import TestSupport
import Testing

/// The trace holds all that a replay needs: plain formulas on the recorded numbers give the recorded losses.
@Suite(.serialized) struct TraceTests {
    private func softplus(_ x: Double) -> Double { max(x, 0) + log1p(exp(-abs(x))) }

    private func numbers(_ object: [String: Any], _ name: String) throws -> [Double] {
        try #require((object[name] as? [NSNumber])?.map(\.doubleValue), "\(name) is missing")
    }

    @Test func dpoReplaysFromItsTrace() throws {
        let work = try Workspace()
        try work.writeConfiguration()
        #expect(try work.rdo(["run"], ranks: 2, set: ["passes=[difference, score, reference]"]).status == 0)
        let result = try work.rdo(["train", "dpo"], ranks: 2, arguments: ["--trace", work.path("trace.jsonl")])
        #expect(result.status == 0, "\(result.error)")
        let (trace, metrics) = (try work.metrics("trace.jsonl"), try work.metrics("run/dpo/metrics.jsonl"))
        #expect(trace.count == 20 && metrics.count == 20)
        for (step, recorded) in zip(trace, metrics) {
            let (weights, chosen, rejected) = (
                try numbers(step, "coefficients"), try numbers(step, "logps_chosen"),
                try numbers(step, "logps_rejected")
            )
            let (refChosen, refRejected) = (
                try numbers(step, "reference_chosen"), try numbers(step, "reference_rejected")
            )
            #expect(weights.count == 8 && (step["rows"] as? [Int])?.count == 8)
            let loss = weights.indices.reduce(0.0) { sum, i in
                sum + weights[i] * softplus(-0.1 * ((chosen[i] - refChosen[i]) - (rejected[i] - refRejected[i])))
            }
            #expect(abs(loss / 8 - (recorded["loss"] as? Double ?? .nan)) < 1e-9)
        }
    }

    @Test func differenceTrainingReplaysFromItsTrace() throws {
        let work = try Workspace()
        try work.writeConfiguration()
        let result = try work.rdo(["train", "difference"], ranks: 2, arguments: ["--trace", work.path("trace.jsonl")])
        #expect(result.status == 0, "\(result.error)")
        let (trace, metrics) = (try work.metrics("trace.jsonl"), try work.metrics("run/difference/metrics.jsonl"))
        #expect(trace.count == 20 && metrics.count == 20)
        for (step, recorded) in zip(trace, metrics) {
            let (main, duplication, reverse) = (
                try numbers(step, "difference_main"), try numbers(step, "difference_duplication"),
                try numbers(step, "difference_reverse")
            )
            let first = try #require(step["first"] as? [String])
            let loss = main.indices.reduce(0.0) { sum, i in
                sum + softplus(first[i] == "chosen" ? -main[i] : main[i]) + 0.5 * duplication[i] * duplication[i]
                    + 0.5 * (main[i] + reverse[i]) * (main[i] + reverse[i])
            }
            #expect(abs(loss / 8 - (recorded["loss"] as? Double ?? .nan)) < 1e-9)
        }
    }

    @Test func rowsAreThoseOfTheFile() throws {
        let work = try Workspace(pairs: 8)
        try work.writeConfiguration()
        // A bad row before good ones shifts nothing; file order without shuffling.
        let rows = "{\"prompt\": \"a\"}\n" + Workspace.rows(8, seed: 9)
        let file = try work.directory.write(rows, to: "gap.jsonl")
        let result = try work.rdo(
            ["train", "difference"], ranks: 2,
            set: ["data.train=\(file)", "data.on_error=skip", "data.shuffle=false", "difference.steps=2"],
            arguments: ["--trace", work.path("trace.jsonl")])
        #expect(result.status == 0, "\(result.error)")
        #expect(try work.metrics("trace.jsonl").map { $0["rows"] as? [Int] } == [Array(1...8), Array(1...8)])
    }
}
