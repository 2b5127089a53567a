import Foundation
import Objectives
import TestSupport
import Testing

/// Losses that read R itself, on the coefficient files that weights come from.
@Suite(.serialized) struct ReadingLossTests {
    private static let common = ["dpo.steps=3", "dpo.micro_batches=4", "dpo.coefficients.alpha=0"]

    /// Differences, coefficients of both parts of the data, references.
    private static func prepared() throws -> Workspace {
        let work = try Workspace()
        try work.writeConfiguration()
        let result = try work.rdo(
            ["run"], set: ["passes=[difference, score, reference]", "score.data=both", "difference.steps=6"])
        try #require(result.status == 0, "\(result.error)")
        return work
    }

    /// A training pass on what `prepared` left.
    private static func train(
        _ work: Workspace, _ name: String, ranks: Int = 0, _ set: [String]
    ) throws -> ProcessResult {
        try work.rdo(
            ["train", "dpo"], output: name, ranks: ranks,
            set: common + [
                "score.file=\(work.path("run/coefficients.h5"))", "reference.file=\(work.path("run/reference.h5"))",
                "dpo.model=\(work.path("run/initial-model"))",
            ] + set)
    }

    @Test func everyLossTrainsAlikeOnOneAndTwoRanks() throws {
        let work = try Self.prepared()
        for loss in PairwiseLoss.allCases where loss.reading != .nothing {
            let set = ["dpo.variant=\(loss)", "dpo.coefficients.disagreement=absolute"]
            for ranks in [1, 2] {
                let result = try Self.train(work, "\(loss)\(ranks)", ranks: ranks, set)
                #expect(result.status == 0, "\(result.error)")
            }
            let file = "dpo/model/model.safetensors"
            #expect(try work.bytes("\(loss)1/\(file)") == work.bytes("\(loss)2/\(file)"), "\(loss)")
            let losses = try work.metrics("\(loss)1/dpo/metrics.jsonl").compactMap { $0["loss"] as? Double }
            #expect(losses.count == 3 && losses.allSatisfy(\.isFinite))
            let heldOut = try work.metrics("\(loss)1/dpo/evaluation.jsonl").first?["test_loss"] as? Double
            #expect(heldOut?.isFinite == true)
        }
    }

    /// A loss that reads R needs a file that says it, whatever weights are made of.
    @Test func noFileIsRefused() throws {
        let work = try Self.prepared()
        for set in [["dpo.variant=odpo"], []] {
            let result = try Self.train(work, "none", set + ["dpo.coefficients.file=[]"])
            #expect(result.status == 2 && result.error.contains("coefficients.file names no file"), "\(result.error)")
        }
    }

    /// An offset of nothing is DPO, bit for bit; one of something is not.
    @Test func noOffsetIsPlainDPO() throws {
        let work = try Self.prepared()
        let odpo = ["dpo.variant=odpo", "dpo.coefficients.disagreement=keep"]
        for (name, set) in [
            ("plain", ["dpo.coefficients.use=false"]), ("none", odpo + ["dpo.offset_scale=0"]), ("some", odpo),
        ] {
            let result = try Self.train(work, name, set)
            #expect(result.status == 0, "\(result.error)")
        }
        let file = "dpo/model/model.safetensors"
        #expect(try work.bytes("none/" + file) == work.bytes("plain/" + file))
        #expect(try work.bytes("some/" + file) != work.bytes("plain/" + file))
    }

    @Test func aSecondUseOfRIsSaid() throws {
        let work = try Self.prepared()
        let twice = try Self.train(work, "twice", ["dpo.variant=distill", "dpo.coefficients.alpha=0.5"])
        #expect(twice.status == 0 && twice.error.contains("dpo.coefficients.alpha=0 is the loss as published"))
    }

    @Test func heldOutPairsNeedTheirOwnFile() throws {
        let work = try Self.prepared()
        try FileManager.default.removeItem(atPath: work.path("run/coefficients-test.h5"))
        let result = try Self.train(work, "missing", ["dpo.variant=soft"])
        #expect(result.status == 4 && result.error.contains("coefficients-test.h5"), "\(result.error)")
    }

    /// The supervised term is in the loss and has a figure of its own; its weight changes what is learned.
    @Test func supervisedTerm() throws {
        let work = try Self.prepared()
        for (name, set) in [("without", []), ("with", ["dpo.sft_weight=0.5"])] {
            let result = try Self.train(work, name, set)
            #expect(result.status == 0, "\(result.error)")
        }
        let (without, with) = (
            try #require(try work.metrics("without/dpo/metrics.jsonl").first),
            try #require(try work.metrics("with/dpo/metrics.jsonl").first)
        )
        #expect(without["loss_supervised"] == nil)
        let (plain, whole, term) = (
            without["loss"] as? Double, with["loss"] as? Double, with["loss_supervised"] as? Double
        )
        // The first step has the start model in both.
        #expect(abs((whole ?? 0) - (plain ?? 0) - 0.5 * (term ?? .nan)) < 1e-9)
    }
}
