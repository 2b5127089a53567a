import Objectives
import Preferences

/// The model that everything starts from.
package struct ModelSettings: ConfigurationSection {
    /// `model.tokenizer` for the built-in byte tokenizer.
    package static let byteTokenizer = "bytes"

    package var path: String?
    package var initial: ModelInitSettings?
    package var tokenizer: String?

    package init() {}

    package static var fields: [Field<Self>] {
        [
            .value(\.path, "path", "Hugging Face directory of the base model. Exactly one of path and init."),
            .optionalSection(\.initial, "init", "A new model with random weights from the seed."),
            .value(
                \.tokenizer, "tokenizer",
                "Directory, tokenizer.json or tokenizer.model; by default the model's own. `bytes`, the built-in byte "
                    + "tokenizer, is for new models, and their default."),
        ]
    }
}

/// Shape of a new model.
package struct ModelInitSettings: ConfigurationSection {
    package var hiddenSize = 64
    package var intermediateSize = 176
    package var layers = 4
    package var heads = 4
    package var keyValueHeads = 4
    package var maxPositions = 1024
    package var ropeTheta = 10000.0
    package var normEpsilon = 1e-5
    package var tieEmbeddings = true
    package var initializerRange = 0.02

    package init() {}

    package static var fields: [Field<Self>] {
        [
            .value(\.hiddenSize, "hidden_size", .within(2, 65536), "Width of the residual stream."),
            .value(\.intermediateSize, "intermediate_size", .within(1, 262144), "Width of the MLP."),
            .value(\.layers, "layers", .within(1, 1024), "Blocks."),
            .value(\.heads, "heads", .within(1, 1024), "Query heads; they divide hidden_size."),
            .value(\.keyValueHeads, "key_value_heads", .within(1, 1024), "Key and value heads; they divide heads."),
            .value(\.maxPositions, "max_positions", .within(8, 1_048_576), "Longest sequence in tokens."),
            .value(\.ropeTheta, "rope_theta", .above(0), "Base of the rotary position embedding."),
            .value(\.normEpsilon, "norm_epsilon", .above(0), "Epsilon of RMSNorm."),
            .value(\.tieEmbeddings, "tie_embeddings", "Use the embedding as the output matrix."),
            .value(\.initializerRange, "initializer_range", .above(0), "Standard deviation of the initial matrices."),
        ]
    }
}

/// What is read, and how it becomes tokens.
package struct DataSettings: ConfigurationSection {
    package var train: [String] = []
    package var test: [String] = []
    package var format = DataFormat.auto
    package var columns: ColumnSettings?
    package var maxRowBytes = LineReader.defaultLimit
    package var template = TemplateName.plain
    package var turns: TurnsSettings?
    package var responseEnd: String?
    package var maxTokens = 1024
    package var maxPromptTokens: Int?
    package var overLong = OverLongPolicy.reject
    package var onError = BadRowPolicy.fail
    package var shuffle = true
    package var pairsPerList: Int?
    package var limit: Int?
    package var testLimit: Int?

    package init() {}

    package static var fields: [Field<Self>] {
        [
            .value(\.train, "train", "Preference data, JSONL, plain or .gz (docs/data.md)."),
            .value(\.test, "test", "Held-out data, for evaluation."),
            .value(\.format, "format", "Layout of the rows; auto decides by their fields."),
            .optionalSection(
                \.columns, "columns", "What the rows call a field of a format, where they have another name."),
            .value(\.maxRowBytes, "max_row_bytes", .atLeast(64), "A longer line is a bad row."),
            .value(
                \.template, "template",
                "How a prompt is rendered (docs/data.md); custom is the template in turns, auto the base model's own "
                    + "chat template where it is a known one."),
            .optionalSection(\.turns, "turns", "The template custom: what stands around each message of a chat."),
            .value(
                \.responseEnd, "response_end",
                "The token that ends a response, as the tokenizer spells it, or eos for the model's; by default what ends "
                    + "an assistant's turn in the template, where the tokenizer has it."),
            .value(
                \.maxTokens, "max_tokens", .atLeast(8), "Longest prompt + response; never above the model's own limit."),
            .value(
                \.maxPromptTokens, "max_prompt_tokens", .atLeast(2),
                "How much a prompt keeps however long the responses are; by default half of max_tokens, and a third for the "
                    + "difference model."),
            .value(
                \.overLong, "over_long", "A response that does not fit is a bad row, or is cut (and then gets no EOS)."),
            .value(\.onError, "on_error", "Stop at bad rows, or leave them out and report them."),
            .value(\.shuffle, "shuffle", "A new order every epoch, from the seed; false keeps file order."),
            .value(
                \.pairsPerList, "pairs_per_list", .atLeast(1),
                "Of a list, passes that learn from pairs take at most so many, drawn from the seed; by default all."),
            .value(\.limit, "limit", .atLeast(1), "Use only the first so many rows."),
            .value(\.testLimit, "test_limit", .atLeast(1), "Use only the first so many held-out rows."),
        ]
    }
}

/// Names of fields.
package struct ColumnSettings: ConfigurationSection {
    package var prompt: String?
    package var chosen: String?
    package var rejected: String?
    package var responses: String?
    package var scores: String?
    package var completion: String?
    package var label: String?
    package var system: String?
    package var weight: String?
    package var margin: String?

    package init() {}

    package static var fields: [Field<Self>] {
        [
            .value(\.prompt, "prompt", "The query."), .value(\.chosen, "chosen", "The better response."),
            .value(\.rejected, "rejected", "The other one."),
            .value(\.responses, "responses", "The responses of a list."),
            .value(\.scores, "scores", "Their scores."), .value(\.completion, "completion", "A single response."),
            .value(\.label, "label", "Whether that is desirable."), .value(\.system, "system", "The system message."),
            .value(\.weight, "weight", "The row's own weight."),
            .value(\.margin, "margin", "How much better the chosen response is."),
        ]
    }

    fileprivate var names: [String: String] {
        let all = [
            "prompt": prompt, "chosen": chosen, "rejected": rejected, "responses": responses, "scores": scores,
            "completion": completion, "label": label, "system": system, "weight": weight, "margin": margin,
        ]
        return all.compactMapValues { $0 }
    }
}

extension DataSettings {
    /// How rows are read.
    package var rowRules: RowRules { RowRules(format, columns: columns?.names ?? [:], maxBytes: maxRowBytes) }
}

/// How the ranks share the work.
package struct ParallelSettings: ConfigurationSection {
    package var shards: Int?
    package var gather = GatherMode.step
    package var recompute = Recomputation.none
    package var sharedMemory = true
    package var frozenWeights = FrozenWeights.f32
    package var timeout = 1800.0
    package var blasThreads = 1

    package init() {}

    package static var fields: [Field<Self>] {
        [
            .value(
                \.shards, "shards", .atLeast(1),
                "Ranks that share one copy of parameters and optimizer; by default a node's, more where that does not fit. "
                    + "Must divide the ranks."),
            .value(
                \.gather, "gather",
                "Keep gathered parameters for the whole step (fewer messages) or only while a block needs them (less memory)."
            ),
            .value(
                \.recompute, "recompute",
                "With block the backward pass computes each block's activations again: a third more arithmetic in blocks, a "
                    + "tenth of the memory for activations."),
            .value(\.sharedMemory, "shared_memory", "The ranks of a node keep gathered parameters once."),
            .value(
                \.frozenWeights, "frozen_weights",
                "How the scoring and reference passes keep the model's blocks: bf16 takes half the memory, for models whose weights are bf16."
            ),
            .value(\.timeout, "timeout", .above(0), "Seconds without an answer after which other ranks count as lost."),
            .value(\.blasThreads, "blas_threads", .within(1, 1024), "Threads of each rank's matrix products."),
        ]
    }
}

/// How stored reward differences become weights (docs/objectives.md).
package struct CoefficientSettings: ConfigurationSection {
    package var use = true
    package var file: [String]?
    package var combine = Combination.mean
    package var column = WeightColumn.ignore
    package var alpha = 0.5
    package var symmetric = true
    package var calibrated = false
    package var lengthDebiased = false
    package var disagreement = Disagreement.zero
    package var denominator = Denominator.pairs

    /// Whether R comes from coefficient files.
    package var readsFiles: Bool { column != .only && column != .margin }

    package init() {}

    package static let shortForm: String? = "file"

    package static var fields: [Field<Self>] {
        [
            .value(\.use, "use", "Weight each pair's loss; false trains the unweighted method.").neutral,
            .value(
                \.file, "file",
                "The coefficient file, or several; score.file by default. `coefficients: [a.h5, b.h5]` is short for it."
            ).neutral,
            .value(
                \.combine, "combine",
                "Of several files: the weight of their mean R, or the product of their weights."
            ).neutral,
            .value(
                \.column, "column",
                "The rows' own `weight`: not used, multiplied onto the files' weight, or the weight itself without any file. "
                    + "With margin R is the rows' own, without any file (docs/data.md)."
            ).neutral,
            .value(
                \.alpha, "alpha", .atLeast(0), "Exponent: the weight is R^alpha; 0 reproduces the unweighted method."
            ).neutral,
            .value(\.symmetric, "symmetric", "R is half the difference of both orders, not of one alone.").neutral,
            .value(
                \.calibrated, "calibrated",
                "Divide R by the temperature that the file states: σ(R) is then the probability of a label."
            ).neutral,
            .value(
                \.lengthDebiased, "length_debiased",
                "Take from R what the file states that the responses' difference in length adds to it."
            ).neutral,
            .value(\.disagreement, "disagreement", "What to do where the scorer contradicts the label (R < 0).")
                .neutral,
            .value(
                \.denominator, "denominator", "Divide the summed loss by the number of pairs or by the sum of weights."),
        ]
    }
}
