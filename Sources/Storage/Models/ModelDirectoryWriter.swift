import Diagnostics
import Foundation
import Tensors
import Transformer

/// Writes a Hugging Face directory that appears under its name only when it is complete.
///
/// A directory written before is replaced; one with any other file in it is not, since that file would be lost.
package final class ModelDirectoryWriter {
    /// Where the tokenizer of a written model comes from.
    package enum TokenizerFiles {
        /// A model directory, or one tokenizer file.
        case copied(from: String)
        /// File name and content.
        case files([(name: String, content: Data)])
    }

    /// What says beside a tokenizer whether texts start with BOS, which tokens it has besides, and how chats are read.
    private static let besideTokenizer = [
        "tokenizer_config.json", "added_tokens.json", "chat_template.jinja", "chat_template.json",
    ]

    private static let tokenizerNames =
        [
            "tokenizer.json", "tokenizer.model", "special_tokens_map.json", "vocab.json", "merges.txt",
        ] + besideTokenizer

    /// What a directory may hold and still be replaced.
    private static let ownNames =
        tokenizerNames + [
            "config.json", "generation_config.json", "model.safetensors", "rdo-init.json", ModelOrigin.fileName,
        ]

    private let directory: ReplacedDirectory
    private let weights: SafetensorsWriter

    /// - Throws: `RDOError.usage` when the directory cannot be written or holds other files, `.artefact` when the
    ///   tokenizer's files are missing.
    package init(
        path: String, configuration: ModelConfiguration, head: HeadKind, dtype: SafetensorsType,
        tokenizer: TokenizerFiles, origin: ModelOrigin? = nil
    ) throws {
        directory = try ReplacedDirectory(path, ownNames: Self.ownNames)
        let partial = directory.partial
        let config = configuration.json(head: head, dtype: dtype == .bf16 ? "bfloat16" : "float32")
        try ReplacedDirectory.write(config, to: partial + "/config.json")
        if let origin { try ReplacedDirectory.write(origin.json, to: partial + "/" + ModelOrigin.fileName) }
        if head == .languageModel {
            var generation: [String: Any] = [:]
            if let bos = configuration.bosTokenID { generation["bos_token_id"] = Int(bos) }
            let ends = configuration.eosTokenIDs.map(Int.init)
            if !ends.isEmpty { generation["eos_token_id"] = ends.count == 1 ? ends[0] : ends }
            try ReplacedDirectory.write(
                JSONSerialization.data(withJSONObject: generation, options: [.prettyPrinted, .sortedKeys]),
                to: partial + "/generation_config.json")
        }
        switch tokenizer {
        case .files(let files):
            for file in files { try ReplacedDirectory.write(file.content, to: partial + "/" + file.name) }
        case .copied(let source): try Self.copyTokenizer(from: source, to: partial)
        }
        let tensors = ParameterLayout(configuration, head: head).specs.map { (name: $0.name, shape: $0.shape) }
        weights = try SafetensorsWriter(path: partial + "/model.safetensors", tensors: tensors, type: dtype)
    }

    /// Writes the next parameter of the layout, whole.
    package func write(_ name: String, _ values: Matrix) throws {
        // A temporary matrix would free its memory before the pointer is read.
        try withExtendedLifetime(values) { try weights.write(name, values: UnsafeBufferPointer(values.elements)) }
    }

    /// Completes the weights and gives the directory its name; one that stands there is replaced.
    package func finish() throws {
        try weights.finish()
        try directory.publish()
    }

    private static func copyTokenizer(from source: String, to directory: String) throws {
        var isDirectory: ObjCBool = false
        guard FileManager.default.fileExists(atPath: source, isDirectory: &isDirectory) else {
            throw RDOError(.artefact, "the tokenizer is missing", at: source)
        }
        let folder = isDirectory.boolValue ? source : Durable.parent(of: source)
        var files = tokenizerNames.map { (from: folder + "/" + $0, to: $0) }
        if !isDirectory.boolValue {
            // A file of any name.
            let name = source.hasSuffix(".model") ? "tokenizer.model" : "tokenizer.json"
            files = [(source, name)] + files.filter { besideTokenizer.contains($0.to) }
        }
        let found = files.filter { Durable.exists($0.from) }
        guard found.contains(where: { ["tokenizer.json", "tokenizer.model"].contains($0.to) }) else {
            throw RDOError(
                .artefact, "the directory has neither tokenizer.json nor tokenizer.model", at: source,
                remedy: "name another tokenizer")
        }
        for file in found {
            guard let content = FileManager.default.contents(atPath: file.from) else {
                throw RDOError(
                    .artefact, "the tokenizer file cannot be read", at: file.from, remedy: "check its permissions")
            }
            try ReplacedDirectory.write(content, to: directory + "/" + file.to)
        }
    }
}
