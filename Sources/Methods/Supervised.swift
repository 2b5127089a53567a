import Columns
import Costs
import Diagnostics
import Objectives
import Preferences
import Settings
import Training
import Transformer

/// Supervised fine-tuning, which prepares a base model: mean token cross-entropy of the responses, over the tokens of the
/// whole global batch.
package struct SupervisedMethod: PlainMethod {
    package typealias Task = SupervisedTask
    package static let name = PassName(rawValue: "sft")
    package static let head = HeadKind.languageModel
    package static let purpose = MethodPurpose.preparesModel
    private let settings: SupervisedSettings

    package init(_ settings: SupervisedSettings) { self.settings = settings }

    /// Without the responses that a label calls bad, unless all are to be learned.
    package func prepare(_ data: PassData, _ context: MethodContext) throws -> PassData {
        func reduced(_ part: DataSet) throws -> DataSet {
            let wanted = try wanted(part.examples)
            guard wanted.count < part.examples.count else { return part }
            context.log.info("sft: left out \(part.examples.count - wanted.count) responses whose label is false")
            return DataSet(examples: part.examples.selecting(wanted))
        }
        let train = try reduced(data.train)
        guard !train.examples.isEmpty else {
            throw RDOError(
                .data, "every response has the label false", remedy: "set sft.responses to all to learn them even so")
        }
        let test = try data.test.map(reduced).flatMap { $0.examples.isEmpty ? nil : $0 }
        return PassData(train: train, test: test, conventions: data.conventions)
    }

    /// Indices of the examples to learn from.
    /// - Throws: `RDOError.data` when a list does not say which of its responses is the best.
    func wanted(_ examples: Rows<TokenizedExample>) throws -> [Int] {
        if settings.responses == .all { return Array(examples.indices) }
        return try examples.indices.filter { index in
            let example = examples[index]
            try example.requireScores()
            return example.label != false
        }
    }

    package func task(_ part: DataSet, costs: CostModel, _ context: MethodContext?) -> SupervisedTask {
        let isChosen = settings.responses == .chosen
        return SupervisedTask(
            examples: isChosen ? part.examples.transformed { $0.keeping(responses: [$0.best]) } : part.examples,
            costs: costs)
    }
}

package struct SupervisedSettings: MethodSettings {
    package enum Responses: String, SettingChoice { case chosen, all }

    package var training = TrainingSettings()
    package var responses = Responses.chosen
    package var data: [String]?

    package init() {
        training.learningRate = 2e-5
        training.schedule = .cosine
    }

    package static var fields: [Field<Self>] {
        TrainingSettings.fields(in: \.training) + [
            .value(
                \.responses, "responses",
                "Learn the chosen responses (of a list the one with the highest score, none whose label is false) or all."
            ),
            .value(\.data, "data", otherData).neutral,
        ]
    }

    package var trainFiles: [String]? { data }
}

package struct SupervisedTask: ResponseTask {
    /// Examples reduced to the responses to learn.
    let examples: Rows<TokenizedExample>
    package let costs: CostModel

    package enum Figure: Int, StepFigure { case loss }

    package var exampleCount: Int { examples.count }
    package func example(of sample: Sample) -> TokenizedExample { examples[sample.row] }

    package func denominator(of samples: [Sample]) -> Double {
        Double(samples.reduce(0) { sum, sample in examples[sample.row].responses.reduce(sum) { $0 + $1.count } })
    }

    package func loss(_ samples: [Sample], outputs: [Double], denominator: Double) -> LeafLoss<Figure> {
        var sums = FigureSums<Figure>()
        for output in outputs { sums[.loss] += SupervisedObjective.loss(logProbability: output) }
        return LeafLoss(
            gradients: outputs.map { _ in SupervisedObjective.gradient(totalTokens: denominator) }, sums: sums)
    }

    package func metrics(_ sums: FigureSums<Figure>, count: Int, denominator: Double) -> StepMetrics {
        [.loss: sums[.loss] / denominator, .responseTokens: denominator]
    }

    package func trace(_ samples: [Sample], outputs: [[Double]]) -> TraceRecord {
        [.logps: outputs, .tokens: samples.map { examples[$0.row].responses.map(\.count) }]
    }
}

extension TokenizedExample {
    /// The chosen response: the first of those with the highest score where there are scores.
    fileprivate var best: Int {
        guard let scores, let highest = scores.max() else { return 0 }
        return scores.firstIndex(of: highest) ?? 0
    }
}
