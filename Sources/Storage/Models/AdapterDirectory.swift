import Coding
import Diagnostics
import Foundation
import Preferences
import Tensors
import Transformer

/// The adapters of a model in the layout of Python's `peft`: adapter_config.json and adapter_model.safetensors, where a
/// parameter's name has `base_model.model.` before it.
package struct AdapterDirectory {
    private static let configurationName = "adapter_config.json"
    private static let weightsName = "adapter_model.safetensors"
    private static let prefix = "base_model.model."

    private let weights: SafetensorsFile
    private let configuration: AdapterConfiguration
    /// Where the configuration stands.
    private let file: String

    /// Opens the directory and checks that it holds adapters of the same kind and shapes. `score.weight` may be missing.
    ///
    /// - Parameter layout: of the parameters trained with `adaptation`.
    /// - Throws: `RDOError.artefact` naming what is missing, damaged or different.
    package static func open(_ path: String, _ adaptation: LowRankAdaptation, layout: ParameterLayout) throws
        -> AdapterDirectory
    {
        let directory = try open(path)
        let (file, weights) = (directory.file, directory.weights)
        if let peculiarity = directory.configuration.peculiarity {
            throw directory.error(
                "\(peculiarity), and training starts from adapters alone, alike in all blocks",
                remedy: AdapterConfiguration.mergeRemedy)
        }
        let found = directory.configuration.adaptation
        for (name, own, wanted) in [
            ("r", "\(found.rank)", "\(adaptation.rank)"), ("lora_alpha", "\(found.alpha)", "\(adaptation.alpha)"),
            (
                "target_modules", found.targets.map(\.rawValue).joined(separator: ", "),
                adaptation.targets.map(\.rawValue).joined(separator: ", ")
            ),
        ] where own != wanted {
            throw RDOError(
                .artefact, "\(name) is \(own), the configuration says \(wanted)", at: file,
                remedy: "set lora.rank, lora.alpha and lora.targets to the adapter's")
        }
        for spec in layout.specs where spec.role != .scalarHead || weights.contains(prefix + spec.name) {
            try weights.check(prefix + spec.name, shape: spec.shape)
        }
        try directory.requireKnown(Set(layout.specs.map(\.name)))
        return directory
    }

    /// Opens the directory, whatever it adapts.
    /// - Throws: `RDOError.artefact` when a file is missing, damaged or describes something else.
    static func open(_ path: String) throws -> AdapterDirectory {
        let file = path + "/" + configurationName
        guard let object = try InputFile.object(in: file) else {
            throw RDOError(.artefact, "the file is missing", at: file, remedy: "name a PEFT adapter directory")
        }
        let weights = try SafetensorsFile.open(path + "/" + weightsName)
        let configuration = try AdapterConfiguration(object, file: file, tensors: weights.entries.keys.sorted())
        return AdapterDirectory(weights: weights, configuration: configuration, file: file)
    }

    func error(_ what: String, remedy: String) -> RDOError { RDOError(.artefact, what, at: file, remedy: remedy) }

    /// The name of the module that a weight is of.
    static func module(of weight: ParameterSpec) -> String { String(weight.name.dropLast(".weight".count)) }

    /// How a module is adapted by this; nil when it is not.
    /// - Throws: `RDOError.artefact` when a pattern takes too many steps.
    func adaptation(of weight: ParameterSpec) throws -> LowRankAdaptation? {
        guard case .weight(let target) = weight.role, case .block(let block) = weight.group else { return nil }
        let module = Self.module(of: weight)
        do {
            return try configuration.modules.adaptation(
                of: module, target, block: block, hasTensors: contains(module + ".lora_A.weight"))
        } catch let error as RegularExpression.PatternError {
            throw RDOError(.artefact, error.what, at: file)
        }
    }

    func check(_ name: String, shape: [Int]) throws { try weights.check(Self.prefix + name, shape: shape) }

    /// - Throws: `RDOError.artefact` when a tensor that stands here whole is of another shape than the model's.
    func check(whole spec: ParameterSpec) throws {
        if let shape = weights.entries[Self.prefix + spec.name]?.shape, shape.count == 2, shape.last == spec.shape.last,
            shape != spec.shape
        {
            throw error(
                "\(spec.name) beside it has \(shape[0]) rows and the base's \(spec.rows): they are of two vocabularies",
                remedy: AdapterConfiguration.mergeRemedy)
        }
        try check(spec.name, shape: spec.shape)
    }

    /// - Throws: `RDOError.artefact` when there are other tensors than those of `names`.
    func requireKnown(_ names: Set<String>) throws {
        let known = Set(names.map { Self.prefix + $0 })
        if let other = weights.entries.keys.sorted().first(where: { !known.contains($0) }) {
            throw RDOError(.artefact, "tensor \(other) has no place in the model", at: weights.path)
        }
    }

    /// - Throws: `RDOError.artefact` when a module is said to be trained whole, and nothing is there of it.
    func requireSavedModules() throws {
        let tensors = weights.entries.keys.map { "." + $0 }
        for name in configuration.saved where !tensors.contains(where: { $0.contains(".\(name).") }) {
            throw error(
                "modules_to_save names \(name), and no tensor is of it", remedy: "get adapter_model.safetensors again")
        }
    }

    package func contains(_ name: String) -> Bool { weights.contains(Self.prefix + name) }

    /// Reads rows of a parameter as floats.
    /// - Throws: `RDOError.artefact` when the file cannot be read.
    package func read(_ name: String, rows: Range<Int>, into values: UnsafeMutablePointer<Float>) throws {
        try weights.read(Self.prefix + name, rows: rows, into: values)
    }

    /// XXH3-128 over what the adapters compute.
    package func digest() throws -> String {
        let stream = DigestStream()
        let adaptation = configuration.adaptation
        stream.update("\(adaptation.rank) \(adaptation.alpha) \(adaptation.targets.map(\.rawValue))")
        if let identity = configuration.modules.identity { stream.update(identity) }
        for name in weights.entries.keys.sorted() {
            stream.update(name)
            try weights.digest(name, into: stream)
        }
        return stream.digest.hex
    }

    /// Writes an adapter directory that appears under its name only when it is complete.
    package final class Writer {
        private let directory: ReplacedDirectory
        private let weights: SafetensorsWriter

        /// - Parameter layout: of the trained parameters; weights are written in f32.
        /// - Throws: `RDOError.usage` when the directory cannot be written or holds other files.
        package init(
            path: String, _ configuration: AdapterConfiguration, layout: ParameterLayout, origin: ModelOrigin? = nil
        ) throws {
            directory = try ReplacedDirectory(path, ownNames: [configurationName, weightsName, ModelOrigin.fileName])
            if let origin {
                try ReplacedDirectory.write(origin.json, to: directory.partial + "/" + ModelOrigin.fileName)
            }
            try ReplacedDirectory.write(configuration.json, to: directory.partial + "/" + configurationName)
            weights = try SafetensorsWriter(
                path: directory.partial + "/" + weightsName,
                tensors: layout.specs.map { (name: prefix + $0.name, shape: $0.shape) }, type: .f32)
        }

        /// Writes the next parameter of the layout, whole.
        package func write(_ name: String, _ values: Matrix) throws {
            try withExtendedLifetime(values) {
                try weights.write(prefix + name, values: UnsafeBufferPointer(values.elements))
            }
        }

        package func finish() throws {
            try weights.finish()
            try directory.publish()
        }
    }
}
