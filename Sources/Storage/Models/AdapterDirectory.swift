import Coding
import Diagnostics
import Foundation
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

    /// Opens the directory and checks that it holds adapters of the same kind and shapes. `score.weight` may be missing.
    ///
    /// - Parameter layout: of the parameters trained with `adaptation`.
    /// - Throws: `RDOError.artefact` naming what is missing, damaged or different.
    package static func open(_ path: String, _ adaptation: LowRankAdaptation, layout: ParameterLayout) throws
        -> AdapterDirectory
    {
        let file = path + "/" + configurationName
        let (configuration, weights) = try read(path)
        let found = configuration.adaptation
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
        let known = Set(layout.specs.map { prefix + $0.name })
        if let other = weights.entries.keys.sorted().first(where: { !known.contains($0) }) {
            throw RDOError(.artefact, "tensor \(other) has no place in this pass's model", at: weights.path)
        }
        return AdapterDirectory(weights: weights, configuration: configuration)
    }

    /// How the adapters of a directory change a model.
    /// - Throws: `RDOError.artefact` when the file is missing or describes something else.
    package static func adaptation(of path: String) throws -> LowRankAdaptation {
        try read(path).configuration.adaptation
    }

    private static func read(_ path: String) throws -> (configuration: AdapterConfiguration, weights: SafetensorsFile) {
        let file = path + "/" + configurationName
        guard let object = try InputFile.object(in: file) else {
            throw RDOError(.artefact, "the file is missing", at: file, remedy: "name a PEFT adapter directory")
        }
        let weights = try SafetensorsFile.open(path + "/" + weightsName)
        return (try AdapterConfiguration(object, file: file, tensors: weights.entries.keys.sorted()), weights)
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
