import Foundation
import Objectives
import TestSupport
import Testing

/// Weights of one change no bit of any objective: a weighted run takes the same path as an unweighted one.
@Suite(.serialized) struct UnitWeightTests {
    private static let section = """
        rrhf: { steps: 3, batch_size: 8, micro_batches: 4, learning_rate: 1e-3 }
        kto: { steps: 3, batch_size: 8, micro_batches: 4, learning_rate: 1e-3 }
        """

    private static let objectives: [(pass: String, set: [String])] =
        PairwiseLoss.allCases.filter { $0.reading == .nothing }.map { variant in
            let smoothing = variant.takes(.labelSmoothing) ? ["dpo.label_smoothing=0.1"] : []
            return ("dpo", ["dpo.variant=\(variant.rawValue)", "dpo.steps=3", "dpo.micro_batches=4"] + smoothing)
        } + [("rrhf", []), ("rrhf", ["rrhf.length=padded"]), ("kto", []), ("kto", ["kto.kl_scope=micro"])]

    @Test func weightsOfOneAreNoWeights() throws {
        let work = try Workspace()
        try work.writeConfiguration(Self.section)
        let rows = Workspace.rows(24, seed: 5).split(separator: "\n")
        try work.directory.write(
            rows.map { $0.dropLast() + ", \"weight\": 1}\n" }.joined(), to: "weighted.jsonl")
        let data = ["data.train=\(work.path("weighted.jsonl"))", "data.test=[]"]
        for (index, objective) in Self.objectives.enumerated() {
            let pass = objective.pass
            let set = data + objective.set + ["passes=[reference, \(pass)]"]
            let (one, plain) = ("one\(index)", "plain\(index)")
            _ = try work.succeeds(set + ["\(pass).coefficients.column=only"], output: one, ranks: 0)
            _ = try work.succeeds(set + ["\(pass).coefficients.use=false"], output: plain, ranks: 0)
            let weights = try [one, plain].map { try work.bytes("\($0)/\(pass)/model/model.safetensors") }
            #expect(weights[0] == weights[1], "\(pass) \(objective.set)")
            let losses = try [one, plain].map { name in
                try work.metrics("\(name)/\(pass)/metrics.jsonl").compactMap { $0["loss"] as? Double }
            }
            #expect(losses[0].count == 3 && losses[0] == losses[1])
        }
    }
}
