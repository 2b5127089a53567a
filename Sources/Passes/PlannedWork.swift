import Costs
import Methods
import Preferences
import Settings
import Training
import Transformer

/// What a training pass will compute: the trees of some of its batches, planned as the trainer plans them.
package struct PlannedWork {
    package let model: TransformerModel
    package let exampleCount: Int
    /// Leaves of each sampled batch.
    package let batches: [[OperationCounts]]

    /// At most this many batches are looked at, spread over the first epoch.
    private static let sampledBatches = 24

    /// - Parameter part: the training data, as the method reads them.
    package init(
        _ model: TransformerModel, _ stage: some TrainingStage, on part: DataSet, _ configuration: Configuration
    ) {
        self.model = model
        exampleCount = part.examples.count
        let method = stage.anyMethod(in: configuration)
        let task = method.planned(part, costs: CostModel(model.configuration, head: model.head))
        batches = Self.batches(task, stage.settings(in: configuration).training, configuration)
    }

    /// What the pass asks of the memory of its ranks.
    ///
    /// - Parameter base: bytes of a process without the model, where they are not in use already.
    package func memory(gathersBlocks: Bool, base: Double = 0) -> MemoryDemand {
        MemoryDemand(
            model, .training(leaves: batches.map(\.count).max() ?? 1),
            leafTokens: batches.joined().map(\.tokens).max() ?? 0, gathersBlocks: gathersBlocks, base: base)
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
                task.request(leaf.map { samples[$0] }).counts
            }
        }
    }
}
