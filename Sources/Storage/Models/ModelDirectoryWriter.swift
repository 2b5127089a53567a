import Diagnostics
import Foundation
import Transformer

/// Writes a Hugging Face directory that appears under its name only when it is complete.
public final class ModelDirectoryWriter {
    /// Where the tokenizer of a written model comes from.
    public enum TokenizerFiles {
        /// A model directory, or one tokenizer file.
        case copied(from: String)
        /// File name and content.
        case files([(name: String, content: Data)])
    }

    private static let tokenizerNames = [
        "tokenizer.json", "tokenizer.model", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
        "vocab.json", "merges.txt", "chat_template.jinja",
    ]

    private let path: String
    private let partial: String
    private let weights: SafetensorsWriter

    /// - Throws: `RDOError.usage` when the directory cannot be written, `.artefact` when the tokenizer's files are missing.
    public init(
        path: String, configuration: ModelConfiguration, head: HeadKind, dtype: SafetensorsType,
        tokenizer: TokenizerFiles
    ) throws {
        self.path = path
        partial = path + ".partial"
        try Durable.remove(partial)
        try Durable.createDirectory(partial)
        try Self.write(configuration.json(head: head), to: partial + "/config.json")
        if head == .languageModel {
            var generation: [String: Any] = [:]
            if let bos = configuration.bosTokenID { generation["bos_token_id"] = Int(bos) }
            if let eos = configuration.eosTokenIDs.first { generation["eos_token_id"] = Int(eos) }
            try Self.write(
                JSONSerialization.data(withJSONObject: generation, options: [.prettyPrinted, .sortedKeys]),
                to: partial + "/generation_config.json")
        }
        switch tokenizer {
        case .files(let files): for file in files { try Self.write(file.content, to: partial + "/" + file.name) }
        case .copied(let source): try Self.copyTokenizer(from: source, to: partial)
        }
        let tensors = ParameterLayout(configuration, head: head).specs.map { (name: $0.name, shape: $0.shape) }
        weights = try SafetensorsWriter(path: partial + "/model.safetensors", tensors: tensors, type: dtype)
    }

    /// Writes the next parameter of the layout, whole.
    public func write(_ name: String, values: UnsafeBufferPointer<Float>) throws {
        try weights.write(name, values: values)
    }

    /// Completes the weights and gives the directory its name; one that stands there is replaced.
    public func finish() throws {
        try weights.finish()
        try Durable.sync(partial)
        let replaced = path + ".replaced"
        try Durable.remove(replaced)
        if Durable.exists(path) { try Durable.rename(path, to: replaced) }
        try Durable.rename(partial, to: path)
        try Durable.remove(replaced)
    }

    private static func copyTokenizer(from source: String, to directory: String) throws {
        var isDirectory: ObjCBool = false
        guard FileManager.default.fileExists(atPath: source, isDirectory: &isDirectory) else {
            throw RDOError(.artefact, "the tokenizer is missing", at: source)
        }
        let paths = isDirectory.boolValue ? tokenizerNames.map { source + "/" + $0 } : [source]
        for path in paths {
            guard let content = FileManager.default.contents(atPath: path) else { continue }
            try write(content, to: directory + "/" + (path as NSString).lastPathComponent)
        }
    }

    private static func write(_ content: Data, to path: String) throws {
        do { try content.write(to: URL(fileURLWithPath: path)) } catch {
            throw RDOError(.usage, "cannot write (\(error.localizedDescription))", at: path)
        }
        try Durable.sync(path)
    }
}
