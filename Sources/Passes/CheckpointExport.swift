import Coding
import Diagnostics
import Preferences
import Foundation
import Settings
import Storage
import Tensors
import Training
import Transformer

/// `rdo export`: a checkpoint as a Hugging Face directory, in one process, a parameter at a time. A checkpoint of adapters
/// is merged into the base that it was trained beside, or written as a PEFT adapter directory.
package enum CheckpointExport {
    /// - Parameters:
    ///   - path: a checkpoint directory, or a directory of checkpoints, of which the newest is taken.
    ///   - tokenizer: directory or file; the one that the run used by default.
    ///   - writesAdapter: write the adapters of an adapter checkpoint alone.
    /// - Returns: one line that says what was written.
    /// - Throws: `RDOError.artefact` when the checkpoint is damaged or incomplete.
    package static func run(
        checkpoint path: String, output: String, tokenizer: String?, isHalfPrecision: Bool, writesAdapter: Bool
    ) throws -> String {
        let checkpoint = try open(path)
        try checkpoint.verify()
        guard let text = checkpoint.state.extra["model_config"], let source = checkpoint.state.extra["tokenizer_source"]
        else {
            throw RDOError(.artefact, "the checkpoint does not say what model it holds", at: checkpoint.path)
        }
        let configuration = try ModelConfiguration(json: Data(text.utf8), file: checkpoint.path + "/index.h5")
        let adapters = try checkpoint.state.extra["adapter_config"].map {
            try AdapterConfiguration(
                JSONField(parsing: Array($0.utf8), file: checkpoint.path + "/index.h5").value,
                file: checkpoint.path + "/index.h5")
        }
        if writesAdapter {
            guard let adapters else {
                throw RDOError(
                    .usage, "the checkpoint holds a whole model, no adapters", at: checkpoint.path,
                    remedy: "leave out --adapter")
            }
            try write(adapters, of: checkpoint, configuration, to: output)
            return "the adapters of step \(checkpoint.state.step) of \(checkpoint.path) are in \(output)"
        }
        let head: HeadKind = checkpoint.shape(.model, HeadKind.scalar.weightName) == nil ? .languageModel : .scalar
        let layout = ParameterLayout(configuration, head: head)
        let frozen = try adapters.map { try base($0, of: checkpoint) }
        let tokenizer = try tokenizer ?? Self.found(source, near: checkpoint.path)
        try requireTokenizer(tokenizer, of: checkpoint)
        let writer = try ModelDirectoryWriter(
            path: output, configuration: configuration, head: head, dtype: isHalfPrecision ? .bf16 : .f32,
            tokenizer: .copied(from: tokenizer), origin: origin(of: checkpoint, isHalfPrecision),
            generationFrom: Self.directory(tokenizer))
        let trained = adapters.map { ParameterLayout($0.adaptation, configuration, head: head) }
        for spec in layout.specs {
            try writer.write(spec.name, parameter(spec, of: checkpoint, frozen, adapters?.adaptation, trained))
        }
        try writer.finish()
        return "step \(checkpoint.state.step) of \(checkpoint.path) is in \(output)"
    }

    /// A path as the run had it. One that is not there was relative to where the run was started: a directory above the
    /// checkpoint.
    private static func found(_ path: String, near checkpoint: String) throws -> String {
        guard !path.hasPrefix("/"), try !Durable.exists(path) else { return path }
        var directory = Durable.absolute(checkpoint)
        while directory != "/" {
            directory = Durable.parent(of: directory)
            let candidate = directory + "/" + path
            if try Durable.exists(candidate) { return candidate }
        }
        return path
    }

    /// The directory of a tokenizer that may be named by its file.
    private static func directory(_ tokenizer: String) -> String {
        tokenizer.hasSuffix(".json") || tokenizer.hasSuffix(".model") ? Durable.parent(of: tokenizer) : tokenizer
    }

    /// - Throws: `RDOError.artefact` when it is not the tokenizer that the model was trained with.
    private static func requireTokenizer(_ path: String, of checkpoint: Checkpoint) throws {
        guard try Durable.exists(path) else {
            throw RDOError(
                .artefact, "the run's tokenizer is not there", at: path, remedy: "name it with --tokenizer")
        }
        let own = try TokenizerLoader.load(path).digest
        guard let wanted = RunIdentity.tokenizer(in: checkpoint.state.extra), wanted != own else { return }
        throw RDOError(
            .artefact, "not the tokenizer that the checkpoint was trained with", at: path,
            remedy: "name that one with --tokenizer")
    }

    private static func write(
        _ adapters: AdapterConfiguration, of checkpoint: Checkpoint, _ configuration: ModelConfiguration,
        to output: String
    ) throws {
        let layout = ParameterLayout(adapters.adaptation, configuration, head: adapters.head)
        let writer = try AdapterDirectory.Writer(
            path: output, adapters, layout: layout, origin: origin(of: checkpoint, false))
        for spec in layout.specs { try writer.write(spec.name, stored(spec, in: checkpoint)) }
        try writer.finish()
    }

    private static func origin(of checkpoint: Checkpoint, _ isHalfPrecision: Bool) -> ModelOrigin {
        ModelOrigin(
            pass: checkpoint.state.task, step: checkpoint.state.step, checkpoint: checkpoint.id,
            type: (isHalfPrecision ? ExportType.bf16 : .f32).rawValue,
            identity: RunIdentity.attributes(in: checkpoint.state.extra))
    }

    /// The frozen model of an adapter checkpoint, if it still is the same.
    private static func base(_ adapters: AdapterConfiguration, of checkpoint: Checkpoint) throws -> ModelDirectory {
        let directory = try ModelDirectory.open(found(adapters.base, near: checkpoint.path), head: adapters.head)
        guard try directory.digest() == RunIdentity.model(in: checkpoint.state.extra) else {
            throw RDOError(
                .artefact, "the base model is not the one that the adapters were trained beside", at: adapters.base,
                remedy: "restore it, or write the adapters alone with --adapter")
        }
        return directory
    }

    /// A parameter of the whole model: from the checkpoint, or from the base with its adapter merged.
    private static func parameter(
        _ spec: ParameterSpec, of checkpoint: Checkpoint, _ base: ModelDirectory?, _ adaptation: LowRankAdaptation?,
        _ trained: ParameterLayout?
    ) throws -> Matrix {
        guard let base, let adaptation, checkpoint.shape(.model, spec.name) == nil else {
            return try stored(spec, in: checkpoint)
        }
        let weight = spec.gatheredMatrix
        try base.read(spec.name, rows: 0..<spec.rows, into: weight.pointer)
        guard let (a, b) = trained?.adapter(of: spec) else { return weight }
        return try adaptation.merged(weight, a: stored(a, in: checkpoint), b: stored(b, in: checkpoint))
    }

    private static func stored(_ spec: ParameterSpec, in checkpoint: Checkpoint) throws -> Matrix {
        guard let shape = checkpoint.shape(.model, spec.name), shape == spec.shape else {
            let found = checkpoint.shape(.model, spec.name).map { "has shape \($0)" } ?? "is missing"
            throw RDOError(
                .artefact, "the checkpoint's \(spec.name) \(found), its configuration says \(spec.shape)",
                at: checkpoint.path + "/index.h5")
        }
        let values = spec.gatheredMatrix
        try checkpoint.read(.model, spec.name, rows: 0..<spec.rows, into: values.elements)
        return values
    }

    private static func open(_ path: String) throws -> Checkpoint {
        guard let newest = try CheckpointDirectory.list(in: path).first else { return try Checkpoint.open(path) }
        return try Checkpoint.open(newest)
    }
}
