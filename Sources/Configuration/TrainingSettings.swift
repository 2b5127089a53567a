import Objectives
import Preferences
import Transformer

/// What all training passes share; in YAML these keys stand beside the pass's own.
package struct TrainingSettings: ConfigurationSection, Sendable, Equatable {
    package var model: String?
    package var epochs = 1.0
    package var steps: Int?
    package var batchSize = 64
    package var microBatches = 8
    package var microBatchTokens: Int?
    package var learningRate = 1e-5
    package var schedule = ScheduleKind.linear
    package var warmupSteps: Int?
    package var warmupRatio = 0.1
    package var minimumLearningRateRatio = 0.0
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

    init() {}

    static var fields: [Field<Self>] {
        [
            .value(
                \.model, "model",
                "Directory to start from; by default what sft left in output when sft is among the passes, else the base."
            ),
            .value(
                \.epochs, "epochs", .aboveUpTo(0, 10000),
                "Passes over the data; the last batch runs on into the next epoch."),
            .value(\.steps, "steps", .atLeast(1), "Optimizer steps, instead of epochs."),
            .value(\.batchSize, "batch_size", .atLeast(1), "Examples per optimizer step, over all ranks."),
            .value(
                \.microBatches, "micro_batches", .atLeast(1),
                "Leaves that a batch is cut into, at least the number of ranks; results depend on it, not on the ranks."
            ),
            .value(
                \.microBatchTokens, "micro_batch_tokens", .atLeast(1),
                "Most tokens in a leaf: where a batch has more, it is cut into a multiple of micro_batches."),
            .value(\.learningRate, "learning_rate", .above(0), "Peak learning rate."),
            .value(\.schedule, "schedule", "After warm-up: constant, or linear or cosine decay."),
            .value(\.warmupSteps, "warmup_steps", .atLeast(0), "Steps of linear warm-up, instead of warmup_ratio."),
            .value(\.warmupRatio, "warmup_ratio", .within(0, 1), "Share of the steps that warm up."),
            .value(
                \.minimumLearningRateRatio, "minimum_learning_rate_ratio", .within(0, 1),
                "Where the decay ends, as a share of the peak."),
            .value(\.weightDecay, "weight_decay", .atLeast(0), "Decoupled decay, on matrices only."),
            .value(\.beta1, "beta1", .below(0, 1), "AdamW's decay of the first moment."),
            .value(\.beta2, "beta2", .below(0, 1), "AdamW's decay of the second moment."),
            .value(\.epsilon, "epsilon", .above(0), "AdamW's epsilon, outside the bias-corrected root."),
            .value(\.maxGradNorm, "max_grad_norm", .atLeast(0), "Clip the global gradient norm; 0 does not clip."),
            .value(
                \.checkpointEvery, "checkpoint_every", .atLeast(0),
                "Steps between checkpoints; 0 saves only at the end."),
            .value(\.keepCheckpoints, "keep_checkpoints", .atLeast(1), "How many of the newest checkpoints stay."),
            .value(
                \.evaluateEvery, "evaluate_every", .atLeast(0),
                "Steps between evaluations; 0 evaluates only at the end."),
            .value(\.export, "export", "Number type of the exported model."),
            .optionalSection(
                \.lora, "lora",
                "Train low-rank adapters beside a frozen model instead of all its weights (docs/lora.md)."),
        ]
    }

    /// Optimizer steps in all: `steps`, or as many batches as cover `epochs` passes over the data.
    package func totalSteps(exampleCount: Int) -> Int {
        steps ?? max(1, Int((epochs * Double(exampleCount) / Double(batchSize)).rounded(.up)))
    }

    /// The fields as part of a pass's section.
    static func fields<Pass>(in path: WritableKeyPath<Pass, TrainingSettings>) -> [Field<Pass>] {
        fields.map { $0.lifted(path) }
    }
}

/// Low-rank adapters (LoRA) instead of full training.
package struct LowRankSettings: ConfigurationSection, Sendable, Equatable {
    package var rank = 8
    package var alpha = 16.0
    package var targets = [Projection.query, .value]
    package var start: String?
    package var export = AdapterExport.merged

    init() {}

    static var fields: [Field<Self>] {
        [
            .value(\.rank, "rank", .atLeast(1), "Rank of the adapters; the section's absence means full training."),
            .value(\.alpha, "alpha", .above(0), "The adapters' term counts alpha / rank."),
            .value(\.targets, "targets", "Projections with an adapter, in every block."),
            .value(
                \.start, "start",
                "PEFT adapter directory to start from, of this rank, alpha and targets; by default adapters start at zero."
            ),
            .value(
                \.export, "export",
                "The pass leaves a model with the adapters merged into its weights and the adapter directory, or the latter alone."
            ),
        ]
    }

    package var adaptation: LowRankAdaptation { LowRankAdaptation(rank: rank, alpha: alpha, targets: targets) }
}

/// Supervised fine-tuning.
package struct SupervisedSettings: ConfigurationSection, Sendable, Equatable {
    package var training = TrainingSettings()
    package var responses = SupervisedResponses.chosen
    package var data: [String]?

    init() {
        training.learningRate = 2e-5
        training.schedule = .cosine
    }

    static var fields: [Field<Self>] {
        TrainingSettings.fields(in: \.training) + [
            .value(\.responses, "responses", "Learn the chosen responses or all."),
            .value(\.data, "data", "Other files than data.train."),
        ]
    }
}

/// The Bradley-Terry reward model.
package struct RewardSettings: ConfigurationSection, Sendable, Equatable {
    package var training = TrainingSettings()
    package var headLearningRate = 1e-4
    package var head: String?

    init() {}

    static var fields: [Field<Self>] {
        TrainingSettings.fields(in: \.training) + [
            .value(\.headLearningRate, "head_learning_rate", .above(0), "Peak learning rate of score.weight."),
            .value(
                \.head, "head", "Safetensors file with score.weight, [1, hidden]; by default it starts from the seed."),
        ]
    }
}

/// The difference model.
package struct DifferenceSettings: ConfigurationSection, Sendable, Equatable {
    package var training = TrainingSettings()
    package var headLearningRate = 1e-4
    package var head: String?
    package var lambdaDuplication = 0.5
    package var lambdaReverse = 0.5

    init() {}

    static var fields: [Field<Self>] {
        TrainingSettings.fields(in: \.training) + [
            .value(\.headLearningRate, "head_learning_rate", .above(0), "Peak learning rate of score.weight."),
            .value(
                \.head, "head", "Safetensors file with score.weight, [1, hidden]; by default it starts from the seed."),
            .value(\.lambdaDuplication, "lambda_duplication", .atLeast(0), "Weight of d(x, y, y)²."),
            .value(\.lambdaReverse, "lambda_reverse", .atLeast(0), "Weight of (d(x, a, b) + d(x, b, a))²."),
        ]
    }
}

/// Said of the same key in three sections.
private let ledgerHelp = "Note what every step does with every pair in ledger.h5 (docs/ledger.md)."

/// DPO and its pairwise relatives.
package struct PairwiseSettings: ConfigurationSection, Sendable, Equatable {
    package var training = TrainingSettings()
    package var variant = PairwiseVariant.dpo
    package var beta = 0.1
    package var labelSmoothing = 0.0
    package var simpoGamma: Double?
    package var ledger = false
    package var coefficients = CoefficientSettings()

    init() { training.learningRate = 5e-7 }

    static var fields: [Field<Self>] {
        TrainingSettings.fields(in: \.training) + [
            .value(\.variant, "variant", "The pairwise loss (docs/objectives.md)."),
            .value(\.beta, "beta", .above(0), "Strength of the pull towards the reference."),
            .value(\.labelSmoothing, "label_smoothing", .below(0, 0.5), "Assumed share of wrong labels (dpo, robust)."),
            .value(\.simpoGamma, "simpo_gamma", .atLeast(0), "SimPO's target margin; 1 by default."),
            .value(\.ledger, "ledger", ledgerHelp),
            .section(\.coefficients, "coefficients", "How reward differences weight the pairs."),
        ]
    }
}

/// RRHF, on lists of responses.
package struct ListSettings: ConfigurationSection, Sendable, Equatable {
    package var training = TrainingSettings()
    package var ranking = RankingSource.scores
    package var rankingWeight = 1.0
    package var length = LengthRule.tokens
    package var lengthExponent = 1.0
    package var ledger = false
    package var coefficients = CoefficientSettings()

    init() { training.learningRate = 2e-5 }

    static var fields: [Field<Self>] {
        TrainingSettings.fields(in: \.training) + [
            .value(
                \.ranking, "ranking",
                "What orders a list's responses: its scores, or the reward differences of the coefficient files."),
            .value(
                \.rankingWeight, "ranking_weight", .atLeast(0), "Weight of the ranking term beside the supervised one."),
            .value(
                \.length, "length",
                "What log-probabilities are divided by: the response's tokens, or the list's padded width as in the released "
                    + "code (docs/objectives.md)."),
            .value(
                \.lengthExponent, "length_exponent", .atLeast(0), "Power of that length when responses are compared."),
            .value(\.ledger, "ledger", ledgerHelp),
            .section(\.coefficients, "coefficients", "How reward differences weight the ordered pairs of a list."),
        ]
    }
}

/// KTO, on pairs or single labelled responses.
package struct UnpairedSettings: ConfigurationSection, Sendable, Equatable {
    package var training = TrainingSettings()
    package var beta = 0.1
    package var desirableWeight = 1.0
    package var undesirableWeight = 1.0
    package var klScope = BaselineScope.global
    package var klPairing = BaselinePairing.permuted
    package var ledger = false
    package var coefficients = CoefficientSettings()

    init() { training.learningRate = 5e-7 }

    static var fields: [Field<Self>] {
        TrainingSettings.fields(in: \.training) + [
            .value(\.beta, "beta", .above(0), "Strength of the pull towards the reference."),
            .value(\.desirableWeight, "desirable_weight", .atLeast(0), "Weight of desirable responses."),
            .value(\.undesirableWeight, "undesirable_weight", .atLeast(0), "Weight of undesirable responses."),
            .value(
                \.klScope, "kl_scope",
                "The baseline is a mean over the whole batch, or over each of micro_batches consecutive parts of it."),
            .value(
                \.klPairing, "kl_pairing",
                "Queries meet responses to other queries drawn from the seed, or the response of the row before (TRL's rule)."
            ),
            .value(\.ledger, "ledger", ledgerHelp),
            .section(
                \.coefficients, "coefficients", "How reward differences weight the responses: a pair's goes to both."),
        ]
    }
}
