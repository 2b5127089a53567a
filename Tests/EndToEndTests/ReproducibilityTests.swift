import Foundation
import TestSupport
import Testing

/// Promises about bits: ranks, interruptions and α = 0 do not change a weight.
@Suite(.serialized) struct ReproducibilityTests {
    private static let weights = "dpo/model/model.safetensors"

    @Test func powersOfTwoOfRanksGiveTheSameBits() throws {
        let work = try Workspace()
        try work.writeConfiguration()
        for ranks in [1, 2, 4, 8] {
            let result = try work.rdo(["run"], output: "r\(ranks)", ranks: ranks)
            #expect(result.status == 0, "\(result.error)")
        }
        for file in [Self.weights, "difference/model/model.safetensors"] {
            let one = try work.bytes("r1/" + file)
            #expect(try work.bytes("r2/" + file) == one)
            #expect(try work.bytes("r4/" + file) == one)
            #expect(try work.bytes("r8/" + file) == one)
        }
        // Every loss too, to the last digit.
        let losses = try [1, 2, 4, 8].map { try work.metrics("r\($0)/dpo/metrics.jsonl").map { $0["loss"] as? Double } }
        #expect(losses[0].count == 20)
        #expect(losses.allSatisfy { $0 == losses[0] })
    }

    @Test func meshShapesAndGatherPoliciesGiveTheSameBits() throws {
        let work = try Workspace()
        try work.writeConfiguration()
        let shapes = [("1", "step"), ("2", "block"), ("4", "block"), ("4", "step")]
        for (index, shape) in shapes.enumerated() {
            let result = try work.rdo(
                ["run"], output: "m\(index)", ranks: 4,
                set: [
                    "parallel.shards=\(shape.0)", "parallel.gather=\(shape.1)", "passes=[difference]",
                    "difference.steps=6",
                ])
            #expect(result.status == 0, "\(result.error)")
        }
        let first = try work.bytes("m0/difference/model/model.safetensors")
        for index in 1..<shapes.count {
            #expect(try work.bytes("m\(index)/difference/model/model.safetensors") == first)
        }
    }

    /// How memory is used changes no bit: recomputed activations, private copies; nor does updating group by group.
    @Test func memorySettingsGiveTheSameBits() throws {
        let work = try Workspace()
        try work.writeConfiguration()
        let common = ["passes=[difference]", "difference.steps=6", "difference.max_grad_norm=0"]
        let arms = [
            (1, []), (2, []), (2, ["parallel.recompute=block"]), (4, ["parallel.shared_memory=false"]),
            (4, ["parallel.shared_memory=false", "parallel.gather=block", "parallel.recompute=block"]),
        ]
        for (index, arm) in arms.enumerated() {
            let result = try work.rdo(["run"], output: "a\(index)", ranks: arm.0, set: common + arm.1)
            #expect(result.status == 0, "\(result.error)")
        }
        let first = try work.bytes("a0/difference/model/model.safetensors")
        for index in 1..<arms.count {
            #expect(try work.bytes("a\(index)/difference/model/model.safetensors") == first)
        }
    }

    /// More leaves than `micro_batches` where tokens ask for it, the same on every number of ranks.
    @Test func aTokenLimitMakesMoreLeaves() throws {
        let work = try Workspace()
        try work.writeConfiguration()
        let set = ["passes=[difference]", "difference.steps=4", "difference.micro_batches=2"]
        for (ranks, limit) in [(1, "null"), (1, "400"), (2, "400")] {
            let result = try work.rdo(
                ["run"], output: "t\(ranks)\(limit)", ranks: ranks,
                set: set + ["difference.micro_batch_tokens=\(limit)"])
            #expect(result.status == 0, "\(result.error)")
        }
        let file = "/difference/model/model.safetensors"
        #expect(try work.bytes("t1400" + file) == work.bytes("t2400" + file))
        let (whole, cut) = try (
            work.metrics("t1null/difference/metrics.jsonl"), work.metrics("t1400/difference/metrics.jsonl")
        )
        for (a, b) in zip(whole, cut) {
            let (a, b) = (a["loss"] as? Double ?? .nan, b["loss"] as? Double ?? .nan)
            #expect(abs(a - b) < 1e-5)
        }
        #expect(whole.map { $0["leaf_imbalance"] as? Double } != cut.map { $0["leaf_imbalance"] as? Double })
    }

    @Test func threeRanksAgreeToRounding() throws {
        let work = try Workspace()
        try work.writeConfiguration()
        for ranks in [1, 3] {
            let result = try work.rdo(["run"], output: "r\(ranks)", ranks: ranks)
            #expect(result.status == 0, "\(result.error)")
        }
        let losses = try [1, 3].map {
            try work.metrics("r\($0)/dpo/metrics.jsonl").compactMap { $0["loss"] as? Double }
        }
        for (a, b) in zip(losses[0], losses[1]) { #expect(abs(a - b) < 1e-4) }
    }

    @Test func resumingOnOtherRanksContinuesTheSameRun() throws {
        let work = try Workspace()
        try work.writeConfiguration()
        #expect(try work.rdo(["run"], output: "whole", ranks: 2).status == 0)
        #expect(
            try work.rdo(["run"], output: "parts", ranks: 4, set: ["passes=[difference, score, reference]"]).status == 0
        )
        // Killed without warning between steps 10 and 20: the checkpoint of step 10 is what remains.
        let every = ["dpo.checkpoint_every=10"]
        let killed = try work.rdo(["train", "dpo"], output: "parts", ranks: 4, set: every) { process in
            let metrics = work.path("parts/dpo/metrics.jsonl")
            while process.isRunning {
                let steps = (try? String(contentsOfFile: metrics, encoding: .utf8))?.count { $0 == "\n" } ?? 0
                if steps >= 12 { break }
                usleep(2_000)
            }
            let kill = Process()
            kill.executableURL = URL(fileURLWithPath: "/usr/bin/pkill")
            kill.arguments = ["-9", "-f", "rdo train dpo \(work.path("config.yaml"))"]
            try kill.run()
            kill.waitUntilExit()
        }
        #expect(killed.status != 0)
        let resumed = try work.rdo(["train", "dpo"], output: "parts", ranks: 1, set: every)
        #expect(resumed.status == 0, "\(resumed.error)")
        #expect(resumed.error.contains("continuing from step 10 "))
        #expect(try work.bytes("parts/" + Self.weights) == work.bytes("whole/" + Self.weights))
        // Every step stands once in the metrics.
        #expect(try work.metrics("parts/dpo/metrics.jsonl").map { $0["step"] as? Int } == Array(0..<20))
    }

    @Test func aSignalStopsWithACompleteCheckpoint() throws {
        let work = try Workspace()
        try work.writeConfiguration()
        let steps = ["difference.steps=400", "difference.checkpoint_every=0", "passes=[difference]"]
        #expect(try work.rdo(["run"], output: "whole", ranks: 2, set: steps).status == 0)
        let stopped = try work.rdo(["run"], output: "parts", ranks: 2, set: steps) { process in
            let metrics = work.path("parts/difference/metrics.jsonl")
            while process.isRunning && ((try? Data(contentsOf: URL(fileURLWithPath: metrics)))?.isEmpty ?? true) {
                usleep(2_000)
            }
            kill(process.processIdentifier, SIGUSR1)
        }
        #expect(stopped.status == 75, "\(stopped.error)")
        #expect(stopped.error.contains("complete checkpoint"))
        let resumed = try work.rdo(["run"], output: "parts", ranks: 4, set: steps)
        #expect(resumed.status == 0, "\(resumed.error)")
        #expect(
            try work.bytes("parts/difference/model/model.safetensors")
                == work.bytes("whole/difference/model/model.safetensors"))
    }

    @Test func alphaZeroIsVanillaDPO() throws {
        let work = try Workspace()
        try work.writeConfiguration()
        let arms = [
            ("vanilla", ["dpo.coefficients.use=false"]), ("zero", ["dpo.coefficients.alpha=0"]),
            ("flip", ["dpo.coefficients.alpha=0", "dpo.coefficients.disagreement=flip"]),
            ("weighted", ["dpo.coefficients.alpha=0.5"]),
        ]
        for (name, set) in arms {
            let result = try work.rdo(["run"], output: name, ranks: 2, set: set)
            #expect(result.status == 0, "\(result.error)")
        }
        let vanilla = try work.bytes("vanilla/" + Self.weights)
        #expect(try work.bytes("zero/" + Self.weights) == vanilla)
        #expect(try work.bytes("flip/" + Self.weights) == vanilla)
        #expect(try work.bytes("weighted/" + Self.weights) != vanilla)
    }

    @Test func aCompleteRunIsNotDoneAgain() throws {
        let work = try Workspace()
        try work.writeConfiguration()
        #expect(try work.rdo(["run"], ranks: 2).status == 0)
        let files = ["run/coefficients.h5", "run/reference.h5", "run/dpo/metrics.jsonl", "run/" + Self.weights]
        let before = try files.map { try work.bytes($0) }
        let again = try work.rdo(["run"], ranks: 1)
        #expect(again.status == 0, "\(again.error)")
        #expect(again.error.contains("complete and unchanged"))
        #expect(try files.map { try work.bytes($0) } == before)
    }

    @Test func otherSettingsAreNotContinued() throws {
        let work = try Workspace()
        try work.writeConfiguration()
        let pass = ["passes=[difference]", "difference.steps=4"]
        #expect(try work.rdo(["run"], ranks: 2, set: pass).status == 0)
        let changed = try work.rdo(["run"], ranks: 2, set: pass + ["difference.lambda_reverse=0.25"])
        #expect(changed.status == 0, "\(changed.error)")
        #expect(changed.error.contains("training anew, because difference.lambda_reverse was 0.5 and is 0.25"))
        // More steps continue.
        let longer = try work.rdo(
            ["run"], ranks: 1, set: ["passes=[difference]", "difference.steps=6", "difference.lambda_reverse=0.25"])
        #expect(longer.status == 0 && longer.error.contains("continuing from step 4"), "\(longer.error)")
        #expect(try work.metrics("run/difference/metrics.jsonl").count == 6)
    }

    @Test func simPONeedsNoReference() throws {
        let work = try Workspace()
        try work.writeConfiguration()
        let set = ["passes=[dpo]", "dpo.coefficients.use=false", "dpo.steps=4"]
        let simpo = try work.rdo(["run"], ranks: 2, set: set + ["dpo.variant=simpo", "dpo.beta=2"])
        #expect(simpo.status == 0, "\(simpo.error)")
        #expect(try work.metrics("run/dpo/metrics.jsonl").count == 4)
        let dpo = try work.rdo(["run"], output: "other", ranks: 2, set: set)
        #expect(dpo.status == 4 && dpo.error.contains("reference.h5"), "\(dpo.error)")
    }
}
