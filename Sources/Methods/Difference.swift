import Columns
import Costs
import Diagnostics
import Objectives
import Preferences
import Settings
import Storage
import Tensors
import Training
import Transformer

/// The difference model (arXiv 2408.09385, section 3): a scalar head that reads a query and two responses; main,
/// duplication and reverse terms of a pair from one token tree.
package struct DifferenceMethod: PlainMethod {
    package typealias Task = DifferenceTask
    package static let name = PassName(rawValue: "difference")
    package static let head = HeadKind.scalar
    package static let purpose = MethodPurpose.trainsScorer
    package static let readsDifferences = true
    private let settings: DifferenceSettings

    package init(_ settings: DifferenceSettings) { self.settings = settings }

    package func prepare(_ data: PassData, _ context: MethodContext) throws -> PassData { try data.asPairs(context) }

    package func task(
        for part: DataSet, _ role: DataRole, of start: StartModel, _ context: MethodContext
    ) throws -> PreparedTask<DifferenceTask> {
        PreparedTask(
            task: task(part, costs: start.costs, context), inputs: [.differences: part.scorerDigest])
    }

    package func task(_ part: DataSet, costs: CostModel, _ context: MethodContext?) -> DifferenceTask {
        DifferenceTask(
            examples: part.scorerInputs.differences,
            objective: DifferenceObjective(
                lambdaDuplication: settings.lambdaDuplication, lambdaReverse: settings.lambdaReverse,
                bothOrders: settings.bothOrders),
            eosTokenID: context?.conventions.eosTokenID ?? 0, seed: context?.seed ?? 0, costs: costs)
    }
}

package struct DifferenceSettings: MethodSettings {
    package var training = TrainingSettings()
    package var headSettings = ScalarHeadSettings()
    package var lambdaDuplication = 0.5
    package var lambdaReverse = 0.5
    package var data: [String]?
    package var bothOrders = false

    package init() {}

    package static var fields: [Field<Self>] {
        TrainingSettings.fields(in: \.training) + ScalarHeadSettings.fields.map { $0.lifted(\.headSettings) } + [
            .value(\.lambdaDuplication, "lambda_duplication", .atLeast(0), "Weight of d(x, y, y)²."),
            .value(\.lambdaReverse, "lambda_reverse", .atLeast(0), "Weight of (d(x, a, b) + d(x, b, a))²."),
            .value(\.data, "data", otherData).neutral,
            .value(
                \.bothOrders, "both_orders",
                "Teach the label to both orders of a pair each time, not to one that is drawn."),
        ]
    }

    package var trainFiles: [String]? { data }
    package var scalarHead: ScalarHeadSettings? { headSettings }

    package mutating func start(from model: String) {
        headSettings.resolveStart()
        training.model = model
    }

    package func validate(_ fail: (_ what: String, _ remedy: String) -> RDOError) throws {
        try headSettings.validate(DifferenceMethod.name, training, fail)
    }
}

package struct DifferenceTask: TrainingTask {
    let examples: Rows<DifferenceExample>
    let objective: DifferenceObjective
    let eosTokenID: Int32
    let seed: UInt64
    let costs: CostModel

    package enum Figure: Int, StepFigure { case loss, main, duplication, reverse, correct, bias, difference, symmetric }

    /// What is drawn anew for each comparison and epoch: a stateless function of (seed, sample number), the same on
    /// every rank and after every resume.
    ///
    /// - Returns: whether the rejected response is Response 1; the response (0 chosen, 1 rejected) that is compared
    ///   with itself.
    func draw(_ sample: Sample) -> (isSwapped: Bool, duplicated: Int) {
        let bits = KeyedRandom(seed: seed, stream: 0xD1FF).bits(at: UInt64(sample.number))
        return (bits & 1 == 1, Int(bits >> 1 & 1))
    }

    package var exampleCount: Int { examples.count }
    package func dataRow(of sample: Sample) -> Int { examples[sample.row].row }
    package func cost(of sample: Sample) -> Double { costs.cost(of: examples[sample.row]) }
    package func outputCount(of sample: Sample) -> Int { 3 }

    package func request(_ samples: [Sample]) -> ForestRequest {
        var forest = TokenForest()
        var rows: [Int] = []
        for sample in samples {
            let drawn = draw(sample)
            let ends = DifferenceTree.append(
                examples[sample.row], swap: drawn.isSwapped, duplicated: drawn.duplicated, eos: eosTokenID, to: &forest)
            rows += [ends.main, ends.duplication, ends.reverse]
        }
        return ForestRequest(forest: forest, outputs: .scalars(rows))
    }

    package func loss(_ samples: [Sample], outputs: [Double], denominator: Double) -> LeafLoss<Figure> {
        var gradients: [Double] = []
        var sums = FigureSums<Figure>()
        for (index, sample) in samples.enumerated() {
            let (main, duplication, reverse) = (outputs[3 * index], outputs[3 * index + 1], outputs[3 * index + 2])
            let result = objective.evaluate(
                main: main, duplication: duplication, reverse: reverse, firstIsPreferred: !draw(sample).isSwapped)
            gradients += [result.gradientMain, result.gradientDuplication, result.gradientReverse].map {
                $0 / denominator
            }
            let difference = towardsChosen(main, of: sample)
            sums[.loss] += result.loss
            sums[.main] += result.lossMain
            sums[.duplication] += result.lossDuplication
            sums[.reverse] += result.lossReverse
            sums[.correct] += difference > 0 ? 1 : 0
            sums[.bias] += (main + reverse) / 2
            sums[.difference] += difference
            sums[.symmetric] += towardsChosen(main - reverse, of: sample) > 0 ? 1 : 0
        }
        return LeafLoss(gradients: gradients, sums: sums)
    }

    /// The difference in the order in which a positive one agrees with the label.
    private func towardsChosen(_ difference: Double, of sample: Sample) -> Double {
        draw(sample).isSwapped ? -difference : difference
    }

    package func metrics(_ sums: FigureSums<Figure>, count: Int, denominator: Double) -> StepMetrics {
        func mean(_ figure: Figure) -> Double { sums[figure] / denominator }
        return [
            .loss: mean(.loss), .lossMain: mean(.main), .lossDuplication: mean(.duplication),
            .lossReverse: mean(.reverse), .accuracy: mean(.correct), .difference: mean(.difference),
            .positionBias: mean(.bias), .accuracySymmetric: mean(.symmetric),
        ]
    }

    package func distributions(_ samples: [Sample], outputs: [[Double]], visits: [PairVisit]) -> [Distribution] {
        [(.differences, zip(samples, outputs).map { towardsChosen($1[0], of: $0) })]
    }

    package func trace(_ samples: [Sample], outputs: [[Double]]) -> TraceRecord {
        let drawn = samples.map(draw)
        return [
            .first: drawn.map { $0.isSwapped ? "rejected" : "chosen" },
            .duplicated: drawn.map { $0.duplicated == 0 ? "chosen" : "rejected" },
            .differenceMain: outputs.map { $0[0] }, .differenceDuplication: outputs.map { $0[1] },
            .differenceReverse: outputs.map { $0[2] },
        ]
    }
}
