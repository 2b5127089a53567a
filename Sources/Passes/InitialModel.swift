import Coding
import Diagnostics
import Foundation
import Preferences
import Settings
import Storage
import Transformer

/// A new model from `model.init`: random weights from the seed, written once as a Hugging Face directory, so that every
/// pass starts from a directory.
package struct InitialModel {
    private let settings: ModelInitSettings
    /// Directory or file; nil means the built-in byte tokenizer.
    private let tokenizer: String?
    private let seed: UInt64

    package init(_ settings: ModelInitSettings, tokenizer: String?, seed: UInt64) {
        self.settings = settings
        self.tokenizer = tokenizer == ModelSettings.byteTokenizer ? nil : tokenizer
        self.seed = seed
    }

    /// Writes the directory unless one of the same shape and seed stands there.
    func write(to path: String) throws {
        let configuration = try modelConfiguration()
        let stamp = path + "/rdo-init.json"
        let identity = "{\"seed\": \(seed), \"tokenizer\": \"\(tokenizer ?? ModelSettings.byteTokenizer)\"}\n"
        if let found = try InputFile.contents(of: stamp), found == Array(identity.utf8),
            try ModelDirectory.readConfiguration(path) == configuration
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
                ]), initialIdentity: identity)
        for spec in layout.specs {
            let values = spec.gatheredMatrix
            initialValues(
                for: spec, rows: 0..<spec.rows, seed: seed, range: configuration.initializerRange, into: values.pointer)
            try writer.write(spec.name, values)
        }
        try writer.finish()
    }

    package func modelConfiguration() throws -> ModelConfiguration {
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
        return ModelConfiguration(
            hiddenSize: settings.hiddenSize, intermediateSize: settings.intermediateSize, layerCount: settings.layers,
            headCount: settings.heads, keyValueHeadCount: settings.keyValueHeads,
            headSize: settings.hiddenSize / settings.heads, vocabularySize: vocabulary,
            maxPositions: settings.maxPositions, normEpsilon: Float(settings.normEpsilon),
            ropeTheta: settings.ropeTheta, tiesEmbeddings: settings.tieEmbeddings, bosTokenID: bos, eosTokenIDs: [eos],
            initializerRange: settings.initializerRange)
    }
}
