import Objectives
import Preferences
import Storage
import Training
import Transformer

/// RRHF on lists of responses, each ordered pair of a list weighted by its coefficient.
struct RRHFTask: TrainingTask {
    /// What is known of a list before training.
    struct RankedList {
        let example: TokenizedExample
        /// None when all responses are equally good: then the supervised term is alone.
        let pairs: [RankedPair]
        /// The response that the supervised term learns.
        let best: Int

        /// - Parameter policy: log-probability sums of the responses.
        func logProbabilities(_ policy: [Double]) -> ListLogProbabilities {
            ListLogProbabilities(
                policy: policy, tokens: example.responses.map(\.count), queryTokens: example.prompt.count)
        }
    }

    let lists: [RankedList]
    let objective: RRHFObjective
    let costs: CostModel

    var exampleCount: Int { lists.count }

    func dataRow(of sample: Sample) -> Int { lists[sample.row].example.row }

    func cost(of sample: Sample) -> Double { costs.cost(of: lists[sample.row].example) }

    func denominator(of samples: [Sample]) -> Double { Double(samples.count) }

    func request(_ samples: [Sample]) -> LeafRequest {
        LeafRequest.responses(of: samples.map { lists[$0.row].example })
    }

    func outputCount(of sample: Sample) -> Int { lists[sample.row].example.responses.count }

    let sumNames = [
        "loss", "loss_ranking", "loss_supervised", "pairs", "correct", "weight", "zero_weights", "unranked",
        "logps_best",
    ]

    func loss(_ samples: [Sample], outputs: [Double], denominator: Double) -> LeafLoss {
        var gradients: [Double] = []
        var sums = [Double](repeating: 0, count: sumNames.count)
        for sample in samples {
            let list = lists[sample.row]
            let own = Array(outputs[gradients.count..<(gradients.count + list.example.responses.count)])
            let result = objective.evaluate(list.logProbabilities(own), pairs: list.pairs, best: list.best)
            gradients += result.gradients.map { $0 / denominator }
            let figures = [
                result.loss, result.lossRanking, result.lossSupervised, Double(list.pairs.count),
                Double(result.correctPairs), list.pairs.reduce(0) { $0 + $1.weight },
                Double(list.pairs.count { $0.weight == 0 }), list.pairs.isEmpty ? 1 : 0, own[list.best],
            ]
            for (position, figure) in figures.enumerated() { sums[position] += figure }
        }
        return LeafLoss(gradients: gradients, sums: sums)
    }

    func visits(_ samples: [Sample], outputs: [[Double]], denominator: Double) -> [PairVisit] {
        zip(samples, outputs).flatMap { sample, outputs in
            let list = lists[sample.row]
            let terms = objective.terms(list.logProbabilities(outputs), pairs: list.pairs)
            return zip(list.pairs, terms).map { pair, term in
                PairVisit(
                    row: list.example.row, key: list.example.ledgerKey(pair.better, pair.worse), better: pair.better,
                    worse: pair.worse, coefficient: pair.weight, margin: term.margin, loss: term.loss,
                    gradientScale: (abs(term.gradientBetter) + abs(term.gradientWorse)) / 2 / denominator)
            }
        }
    }

    func metrics(sums: [String: Double], count: Int, denominator: Double) -> [Metric] {
        func sum(_ name: String) -> Double { sums[name, default: .nan] }
        let lists = [
            Metric("loss", sum("loss") / denominator), Metric("loss_ranking", sum("loss_ranking") / denominator),
            Metric("loss_supervised", sum("loss_supervised") / denominator),
            Metric("logps_best", sum("logps_best") / Double(count)),
            Metric("unranked_share", sum("unranked") / Double(count)),
        ]
        // A batch whose lists are all of equally good responses has no pair to average over.
        guard sum("pairs") > 0 else { return lists }
        return lists + [
            Metric("accuracy", sum("correct") / sum("pairs")), Metric("coefficient_mean", sum("weight") / sum("pairs")),
            Metric("coefficient_zero_share", sum("zero_weights") / sum("pairs")),
        ]
    }

    func trace(_ samples: [Sample], outputs: [[Double]]) -> [String: Any] {
        let drawn = samples.map { lists[$0.row] }
        return [
            "pairs": drawn.map { $0.pairs.map { [$0.better, $0.worse] } },
            "coefficients": drawn.map { $0.pairs.map(\.weight) }, "best": drawn.map(\.best), "logps": outputs,
            "tokens": drawn.map { $0.example.responses.map(\.count) },
            "query_tokens": drawn.map(\.example.prompt.count),
        ]
    }
}
