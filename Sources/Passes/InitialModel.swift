import Configuration
import Diagnostics
import Foundation
import Preferences
import Storage
import Transformer

/// A new model from `model.init`: random weights from the seed, written once as a Hugging Face directory, so that every
/// pass starts from a directory.
struct InitialModel {
    private let settings: ModelInitSettings
    /// Directory or file; nil means the built-in byte tokenizer.
    private let tokenizer: String?
    private let seed: UInt64

    init(_ settings: ModelInitSettings, tokenizer: String?, seed: UInt64) {
        self.settings = settings
        self.tokenizer = tokenizer == ModelSettings.byteTokenizer ? nil : tokenizer
        self.seed = seed
    }

    /// Writes the directory unless one of the same shape and seed stands there.
    func write(to path: String) throws {
        let configuration = try modelConfiguration()
        let stamp = path + "/rdo-init.json"
        let identity = "{\"seed\": \(seed), \"tokenizer\": \"\(tokenizer ?? ModelSettings.byteTokenizer)\"}\n"
        if let known = try? ModelDirectory.readConfiguration(path), known == configuration,
            (try? String(contentsOfFile: stamp, encoding: .utf8)) == identity
        {
            return
        }
        let layout = ParameterLayout(configuration, head: .languageModel)
        let writer = try ModelDirectoryWriter(
            path: path, configuration: configuration, head: .languageModel, dtype: .f32,
            tokenizer: tokenizer.map { .copied(from: $0) }
                ?? .files([
                    ("tokenizer.json", ByteTokenizer.tokenizerJSON()),
                    ("tokenizer_config.json", ByteTokenizer.tokenizerConfigJSON()),
                ]))
        for spec in layout.specs {
            let values = spec.gatheredMatrix
            initialValues(
                for: spec, rows: 0..<spec.rows, seed: seed, range: configuration.initializerRange, into: values.pointer)
            try writer.write(spec.name, values)
        }
        try writer.finish()
        try Data(identity.utf8).write(to: URL(fileURLWithPath: stamp))
    }

    func modelConfiguration() throws -> ModelConfiguration {
        var vocabulary = ByteTokenizer.vocabularySize
        var (bos, eos) = (ByteTokenizer.bosTokenID, ByteTokenizer.eosTokenID)
        if let tokenizer {
            let loaded = try TokenizerLoader.load(tokenizer)
            vocabulary = loaded.vocabularySize
            guard let end = loaded.id(of: "</s>") ?? loaded.id(of: "<|im_end|>") ?? loaded.id(of: "<|endoftext|>")
            else {
                throw RDOError(
                    .artefact, "the tokenizer has none of </s>, <|im_end|> and <|endoftext|> to end a response",
                    at: tokenizer, remedy: "use a tokenizer with one of them")
            }
            (bos, eos) = (loaded.bosTokenID ?? end, end)
        }
        let object: [String: Any] = [
            "model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_act": "silu",
            "hidden_size": settings.hiddenSize, "intermediate_size": settings.intermediateSize,
            "num_hidden_layers": settings.layers, "num_attention_heads": settings.heads,
            "num_key_value_heads": settings.keyValueHeads, "vocab_size": vocabulary,
            "max_position_embeddings": settings.maxPositions, "rope_theta": settings.ropeTheta,
            "rms_norm_eps": settings.normEpsilon, "tie_word_embeddings": settings.tieEmbeddings,
            "initializer_range": settings.initializerRange, "bos_token_id": Int(bos), "eos_token_id": Int(eos),
        ]
        return try ModelConfiguration(json: JSONSerialization.data(withJSONObject: object), file: "model.init")
    }
}
