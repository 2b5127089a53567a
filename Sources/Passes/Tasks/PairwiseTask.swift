import Diagnostics
import Objectives
import Preferences
import Storage
import Training
import Transformer

/// DPO and its pairwise relatives on pairs, each pair's loss weighted by its coefficient.
struct PairwiseTask: TrainingTask {
    /// What is known of a pair before training.
    struct Pair {
        let example: TokenizedExample
        /// Reference log-probability sums.
        let referenceChosen: Double
        let referenceRejected: Double
        /// `f(R)^α`; 1 without coefficients.
        let weight: Double
        /// The scorer turned the label round (`disagreement: flip`).
        let isFlipped: Bool

        /// Response indices of the better and the worse response, as the loss sees them.
        var order: (better: Int, worse: Int) { isFlipped ? (1, 0) : (0, 1) }
    }

    let pairs: [Pair]
    let objective: PairwiseObjective
    let denominatorRule: Denominator
    let costs: CostModel
    /// Policy and reference start as the same model: every margin of the first step must be 0.
    let startsAtReference: Bool

    var exampleCount: Int { pairs.count }

    func dataRow(of sample: Sample) -> Int { pairs[sample.row].example.row }

    func cost(of sample: Sample) -> Double { costs.cost(of: pairs[sample.row].example) }

    func denominator(of samples: [Sample]) -> Double {
        switch denominatorRule {
        case .pairs: Double(samples.count)
        // A batch of zero weights has a loss of zero, not 0/0.
        case .weights: max(samples.reduce(0) { $0 + pairs[$1.row].weight }, .leastNormalMagnitude)
        }
    }

    func request(_ samples: [Sample]) -> LeafRequest {
        LeafRequest.responses(of: samples.map { pairs[$0.row].example })
    }

    func outputCount(of sample: Sample) -> Int { 2 }

    let sumNames = [
        "loss", "correct", "margin", "rewards_chosen", "rewards_rejected", "logps_chosen", "logps_rejected", "weight",
        "zero_weights", "margins_off_zero",
    ]

    func loss(_ samples: [Sample], outputs: [Double], denominator: Double) -> LeafLoss {
        var gradients = [Double](repeating: 0, count: outputs.count)
        var sums = [Double](repeating: 0, count: sumNames.count)
        for (index, sample) in samples.enumerated() {
            let pair = pairs[sample.row]
            let (better, worse) = pair.order
            let result = evaluate(pair, outputs: outputs[(2 * index)..<(2 * index + 2)])
            gradients[2 * index + better] = result.gradientChosen * pair.weight / denominator
            gradients[2 * index + worse] = result.gradientRejected * pair.weight / denominator
            let figures = [
                pair.weight * result.loss, result.rewardChosen > result.rewardRejected ? 1 : 0,
                result.rewardChosen - result.rewardRejected, result.rewardChosen, result.rewardRejected,
                outputs[2 * index + better], outputs[2 * index + worse], pair.weight, pair.weight == 0 ? 1 : 0,
                abs(result.margin) > 1e-3 ? 1 : 0,
            ]
            for (position, figure) in figures.enumerated() { sums[position] += figure }
        }
        return LeafLoss(gradients: gradients, sums: sums)
    }

    /// - Parameter outputs: log-probability sums of the two responses.
    private func evaluate(_ pair: Pair, outputs: some Collection<Double>) -> PairwiseResult {
        let (policy, references) = (Array(outputs), [pair.referenceChosen, pair.referenceRejected])
        let (better, worse) = pair.order
        return objective.evaluate(
            PairLogProbabilities(
                policyChosen: policy[better], policyRejected: policy[worse], referenceChosen: references[better],
                referenceRejected: references[worse], chosenTokens: pair.example.responses[better].count,
                rejectedTokens: pair.example.responses[worse].count))
    }

    func visits(_ samples: [Sample], outputs: [[Double]], denominator: Double) -> [PairVisit] {
        zip(samples, outputs).map { sample, outputs in
            let pair = pairs[sample.row]
            let (better, worse) = pair.order
            let result = evaluate(pair, outputs: outputs)
            return PairVisit(
                row: pair.example.row, key: pair.example.ledgerKey(0, 1), better: pair.example.place(of: better),
                worse: pair.example.place(of: worse), coefficient: pair.weight,
                margin: result.rewardChosen - result.rewardRejected, loss: pair.weight * result.loss,
                gradientScale: pair.weight * (abs(result.gradientChosen) + abs(result.gradientRejected)) / 2
                    / denominator)
        }
    }

    func metrics(sums: [String: Double], count: Int, denominator: Double) -> [Metric] {
        func mean(_ name: String) -> Double { sums[name, default: .nan] / Double(count) }
        return [
            Metric("loss", sums["loss", default: .nan] / denominator), Metric("accuracy", mean("correct")),
            Metric("margin", mean("margin")), Metric("rewards_chosen", mean("rewards_chosen")),
            Metric("rewards_rejected", mean("rewards_rejected")), Metric("logps_chosen", mean("logps_chosen")),
            Metric("logps_rejected", mean("logps_rejected")), Metric("coefficient_mean", mean("weight")),
            Metric("coefficient_zero_share", mean("zero_weights")),
        ]
    }

    func trace(_ samples: [Sample], outputs: [[Double]]) -> [String: Any] {
        let drawn = samples.map { pairs[$0.row] }
        return [
            "coefficients": drawn.map(\.weight), "flipped": drawn.map(\.isFlipped),
            "logps_chosen": outputs.map { $0[0] }, "logps_rejected": outputs.map { $0[1] },
            "reference_chosen": drawn.map(\.referenceChosen), "reference_rejected": drawn.map(\.referenceRejected),
            "tokens_chosen": drawn.map { $0.example.responses[0].count },
            "tokens_rejected": drawn.map { $0.example.responses[1].count },
        ]
    }

    func checkFirstStep(sums: [String: Double], count: Int) throws {
        guard startsAtReference, let off = sums["margins_off_zero"], off > 0 else { return }
        throw RDOError(
            .numerical,
            "policy and reference are the same model, yet \(Int(off)) of \(count) margins at step 0 are not 0",
            remedy: "the reference log-probabilities are not this model's; delete the reference file and run again")
    }
}

extension LeafRequest {
    /// One tree per example: the prompt with its responses as branches.
    static func responses(of examples: [TokenizedExample]) -> LeafRequest {
        var forest = TokenForest()
        var responses: [[Prediction]] = []
        for example in examples {
            let segments = ResponseTree.append(example, to: &forest)
            responses += segments.map { forest.predictions(of: $0) }
        }
        return LeafRequest(forest: forest, outputs: .logProbabilities(responses))
    }
}
