import Objectives
import Preferences
import Transformer

/// What all training passes share; in YAML these keys stand beside the pass's own.
package struct TrainingSettings: ConfigurationSection {
    package var model: String?
    package var epochs = 1.0
    package var steps: Int?
    package var batchSize = 64
    package var microBatches = 8
    package var microBatchTokens: Int?
    package var learningRate = 1e-5
    package var schedule = ScheduleKind.linear
    package var scheduleSteps: Int?
    package var warmupSteps: Int?
    package var warmupRatio = 0.1
    package var minimumLearningRateRatio = 0.0
    package var mayChangeLearningRate = false
    package var weightDecay = 0.0
    package var beta1 = 0.9
    package var beta2 = 0.999
    package var epsilon = 1e-8
    package var maxGradNorm = 1.0
    package var checkpointEvery = 100
    package var keepCheckpoints = 2
    package var evaluateEvery = 0
    package var export = ExportType.f32
    package var lora: LowRankSettings?

    package init() {}

    package static var fields: [Field<Self>] {
        [
            .value(
                \.model, "model",
                "Directory to start from; by default what sft left in output when sft is among the passes, else the base."
            ).neutral,
            .value(
                \.epochs, "epochs", .aboveUpTo(0, 10000),
                "Passes over the data; the last batch runs on into the next epoch."
            ).neutral,
            .value(\.steps, "steps", .atLeast(1), "Optimizer steps, instead of epochs.").neutral,
            .value(\.batchSize, "batch_size", .within(1, 1_048_576), "Examples per optimizer step, over all ranks."),
            .value(
                \.microBatches, "micro_batches", .within(1, 1_048_576),
                "Leaves that a batch is cut into, at least the number of ranks; results depend on it, not on the ranks."
            ),
            .value(
                \.microBatchTokens, "micro_batch_tokens", .atLeast(1),
                "Most tokens in a leaf: where a batch has more, it is cut into a multiple of micro_batches."),
            .value(\.learningRate, "learning_rate", .above(0), "Peak learning rate."),
            .value(\.schedule, "schedule", "After warm-up: constant, or linear or cosine decay."),
            .value(
                \.scheduleSteps, "schedule_steps", .atLeast(1),
                "Steps that the schedule is made for, where that is not all of them: a run that may be made longer keeps its rates."
            ),
            .value(\.warmupSteps, "warmup_steps", .atLeast(0), "Steps of linear warm-up, instead of warmup_ratio."),
            .value(\.warmupRatio, "warmup_ratio", .within(0, 1), "Share of the steps that warm up."),
            .value(
                \.minimumLearningRateRatio, "minimum_learning_rate_ratio", .within(0, 1),
                "Where the decay ends, as a share of the peak."),
            .value(
                \.mayChangeLearningRate, "may_change_learning_rate",
                "Go on from checkpoints of another learning rate or schedule, instead of training anew."
            ).cosmetic,
            .value(\.weightDecay, "weight_decay", .atLeast(0), "Decoupled decay, on matrices only."),
            .value(\.beta1, "beta1", .below(0, 1), "AdamW's decay of the first moment."),
            .value(\.beta2, "beta2", .below(0, 1), "AdamW's decay of the second moment."),
            .value(\.epsilon, "epsilon", .above(0), "AdamW's epsilon, outside the bias-corrected root."),
            .value(\.maxGradNorm, "max_grad_norm", .atLeast(0), "Clip the global gradient norm; 0 does not clip."),
            .value(
                \.checkpointEvery, "checkpoint_every", .atLeast(0),
                "Steps between checkpoints; 0 saves only at the end."
            ).cosmetic,
            .value(\.keepCheckpoints, "keep_checkpoints", .atLeast(1), "How many of the newest checkpoints stay.")
                .cosmetic,
            .value(
                \.evaluateEvery, "evaluate_every", .atLeast(0),
                "Steps between evaluations; 0 evaluates only at the end."
            ).cosmetic,
            .value(\.export, "export", "Number type of the exported model.").neutral,
            .optionalSection(
                \.lora, "lora",
                "Train low-rank adapters beside a frozen model instead of all its weights (docs/lora.md)."),
        ]
    }

    /// Optimizer steps in all: `steps`, or as many batches as cover `epochs` passes over the data.
    package func totalSteps(exampleCount: Int) -> Int {
        steps ?? max(1, Int((epochs * Double(exampleCount) / Double(batchSize)).rounded(.up)))
    }

    /// The keys that `may_change_learning_rate` lets differ from a checkpoint's.
    package static let learningRateKeys = [
        "learning_rate", "head_learning_rate", "schedule", "schedule_steps", "warmup_steps", "warmup_ratio",
        "minimum_learning_rate_ratio",
    ]

    /// The fields as part of a pass's section.
    package static func fields<Pass>(in path: WritableKeyPath<Pass, TrainingSettings>) -> [Field<Pass>] {
        fields.map { $0.lifted(path) }
    }
}

/// Low-rank adapters (LoRA) instead of full training.
package struct LowRankSettings: ConfigurationSection {
    package var rank = 8
    package var alpha = 16.0
    package var targets = [Projection.query, .value]
    package var start: String?
    package var export = AdapterExport.merged

    package init() {}

    package static var fields: [Field<Self>] {
        [
            .value(\.rank, "rank", .atLeast(1), "Rank of the adapters; the section's absence means full training."),
            .value(\.alpha, "alpha", .above(0), "The adapters' term counts alpha / rank."),
            .value(\.targets, "targets", "Projections with an adapter, in every block."),
            .value(
                \.start, "start",
                "PEFT adapter directory to start from, of this rank, alpha and targets; by default adapters start at zero."
            ).neutral,
            .value(
                \.export, "export",
                "The pass leaves a model with the adapters merged into its weights and the adapter directory, or the latter alone."
            ).neutral,
        ]
    }

    package var adaptation: LowRankAdaptation { LowRankAdaptation(rank: rank, alpha: alpha, targets: targets) }
}
