import Configuration
import Parallel
import Storage
import Tensors
import Transformer

/// Writes sharded parameters as a Hugging Face directory. Rank 0 writes; all ranks gather, a group at a time.
struct ModelExport {
    let world: Communicator

    init(_ world: Communicator) { self.world = world }

    /// - Throws: `RDOError.usage` when the directory cannot be written.
    func write(
        _ model: TransformerModel, _ parameters: any ParameterSource, to path: String, tokenizerFrom source: String,
        type: ExportType
    ) throws {
        let writer = try world.collectively {
            world.rank == 0
                ? try ModelDirectoryWriter(
                    path: path, configuration: model.configuration, head: model.head,
                    dtype: type == .bf16 ? .bf16 : .f32, tokenizer: .copied(from: source)) : nil
        }
        for group in 0..<model.layout.groupCount {
            let matrices = try parameters.acquire(group: group)
            try world.collectively {
                for (spec, matrix) in zip(model.layout.specs[model.layout.groups[group]], matrices) {
                    try writer?.write(spec.name, values: UnsafeBufferPointer(matrix.elements))
                }
            }
            parameters.release(group: group)
        }
        try world.collectively { try writer?.finish() }
    }
}
