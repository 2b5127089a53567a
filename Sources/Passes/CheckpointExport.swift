import Diagnostics
import Foundation
import Storage
import Transformer

/// `rdo export`: a checkpoint as a Hugging Face directory, in one process, a parameter at a time.
public struct CheckpointExport {
    private let checkpoint: String
    private let output: String
    private let tokenizer: String?
    private let dtype: SafetensorsType

    /// - Parameters:
    ///   - checkpoint: a checkpoint directory, or a directory of checkpoints, of which the newest is taken.
    ///   - tokenizer: directory or file; the one that the run used by default.
    public init(checkpoint: String, output: String, tokenizer: String?, isHalfPrecision: Bool) {
        self.checkpoint = checkpoint
        self.output = output
        self.tokenizer = tokenizer
        dtype = isHalfPrecision ? .bf16 : .f32
    }

    /// - Returns: one line that says what was written.
    /// - Throws: `RDOError.artefact` when the checkpoint is damaged or incomplete.
    public func run() throws -> String {
        let checkpoint = try Self.open(checkpoint)
        try checkpoint.verify()
        guard let text = checkpoint.state.extra["model_config"], let source = checkpoint.state.extra["tokenizer_source"]
        else {
            throw RDOError(.artefact, "the checkpoint does not say what model it holds", at: checkpoint.path)
        }
        let configuration = try ModelConfiguration(json: Data(text.utf8), file: checkpoint.path + "/index.h5")
        let head: HeadKind = checkpoint.shape(.model, "score.weight") == nil ? .languageModel : .scalar
        let layout = ParameterLayout(configuration, head: head)
        let writer = try ModelDirectoryWriter(
            path: output, configuration: configuration, head: head, dtype: dtype,
            tokenizer: .copied(from: tokenizer ?? source))
        for spec in layout.specs {
            let values = spec.gatheredMatrix
            try checkpoint.read(.model, spec.name, rows: 0..<spec.rows, into: values.elements)
            try writer.write(spec.name, values: UnsafeBufferPointer(values.elements))
        }
        try writer.finish()
        return "step \(checkpoint.state.step) of \(checkpoint.path) is in \(output)"
    }

    private static func open(_ path: String) throws -> Checkpoint {
        guard let newest = try CheckpointDirectory.list(in: path).first else { return try Checkpoint.open(path) }
        return try Checkpoint.open(newest)
    }
}
