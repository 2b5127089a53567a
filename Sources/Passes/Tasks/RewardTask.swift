import Objectives
import Preferences
import Training
import Transformer

/// The pointwise reward model: the scalar head at the end of each response, Bradley–Terry on the pair.
struct RewardTask: TrainingTask {
    let examples: [TokenizedExample]
    let costs: CostModel

    var exampleCount: Int { examples.count }

    func dataRow(of sample: Sample) -> Int { examples[sample.row].row }

    func cost(of sample: Sample) -> Double { costs.cost(of: examples[sample.row]) }

    func denominator(of samples: [Sample]) -> Double { Double(samples.count) }

    func request(_ samples: [Sample]) -> LeafRequest { LeafRequest.rewards(of: samples.map { examples[$0.row] }) }

    func outputCount(of sample: Sample) -> Int { 2 }

    let sumNames = ["loss", "correct", "margin"]

    func loss(_ samples: [Sample], outputs: [Double], denominator: Double) -> LeafLoss {
        var gradients = [Double](repeating: 0, count: outputs.count)
        var sums = [0.0, 0, 0]
        for index in samples.indices {
            let (chosen, rejected) = (outputs[2 * index], outputs[2 * index + 1])
            let result = RewardObjective.evaluate(chosen: chosen, rejected: rejected)
            gradients[2 * index] = result.gradientChosen / denominator
            gradients[2 * index + 1] = result.gradientRejected / denominator
            sums[0] += result.loss
            sums[1] += chosen > rejected ? 1 : 0
            sums[2] += chosen - rejected
        }
        return LeafLoss(gradients: gradients, sums: sums)
    }

    func metrics(sums: [String: Double], count: Int, denominator: Double) -> [Metric] {
        [
            Metric("loss", sums["loss", default: .nan] / denominator),
            Metric("accuracy", sums["correct", default: .nan] / Double(count)),
            Metric("margin", sums["margin", default: .nan] / Double(count)),
        ]
    }

    func trace(_ samples: [Sample], outputs: [[Double]]) -> [String: Any] {
        ["rewards_chosen": outputs.map { $0[0] }, "rewards_rejected": outputs.map { $0[1] }]
    }
}

extension LeafRequest {
    /// One tree per example; the scalar head at the last token of every response.
    static func rewards(of examples: [TokenizedExample]) -> LeafRequest {
        var forest = TokenForest()
        var rows: [Int] = []
        for example in examples {
            rows += ResponseTree.append(example, to: &forest).map { forest.segments[$0].rows.upperBound - 1 }
        }
        return LeafRequest(forest: forest, outputs: .scalars(rows))
    }
}
