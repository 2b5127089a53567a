import Objectives
import Preferences
import Training
import Transformer

/// Supervised fine-tuning: mean token cross-entropy of the responses, over the tokens of the whole global batch.
struct SupervisedTask: TrainingTask {
    /// Examples reduced to the responses to learn.
    let examples: [TokenizedExample]
    let costs: CostModel

    var exampleCount: Int { examples.count }

    func dataRow(of sample: Sample) -> Int { examples[sample.row].row }

    func cost(of sample: Sample) -> Double { costs.cost(of: examples[sample.row]) }

    func denominator(of samples: [Sample]) -> Double {
        Double(samples.reduce(0) { $0 + Self.tokenCount(examples[$1.row]) })
    }

    func request(_ samples: [Sample]) -> LeafRequest { LeafRequest.responses(of: samples.map { examples[$0.row] }) }

    func outputCount(of sample: Sample) -> Int { examples[sample.row].responses.count }

    let sumNames = ["loss"]

    func loss(_ samples: [Sample], outputs: [Double], denominator: Double) -> LeafLoss {
        LeafLoss(
            gradients: outputs.map { _ in SupervisedObjective.gradient(totalTokens: denominator) },
            sums: [outputs.reduce(0) { $0 + SupervisedObjective.loss(logProbability: $1) }])
    }

    func metrics(sums: [String: Double], count: Int, denominator: Double) -> [Metric] {
        [Metric("loss", sums["loss", default: .nan] / denominator), Metric("response_tokens", denominator)]
    }

    func trace(_ samples: [Sample], outputs: [[Double]]) -> [String: Any] {
        [
            "logps": outputs,
            "tokens": samples.map { examples[$0.row].responses.map(\.count) },
        ]
    }

    private static func tokenCount(_ example: TokenizedExample) -> Int {
        example.responses.reduce(0) { $0 + $1.count }
    }
}
