import Costs
import Objectives
import Preferences
import Settings
import Training
import Transformer

/// The pointwise reward model: the scalar head at the end of each response, Bradley–Terry on the pair.
package struct RewardMethod: TrainingMethod {
    package static let name = PassName(rawValue: "reward")
    package static let head = HeadKind.scalar
    package static let purpose = MethodPurpose.trainsScorer

    package init(_ settings: RewardSettings) {}

    package func prepare(_ data: PassData, _ context: MethodContext) throws -> PassData { try data.asPairs(context) }

    package func task(
        for part: DataSet, _ role: DataRole, of start: StartModel, _ context: MethodContext
    ) throws -> PreparedTask<RewardTask> {
        PreparedTask(task: RewardTask(examples: part.examples, costs: start.costs))
    }

    package func planned(_ part: DataSet, costs: CostModel) -> any TrainingTask {
        RewardTask(examples: part.examples, costs: costs)
    }
}

package struct RewardSettings: MethodSettings {
    package var training = TrainingSettings()
    package var headSettings = ScalarHeadSettings()

    package init() {}

    package static var fields: [Field<Self>] {
        TrainingSettings.fields(in: \.training) + ScalarHeadSettings.fields.map { $0.lifted(\.headSettings) }
    }

    package var scalarHead: ScalarHeadSettings? { headSettings }
}

package struct RewardTask: TrainingTask {
    let examples: [TokenizedExample]
    private let costs: [Double]

    package enum Figure: Int, StepFigure { case loss, correct, margin }

    package struct Metrics: StepMetrics {
        package let loss: Double
        package let accuracy: Double?
        package let margin: Double?
    }

    package struct Draw: Encodable {
        let rewardsChosen: [Double]
        let rewardsRejected: [Double]
    }

    init(examples: [TokenizedExample], costs: CostModel) {
        self.examples = examples
        self.costs = examples.map { costs.cost(of: $0) }
    }

    package var exampleCount: Int { examples.count }
    package func dataRow(of sample: Sample) -> Int { examples[sample.row].row }
    package func cost(of sample: Sample) -> Double { costs[sample.row] }
    package func outputCount(of sample: Sample) -> Int { 2 }
    package func denominator(of samples: [Sample]) -> Double { Double(samples.count) }

    package func request(_ samples: [Sample]) -> ForestRequest {
        ForestRequest.rewards(of: samples.map { examples[$0.row] })
    }

    package func loss(_ samples: [Sample], outputs: [Double], denominator: Double) -> LeafLoss<Figure> {
        var gradients: [Double] = []
        var sums = FigureSums<Figure>()
        for index in samples.indices {
            let (chosen, rejected) = (outputs[2 * index], outputs[2 * index + 1])
            let result = RewardObjective.evaluate(chosen: chosen, rejected: rejected)
            gradients += [result.gradientChosen / denominator, result.gradientRejected / denominator]
            sums[.loss] += result.loss
            sums[.correct] += chosen > rejected ? 1 : 0
            sums[.margin] += chosen - rejected
        }
        return LeafLoss(gradients: gradients, sums: sums)
    }

    package func metrics(_ sums: FigureSums<Figure>, count: Int, denominator: Double) -> Metrics {
        Metrics(
            loss: sums[.loss] / denominator, accuracy: sums[.correct] / Double(count),
            margin: sums[.margin] / Double(count))
    }

    package func trace(_ samples: [Sample], outputs: [[Double]]) -> Draw {
        Draw(rewardsChosen: outputs.map { $0[0] }, rewardsRejected: outputs.map { $0[1] })
    }
}
