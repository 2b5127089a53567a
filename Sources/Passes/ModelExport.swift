import Methods
import Parallel
import Settings
import Storage
import Tensors
import Transformer

/// Writes a model as a Hugging Face directory, or its adapters as a PEFT one. Rank 0 writes; all ranks gather, a group at a time.
struct ModelExport {
    let world: Communicator

    /// An adapted model is written with its adapters merged.
    /// - Throws: `RDOError.usage` when the directory cannot be written.
    func write(
        _ model: TransformerModel, _ parameters: any ParameterSource, to path: String, _ conventions: PassConventions,
        startedFrom start: String, origin: ModelOrigin
    ) throws {
        let writer = try world.onRankZero {
            try ModelDirectoryWriter(
                path: path, configuration: model.configuration, head: model.head,
                dtype: origin.type == ExportType.bf16.rawValue ? .bf16 : .f32,
                tokenizer: .copied(from: conventions.tokenizerSource),
                origin: origin, generationFrom: start, responseEnd: conventions.responseEnd)
        }
        try write(model.layout, parameters, finish: { try writer?.finish() }) { group, matrices in
            guard let writer else { return }
            for (spec, matrix) in zip(model.layout.specs(of: group), model.merged(matrices, group: group)) {
                try writer.write(spec.name, matrix)
            }
        }
    }

    /// - Parameter adapters: what is trained.
    /// - Throws: `RDOError.usage` when the directory cannot be written.
    func write(
        _ configuration: AdapterConfiguration, _ adapters: ShardedParameters, to path: String, origin: ModelOrigin
    ) throws {
        let layout = adapters.layout
        let writer = try world.onRankZero {
            try AdapterDirectory.Writer(path: path, configuration, layout: layout, origin: origin)
        }
        try write(layout, adapters, finish: { try writer?.finish() }) { group, matrices in
            for (spec, matrix) in zip(layout.specs(of: group), matrices) { try writer?.write(spec.name, matrix) }
        }
    }

    private func write(
        _ layout: ParameterLayout, _ parameters: any ParameterSource, finish: () throws -> Void,
        group write: (ParameterGroup, [Matrix]) throws -> Void
    ) throws {
        for group in layout.groupNames {
            let matrices = try parameters.acquire(group: group)
            try world.collectively { try write(group, matrices) }
            parameters.release(group: group)
        }
        try world.collectively(finish)
    }
}
