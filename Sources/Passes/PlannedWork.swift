import Configuration
import Foundation
import Objectives
import Parallel
import Planning
import Preferences
import Storage
import Training
import Transformer

/// What a training pass will compute: the trees of some of its batches, planned as the trainer plans them.
struct PlannedWork {
    let model: TransformerModel
    let exampleCount: Int
    /// Leaves of each sampled batch.
    let batches: [[OperationCounts]]

    /// At most this many batches are looked at, spread over the first epoch.
    private static let sampledBatches = 24

    /// - Parameters:
    ///   - lengths: tokens of a query and of a response, instead of data.
    ///   - session: of one rank.
    /// - Throws: what reading models and data throws.
    init(_ pass: PassName, lengths: (query: Int, response: Int)?, session: Session) throws {
        let configuration = session.configuration
        guard let settings = configuration.training(of: pass) else {
            preconditionFailure("\(pass) is not a training pass")
        }
        let head: HeadKind = [.reward, .difference].contains(pass) ? .scalar : .languageModel
        let start = session.startModel(of: pass, setting: settings.model)
        let shape = try session.plannedConfiguration(start)
        let model = TransformerModel(
            shape, head: head, adaptation: settings.lora?.adaptation,
            recomputesBlocks: configuration.parallel.recompute == .block)
        let data =
            try lengths.map { DataSet(lengths: $0, count: 4 * settings.batchSize) } ?? Self.data(pass, start, session)
        let costs = CostModel(shape, head: head)
        switch pass {
        case .difference:
            let task = DifferenceTask(
                examples: data.differenceExamples,
                objective: DifferenceObjective(lambdaDuplication: 0, lambdaReverse: 0), eosTokenID: 0, seed: 0,
                costs: costs)
            batches = Self.batches(task, settings, configuration)
        case .reward: batches = Self.batches(RewardTask(examples: data.examples, costs: costs), settings, configuration)
        default:
            // The trees of every objective on log-probabilities: a prompt and its responses.
            let isChosenAlone = pass == .sft && configuration.sft.responses == .chosen
            let examples = isChosenAlone ? data.examples.map { $0.keeping(responses: [0]) } : data.examples
            batches = Self.batches(SupervisedTask(examples: examples, costs: costs), settings, configuration)
        }
        exampleCount = data.examples.count
        self.model = model
    }

    private static func data(_ pass: PassName, _ start: String, _ session: Session) throws -> DataSet {
        let files = pass == .sft ? session.configuration.sft.data : nil
        let data = try session.dataSets(model: start, trainFiles: files)
        guard [.reward, .difference, .dpo].contains(pass) else { return data.train }
        return try data.asPairs(
            perList: session.configuration.data.pairsPerList, seed: UInt64(session.configuration.seed)
        ).train
    }

    private static func batches(
        _ task: some TrainingTask, _ settings: TrainingSettings, _ configuration: Configuration
    ) -> [[OperationCounts]] {
        let order = SampleOrder(
            count: task.exampleCount, seed: UInt64(configuration.seed), shuffle: configuration.data.shuffle)
        let inEpoch = max(1, task.exampleCount / settings.batchSize)
        let steps = Set((0..<min(sampledBatches, inEpoch)).map { $0 * inEpoch / min(sampledBatches, inEpoch) }).sorted()
        return steps.map { step in
            let samples = order.samples((step * settings.batchSize)..<((step + 1) * settings.batchSize))
            let plan = task.plan(samples, leaves: settings.microBatches, tokenLimit: settings.microBatchTokens)
            return plan.leaves.map { leaf in
                let request = task.request(leaf.map { samples[$0] })
                let rows =
                    switch request.outputs {
                    case .logProbabilities(let responses): responses.reduce(0) { $0 + $1.count }
                    case .scalars(let rows): rows.count
                    }
                return OperationCounts(request.forest, headRows: rows)
            }
        }
    }
}

extension DataSet {
    /// Pairs of equal length, for a plan without data.
    fileprivate init(lengths: (query: Int, response: Int), count: Int) {
        func ids(_ count: Int) -> [Int32] { [Int32](repeating: 0, count: count) }
        examples = (0..<count).map { row in
            TokenizedExample(
                row: row, kind: .pair, prompt: ids(lengths.query),
                responses: [ids(lengths.response), ids(lengths.response)], truncatedResponses: [false, false],
                isPromptTruncated: false, scores: nil, label: nil, promptText: "", responseTexts: ["", ""])
        }
        differenceExamples = (0..<count).map { row in
            DifferenceExample(
                row: row, query: ids(lengths.query), asFirst: [ids(lengths.response), ids(lengths.response)],
                asSecond: [ids(lengths.response), ids(lengths.response)], truncatedResponses: [false, false],
                isPromptTruncated: false)
        }
        digest = ""
    }
}

extension Session {
    /// The shape of the model at `path`, which `model.init` may be yet to write.
    fileprivate func plannedConfiguration(_ path: String) throws -> ModelConfiguration {
        guard path == baseModel, let settings = configuration.model.initial else {
            return try ModelDirectory.readConfiguration(path)
        }
        return try InitialModel(
            settings, tokenizer: configuration.model.tokenizer, seed: UInt64(configuration.seed)
        ).modelConfiguration()
    }
}
