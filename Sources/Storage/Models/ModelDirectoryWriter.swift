import Diagnostics
import Foundation
import Transformer

/// Writes a Hugging Face directory that appears under its name only when it is complete.
///
/// A directory written before is replaced; one with any other file in it is not, since that file would be lost.
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

    /// What a directory may hold and still be replaced.
    private static let ownNames =
        tokenizerNames + ["config.json", "generation_config.json", "model.safetensors", "rdo-init.json"]

    private let path: String
    private let partial: String
    private let weights: SafetensorsWriter

    /// - Throws: `RDOError.usage` when the directory cannot be written or holds other files, `.artefact` when the
    ///   tokenizer's files are missing.
    public init(
        path: String, configuration: ModelConfiguration, head: HeadKind, dtype: SafetensorsType,
        tokenizer: TokenizerFiles
    ) throws {
        // Without a final slash, which would put the partial directory inside.
        self.path = URL(fileURLWithPath: path).standardizedFileURL.path
        partial = self.path + ".partial"
        try Self.checkReplaceable(self.path)
        try Durable.remove(partial)
        do { try FileManager.default.createDirectory(atPath: partial, withIntermediateDirectories: true) } catch {
            throw RDOError(
                .usage, "cannot create the directory (\(error.localizedDescription))", at: partial,
                remedy: "choose a writable directory")
        }
        let config = configuration.json(head: head, dtype: dtype == .bf16 ? "bfloat16" : "float32")
        try Self.write(config, to: partial + "/config.json")
        if head == .languageModel {
            var generation: [String: Any] = [:]
            if let bos = configuration.bosTokenID { generation["bos_token_id"] = Int(bos) }
            let ends = configuration.eosTokenIDs.map(Int.init)
            if !ends.isEmpty { generation["eos_token_id"] = ends.count == 1 ? ends[0] : ends }
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
        let folder = isDirectory.boolValue ? source : Durable.parent(of: source)
        var files = tokenizerNames.map { (from: folder + "/" + $0, to: $0) }
        if !isDirectory.boolValue {
            // A file of any name, and beside it what says whether texts start with BOS.
            let name = source.hasSuffix(".model") ? "tokenizer.model" : "tokenizer.json"
            files = [(source, name)] + files.filter { $0.to == "tokenizer_config.json" }
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
            try write(content, to: directory + "/" + file.to)
        }
    }

    private static func checkReplaceable(_ path: String) throws {
        guard Durable.exists(path) else { return }
        guard let names = try? FileManager.default.contentsOfDirectory(atPath: path) else {
            throw RDOError(.usage, "it exists and is no directory", at: path, remedy: "name a new directory")
        }
        if let other = names.sorted().first(where: { !ownNames.contains($0) }) {
            throw RDOError(
                .usage, "it exists and holds \(other), which would be lost", at: path, remedy: "name a new directory")
        }
    }

    private static func write(_ content: Data, to path: String) throws {
        do { try content.write(to: URL(fileURLWithPath: path)) } catch {
            throw RDOError(.usage, "cannot write (\(error.localizedDescription))", at: path)
        }
        try Durable.sync(path)
    }
}
