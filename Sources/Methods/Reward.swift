import Columns
import Costs
import Diagnostics
import Objectives
import Preferences
import Settings
import Storage
import Training
import Transformer

/// The pointwise reward model: the scalar head at the end of each response, Bradley–Terry on the pair.
package struct RewardMethod: PlainMethod {
    package typealias Task = RewardTask
    package static let name = PassName(rawValue: "reward")
    package static let head = HeadKind.scalar
    package static let purpose = MethodPurpose.trainsScorer

    package init(_ settings: RewardSettings) {}

    package func prepare(_ data: PassData, _ context: MethodContext) throws -> PassData { try data.asPairs(context) }

    package func task(_ part: DataSet, costs: CostModel, _ context: MethodContext?) -> RewardTask {
        RewardTask(examples: part.examples, costs: costs)
    }
}

package struct RewardSettings: MethodSettings {
    package var training = TrainingSettings()
    package var headSettings = ScalarHeadSettings()
    package var data: [String]?

    package init() {}

    package static var fields: [Field<Self>] {
        TrainingSettings.fields(in: \.training) + ScalarHeadSettings.fields.map { $0.lifted(\.headSettings) } + [
            .value(\.data, "data", otherData).neutral
        ]
    }

    package var trainFiles: [String]? { data }
    package var scalarHead: ScalarHeadSettings? { headSettings }

    package mutating func start(from model: String) {
        headSettings.resolveStart()
        training.model = model
    }

    package func validate(_ fail: (_ what: String, _ remedy: String) -> RDOError) throws {
        try headSettings.validate(RewardMethod.name, training, fail)
    }
}

package struct RewardTask: ResponseTask {
    let examples: Rows<TokenizedExample>
    package let costs: CostModel

    package enum Figure: Int, StepFigure { case loss, correct, margin }

    package var exampleCount: Int { examples.count }
    package func example(of sample: Sample) -> TokenizedExample { examples[sample.row] }
    package func request(_ samples: [Sample]) -> ForestRequest { .rewards(of: samples.map(example)) }

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

    package func metrics(_ sums: FigureSums<Figure>, count: Int, denominator: Double) -> StepMetrics {
        [
            .loss: sums[.loss] / denominator, .accuracy: sums[.correct] / Double(count),
            .margin: sums[.margin] / Double(count),
        ]
    }

    package func distributions(_ samples: [Sample], outputs: [[Double]], visits: [PairVisit]) -> [Distribution] {
        [(.margins, outputs.map { $0[0] - $0[1] })]
    }

    package func trace(_ samples: [Sample], outputs: [[Double]]) -> TraceRecord {
        [.rewardsChosen: outputs.map { $0[0] }, .rewardsRejected: outputs.map { $0[1] }]
    }
}
