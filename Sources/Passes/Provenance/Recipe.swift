import Coding
import Diagnostics
import Foundation
import Methods
import Preferences
import Settings
import Storage
import Training
import Transformer

/// What the result of a pass depends on, found without reading models or data: values of settings, and digests of the
/// files that it reads. The same recipe gives the same result.
///
/// More may be in it than matters: where recipes differ, the pass compares what it computes with, and may find nothing to
/// do. One rank uses this.
package struct Recipe {
    package let configuration: Configuration
    private let digests: KnownDigests
    /// By name; of what is missing, `missing`.
    package private(set) var parts: [String: String]
    /// Files and directories that the pass reads.
    private(set) var reads: [String] = []

    /// With what all passes depend on: the data, the tokenizer's texts become ids by, and the seed.
    ///
    /// - Parameters:
    ///   - trainFiles: other files than the configuration's.
    ///   - reader: directory of the model that the data are read for.
    init(_ configuration: Configuration, _ digests: KnownDigests, trainFiles: [String]?, reader: String) throws {
        (self.configuration, self.digests) = (configuration, digests)
        parts = ["numerics": Version.numerics, "seed": configuration.seed.yaml]
        add(settingsOf: "data")
        add(settingsOf: "model")
        for (index, file) in (trainFiles ?? configuration.data.train).enumerated() {
            try add(file: file, as: "data.train[\(index)]", .data)
        }
        for (index, file) in configuration.data.test.enumerated() {
            try add(file: file, as: "data.test[\(index)]", .data)
        }
        try add(file: reader + "/config.json", as: "reader")
        try add(tokenizerOf: reader, as: "")
        try addTemplate()
    }

    /// What the texts that a model reads become ids by.
    ///
    /// - Parameter prefix: of the files' names.
    mutating func add(tokenizerOf model: String, as prefix: String) throws {
        let tokenizer = configuration.model.tokenizer ?? model
        var isDirectory: ObjCBool = false
        let exists = FileManager.default.fileExists(atPath: tokenizer, isDirectory: &isDirectory)
        for name in ["tokenizer.json", "tokenizer.model", "tokenizer_config.json"] where exists && isDirectory.boolValue
        {
            try add(file: tokenizer + "/" + name, as: prefix + name)
        }
        // Only where it is there: outputs from before it counted are of the same recipe.
        let added = tokenizer + "/added_tokens.json"
        if exists && isDirectory.boolValue, try InputFile.exists(added) {
            try add(file: added, as: prefix + "added_tokens.json")
        }
        if exists && !isDirectory.boolValue { try add(file: tokenizer, as: prefix + "tokenizer") }
    }

    /// What the template is known by, where it is the model's own.
    private mutating func addTemplate() throws {
        guard configuration.data.template == .auto else { return }
        for name in OwnChatTemplate.fileNames {
            try add(file: configuration.templateDirectory + "/" + name, as: "template's " + name)
        }
    }

    /// The keys of a section that have to do with what is computed.
    mutating func add(settingsOf section: String) {
        for row in configuration.rows(of: section) where !row.isCosmetic { parts[row.key] = row.value }
    }

    /// A key of another section.
    mutating func add(setting key: String) {
        let section = String(key.prefix { $0 != "." })
        for row in configuration.rows(of: section) where row.key == key { parts[key] = row.value }
    }

    mutating func add(file path: String, as name: String, _ kind: RDOError.Kind = .artefact) throws {
        reads.append(path)
        parts[name] = FileStamp(path) == nil ? Self.missing : try digests.digest(ofFile: path, kind)
    }

    /// An HDF5 file, which states its own digest if it is of this program's making.
    mutating func add(artefact path: String, as name: String) throws {
        guard FileStamp(path) != nil, let digest = try Artefacts.statedDigest(of: path) else {
            return try add(file: path, as: name)
        }
        reads.append(path)
        parts[name] = digest
    }

    /// - Parameter head: what the pass needs of it.
    mutating func add(model path: String, head: HeadKind, as name: String) throws {
        reads.append(path)
        parts[name] =
            FileStamp(path + "/config.json") == nil
            ? Self.missing : try digests.digest(ofModel: path) { try ModelDirectory.open(path, head: head).digest() }
    }

    mutating func add(adapter path: String, as name: String) throws {
        for file in ["adapter_config.json", "adapter_model.safetensors"] {
            try add(file: path + "/" + file, as: "\(name)/\(file)")
        }
    }

    /// What differs from the recipe of an earlier start, by name.
    package func differences(from earlier: [String: String]) -> [RecipeDifference] {
        Set(parts.keys).union(earlier.keys).sorted().compactMap { name in
            let (old, new) = (earlier[name] ?? Self.missing, parts[name] ?? Self.missing)
            return old == new ? nil : RecipeDifference(name: name, old: old, new: new)
        }
    }

    private static let missing = "missing"
}

package struct RecipeDifference: CustomStringConvertible {
    package let name: String
    let old: String
    let new: String

    package var description: String { "\(name) was \(RunIdentity.shown(old)) and is \(RunIdentity.shown(new))" }
}
