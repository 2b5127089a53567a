import Tensors

/// What sets one architecture apart from others, as a row of `ModelFamily.all`. What a config.json says itself stands in
/// `ModelConfiguration`.
package struct ModelFamily: Sendable, Equatable {
    package enum Norms: Sendable {
        /// Norms of what attention and MLP read (pre-norm).
        case before
        /// Norms of what they add to the stream.
        case after
        /// Norms of both.
        case around
    }

    package enum QueryKeyNorm: Sendable {
        case none
        /// A norm of each head, with one weight for all.
        case heads
        /// A norm of all heads together.
        case projection
    }

    package enum Biases: Sendable {
        case none
        case queryKeyValue
        /// Biases of all attention's projections where `attention_bias` says so.
        case asConfigured
    }

    package enum Windows: Sendable, Equatable {
        case none
        /// In every block where `sliding_window` is a number.
        case all
        /// Where `layer_types` says so, else in all but every n-th block. Those blocks have their own rotary base.
        case local(every: Int)
    }

    /// `model_type` in config.json.
    package let type: String
    /// `architectures` there, with a language-model head and with a scalar one.
    package let architectures: (languageModel: String, scalar: String)
    /// What it is known by, for messages.
    package let models: String
    package var norms = Norms.before
    package var queryKeyNorm = QueryKeyNorm.none
    package var biases = Biases.none
    package var activation = GatedActivation.swiglu
    /// A norm multiplies by 1 + weight.
    package var hasCenteredNorms = false
    /// Embeddings are multiplied by √hidden.
    package var scalesEmbedding = false
    /// Keys that a file may leave out.
    var headSize: Int?
    var ropeTheta = 10_000.0
    var tiesEmbeddings = false
    /// What scores are divided by the root of, in families whose files name it; elsewhere the head size.
    var scoreDivisor: Double?
    var windows = Windows.none
    /// The default of `pad_token_id` in transformers is a token that a vocabulary need not have: say what it is.
    var statesPadding = false
    /// Every n-th block has no rotary embedding, unless the file lists them.
    var unrotatedEvery: Int?

    /// Every architecture that can be computed.
    package static let all = [llama, mistral, qwen2, qwen3, gemma3, olmo2, smolLM3]

    package static let llama = ModelFamily(
        type: "llama", architectures: ("LlamaForCausalLM", "LlamaForSequenceClassification"),
        models: "Llama 1-3, SmolLM2", biases: .asConfigured)
    package static let qwen2 = ModelFamily(
        type: "qwen2", architectures: ("Qwen2ForCausalLM", "Qwen2ForSequenceClassification"), models: "Qwen2, Qwen2.5",
        biases: .queryKeyValue)

    package static let mistral = ModelFamily(
        type: "mistral", architectures: ("MistralForCausalLM", "MistralForSequenceClassification"),
        models: "Mistral 7B", windows: .all)
    package static let qwen3 = ModelFamily(
        type: "qwen3", architectures: ("Qwen3ForCausalLM", "Qwen3ForSequenceClassification"), models: "Qwen3",
        queryKeyNorm: .heads, biases: .asConfigured, headSize: 128)
    package static let gemma3 = ModelFamily(
        type: "gemma3_text", architectures: ("Gemma3ForCausalLM", "Gemma3TextForSequenceClassification"),
        models: "Gemma 3 text", norms: .around, queryKeyNorm: .heads, biases: .asConfigured, activation: .geglu,
        hasCenteredNorms: true, scalesEmbedding: true, headSize: 256, ropeTheta: 1_000_000, tiesEmbeddings: true,
        scoreDivisor: 256, windows: .local(every: 6))
    package static let olmo2 = ModelFamily(
        type: "olmo2", architectures: ("Olmo2ForCausalLM", "Olmo2ForSequenceClassification"), models: "OLMo 2",
        norms: .after, queryKeyNorm: .projection, biases: .asConfigured)
    package static let smolLM3 = ModelFamily(
        type: "smollm3", architectures: ("SmolLM3ForCausalLM", "SmolLM3ForSequenceClassification"), models: "SmolLM3",
        biases: .asConfigured, ropeTheta: 2_000_000, tiesEmbeddings: true, statesPadding: true, unrotatedEvery: 4)

    package static func == (a: ModelFamily, b: ModelFamily) -> Bool { a.type == b.type }
}
