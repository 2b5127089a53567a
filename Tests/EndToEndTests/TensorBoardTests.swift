import Foundation
import TestSupport
import Testing

/// `metrics: [jsonl, tensorboard]`: the event files say what metrics.jsonl and evaluation.jsonl say, and training does not
/// change by them.
@Suite(.serialized) struct TensorBoardTests {
    private static let both = "metrics=[jsonl, tensorboard]"
    private static let plain = [
        "passes=[dpo]", "dpo.variant=simpo", "dpo.coefficients.use=false", "dpo.schedule=constant",
        "dpo.evaluate_every=5",
    ]
    private static let ofTheMachine = [
        "tokens_per_second", "seconds", "mfu", "leaf_imbalance", "rank_imbalance", "comm_exposed_seconds",
        "state_memory_bytes", "gathered_memory_bytes", "peak_memory_bytes",
    ]

    /// Every number of the two files stands once in the event files, and nothing else does.
    @discardableResult
    private func compare(
        _ work: Workspace, _ directory: String, sourceLocation: SourceLocation = #_sourceLocation
    ) throws -> EventFiles {
        let events = try EventFiles(work.path(directory + "/tensorboard"))
        var rest = events.scalars
        for name in ["metrics", "evaluation"] {
            for line in try work.metrics("\(directory)/\(name).jsonl") {
                let step = try #require(line["step"] as? Int)
                for case (let name, let value as Double) in line where name != "step" {
                    let tag =
                        name.hasPrefix("test_")
                        ? "test/" + name.dropFirst(5)
                        : (Self.ofTheMachine.contains(name) ? "machine/" : "train/") + name
                    let place = rest[tag]?.firstIndex { $0.step == step }
                    let found = try #require(place, "\(tag) of step \(step)", sourceLocation: sourceLocation)
                    let event = rest[tag]?.remove(at: found)
                    #expect(event?.value == Float(value), "\(tag) of step \(step)", sourceLocation: sourceLocation)
                }
            }
        }
        let left = rest.filter { !$0.value.isEmpty }.map { "\($0.key): \($0.value.map(\.step))" }
        #expect(left.isEmpty, "\(left)", sourceLocation: sourceLocation)
        return events
    }

    @Test func figuresAreTheSameAndTrainingToo() throws {
        let work = try Workspace()
        try work.writeConfiguration()
        let set = [
            "passes=[reward, difference, score, reference, dpo]", "reward.steps=6", "difference.steps=6",
            "dpo.steps=6", "dpo.evaluate_every=2", "reward.batch_size=8",
        ]
        _ = try work.succeeds(
            set + [Self.both], output: "with", ranks: 2, arguments: ["--trace", work.path("trace.jsonl")])
        _ = try work.succeeds(set, output: "without", ranks: 2)
        let trace = try work.metrics("trace.jsonl")
        for pass in ["reward", "difference", "dpo"] {
            let events = try compare(work, "with/" + pass)
            #expect(events.files.count == 1)
            #expect(!FileManager.default.fileExists(atPath: work.path("without/\(pass)/tensorboard")))
            let weights = "\(pass)/model/model.safetensors"
            #expect(try work.bytes("with/" + weights) == work.bytes("without/" + weights))

            // Histograms hold the batch's values, of which the trace has the same.
            let steps = trace.filter { $0["pass"] as? String == pass }
            #expect(steps.count == 6)
            if pass != "difference" {
                let means = try #require(events.histograms["train/margins"]).map { $0.value.sum / $0.value.count }
                for (mean, line) in zip(means, try work.metrics("with/\(pass)/metrics.jsonl")) {
                    #expect(abs(mean - (line["margin"] as? Double ?? .nan)) < 1e-9)
                }
            }
            for (step, line) in steps.enumerated() {
                for (tag, values) in Self.values(line, pass) {
                    let histogram = try #require(events.histograms[tag]?[step])
                    #expect(histogram.step == step && histogram.value.count == Double(values.count))
                    // JSONSerialization may read the last bit of a number otherwise.
                    let (least, greatest) = (values.min() ?? .nan, values.max() ?? .nan)
                    #expect(abs(histogram.value.min - least) <= 1e-12 * abs(least))
                    #expect(abs(histogram.value.max - greatest) <= 1e-12 * abs(greatest))
                    #expect(abs(histogram.value.sum - values.reduce(0, +)) < 1e-9)
                    #expect(histogram.value.buckets.reduce(0, +) == 8)
                }
            }
        }
    }

    /// From a line of the trace what the histograms of a pass are of.
    private static func values(_ line: [String: Any], _ pass: String) -> [String: [Double]] {
        func numbers(_ name: String) -> [Double] { line[name] as? [Double] ?? [] }
        switch pass {
        case "reward": return ["train/margins": zip(numbers("rewards_chosen"), numbers("rewards_rejected")).map(-)]
        case "difference":
            let first = line["first"] as? [String] ?? []
            return [
                "train/differences": zip(first, numbers("difference_main")).map { $0 == "chosen" ? $1 : -$1 }
            ]
        default: return ["train/coefficients": numbers("coefficients")]
        }
    }

    /// Killed twice, then continued on other ranks: steps stand once, evaluations too.
    @Test func survivesKills() throws {
        let work = try Workspace()
        try work.writeConfiguration()
        let set = Self.plain + [Self.both, "dpo.steps=60", "dpo.checkpoint_every=5"]
        for (lines, ranks) in [(12, 0), (33, 0), (60, 4)] {
            let result = try work.rdo(["run"], output: "run", ranks: ranks, set: set) { process in
                guard lines < 60 else { return }
                while process.isRunning, ((try? work.metrics("run/dpo/metrics.jsonl").count) ?? 0) < lines {
                    usleep(2000)
                }
                kill(process.processIdentifier, SIGKILL)
            }
            #expect(result.status == (lines == 60 ? 0 : SIGKILL), "\(result.error)")
        }
        let events = try compare(work, "run/dpo")
        #expect(events.files.count == 3)
        #expect(events.scalars["train/loss"]?.map(\.step) == Array(0..<60))
        #expect(events.histograms["train/margins"]?.map(\.step) == Array(0..<60))
        #expect(events.scalars["test/loss"]?.map(\.step) == Array(stride(from: 5, through: 60, by: 5)))
    }

    /// Back to an earlier checkpoint: what was shown after it goes, the evaluation of its own step stays.
    @Test func goesBack() throws {
        let work = try Workspace()
        try work.writeConfiguration()
        let set = Self.plain + [Self.both, "dpo.keep_checkpoints=9"]
        _ = try work.succeeds(set, output: "run", ranks: 2)
        let first = try compare(work, "run/dpo")
        #expect(first.forgotten == 0)
        let back = ["--resume", work.path("run/dpo/checkpoints/step-00000010")]
        _ = try work.succeeds(set, output: "run", ranks: 2, arguments: back)
        let second = try compare(work, "run/dpo")
        #expect(second.files.count == 2 && second.forgotten > 100)
        #expect(second.scalars["train/loss"]?.map(\.step) == Array(0..<20))
        #expect(second.scalars["test/loss"]?.map(\.step) == [5, 10, 15, 20])
        #expect(second.scalars["test/loss"]?.map(\.value) == first.scalars["test/loss"]?.map(\.value))
        // Other held-out data are evaluated once more, in the place of those before.
        _ = try work.succeeds(set + ["data.test_limit=5"], output: "run", ranks: 2)
        let third = try compare(work, "run/dpo")
        #expect(third.scalars["test/examples"]?.map(\.value) == [12, 12, 12, 5])
    }

    @Test func switchedOnAndOff() throws {
        let work = try Workspace()
        try work.writeConfiguration()
        func run(_ steps: Int, _ set: [String], _ arguments: [String] = []) throws -> String {
            try work.succeeds(
                Self.plain + ["dpo.steps=\(steps)"] + set, output: "run", ranks: 2, arguments: arguments
            ).error
        }
        _ = try run(2, [])
        #expect(try run(4, [Self.both]).contains("TensorBoard's curves begin at step 2"))
        let directory = work.path("run/dpo/tensorboard")
        #expect(try EventFiles(directory).scalars["train/loss"]?.map(\.step) == [2, 3])
        _ = try run(6, [])
        #expect(try EventFiles(directory).files.count == 1)
        #expect(try !run(8, [Self.both]).contains("TensorBoard's curves"))
        #expect(try EventFiles(directory).scalars["train/loss"]?.map(\.step) == [2, 3, 6, 7])
        // A finished pass stays finished; a run that begins anew without them leaves none.
        #expect(try !run(8, [Self.both]).contains("continuing"))
        _ = try run(8, [], ["--resume", "never"])
        #expect(!FileManager.default.fileExists(atPath: directory))

        try Data("a file".utf8).write(to: URL(fileURLWithPath: directory))
        let blocked = try work.rdo(
            ["run"], output: "run", ranks: 2, set: Self.plain + ["dpo.steps=10", Self.both])
        let errors = blocked.error.split(separator: "\n").filter { $0.contains("rdo: error:") }
        #expect(blocked.status == 2 && errors.count == 1, "\(blocked.error)")
        #expect(errors.first?.contains("dpo/tensorboard") == true && errors.first?.contains("cannot write") == true)
    }
}
