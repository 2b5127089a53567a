import Coding
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
            "config.json", "generation_config.json", "model.safetensors", ReplacedDirectory.initialModelName,
            ModelOrigin.fileName,
        ]

    private let directory: ReplacedDirectory
    private let weights: SafetensorsWriter

    /// - Parameters:
    ///   - start: directory of the model that this one was made of, whose generation_config.json is carried over.
    ///   - responseEnd: what ends a response, beside the tokens that config.json names.
    ///   - initialIdentity: of a new model, what it was drawn from.
    /// - Throws: `RDOError.usage` when the directory cannot be written or holds other files, `.artefact` when the
    ///   tokenizer's files are missing.
    package init(
        path: String, configuration: ModelConfiguration, head: HeadKind, dtype: SafetensorsType,
        tokenizer: TokenizerFiles, origin: ModelOrigin? = nil, generationFrom start: String? = nil,
        responseEnd: Int32? = nil, initialIdentity: String? = nil
    ) throws {
        // What is not there is found before anything is written.
        let copied =
            if case .copied(let source) = tokenizer { try Self.tokenizerFiles(of: source) } else {
                [(from: String, to: String)]()
            }
        directory = try ReplacedDirectory(path, ownNames: Self.ownNames)
        let partial = directory.partial
        if let initialIdentity {
            try ReplacedDirectory.write(
                Data(initialIdentity.utf8), to: partial + "/" + ReplacedDirectory.initialModelName)
        }
        let config = configuration.json(head: head, dtype: dtype == .bf16 ? "bfloat16" : "float32")
        try ReplacedDirectory.write(config, to: partial + "/config.json")
        if let origin { try ReplacedDirectory.write(origin.json, to: partial + "/" + ModelOrigin.fileName) }
        if head == .languageModel {
            try ReplacedDirectory.write(
                Self.generation(configuration, from: start, responseEnd: responseEnd),
                to: partial + "/generation_config.json")
        }
        if case .files(let files) = tokenizer {
            for file in files { try ReplacedDirectory.write(file.content, to: partial + "/" + file.name) }
        }
        for file in copied {
            guard let content = try InputFile.contents(of: file.from) else {
                throw RDOError(.artefact, "the tokenizer file is gone", at: file.from)
            }
            try ReplacedDirectory.write(Data(content), to: partial + "/" + file.to)
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

    /// What the start model's file says, with every token that ends a text: a program that serves chats stops at those of
    /// this file alone.
    private static func generation(
        _ configuration: ModelConfiguration, from start: String?, responseEnd: Int32?
    ) throws -> Data {
        var generation: [String: Any] = [:]
        if let start, let bytes = try InputFile.contents(of: start + "/generation_config.json") {
            // Read once by the strict parser, which knows what is wrong and where.
            _ = try InputFile.object(in: start + "/generation_config.json")
            generation = try JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any] ?? [:]
        }
        if generation["bos_token_id"] == nil, let bos = configuration.bosTokenID {
            generation["bos_token_id"] = Int(bos)
        }
        var ends = try start.map { try ModelDirectory.generationEnds(of: $0) } ?? []
        for end in configuration.eosTokenIDs + [responseEnd].compactMap({ $0 }) where !ends.contains(end) {
            ends.append(end)
        }
        if !ends.isEmpty { generation["eos_token_id"] = ends.count == 1 ? Int(ends[0]) : ends.map { Int($0) } }
        return try JSONSerialization.data(withJSONObject: generation, options: [.prettyPrinted, .sortedKeys])
    }

    private static func tokenizerFiles(of source: String) throws -> [(from: String, to: String)] {
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
        let found = try files.filter { try Durable.exists($0.from) }
        guard found.contains(where: { ["tokenizer.json", "tokenizer.model"].contains($0.to) }) else {
            throw RDOError(
                .artefact, "the directory has neither tokenizer.json nor tokenizer.model", at: source,
                remedy: "name another tokenizer")
        }
        return found
    }
}
