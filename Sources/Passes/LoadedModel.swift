import Configuration
import Diagnostics
import Foundation
import Parallel
import Storage
import Tensors
import Transformer

/// A model from a Hugging Face directory, split over the shards.
struct LoadedModel {
    let directory: ModelDirectory
    let model: TransformerModel
    let parameters: ShardedParameters
    /// Digest of the directory's configuration and weights.
    let digest: String

    /// Collective: every rank reads its own rows.
    ///
    /// - Parameters:
    ///   - headFile: safetensors file with `score.weight`, `[1, hidden]`, for a scalar head.
    ///   - seed: a scalar head that stands in no file starts from it.
    /// - Throws: `RDOError.artefact` when a file is missing, damaged or of another shape.
    init(_ path: String, head: HeadKind, headFile: String? = nil, seed: UInt64, session: Session) throws {
        let world = session.world
        directory = try world.collectively { try ModelDirectory.open(path, head: head) }
        let unused = directory.unusedTensors(head: head)
        if let first = unused.first {
            session.log.warning(
                "\(path): \(unused.count) tensors are not used, such as \(first): is config.json theirs?")
        }
        model = TransformerModel(directory.configuration, head: head)
        let gather: GatherPolicy = session.configuration.parallel.gather == .step ? .step : .block
        parameters = try ShardedParameters(layout: model.layout, mesh: session.mesh, gather: gather)
        let headWeights = try world.collectively { try headFile.map { try SafetensorsFile.open($0) } }
        let (directory, model, parameters) = (directory, model, parameters)
        try world.collectively {
            for (index, spec) in model.layout.specs.enumerated() {
                let rows = parameters.ownRows(index)
                let slice = parameters.slice(index)
                if spec.name == "score.weight", let headWeights {
                    try headWeights.check(spec.name, shape: spec.shape)
                    try headWeights.read(spec.name, rows: rows, into: slice.pointer)
                } else if spec.name == "score.weight", !directory.contains(spec.name) {
                    initialValues(
                        for: spec, rows: rows, seed: seed, range: Double(model.configuration.initializerRange),
                        into: slice.pointer)
                } else {
                    try directory.read(spec.name, rows: rows, into: slice.pointer)
                }
            }
        }
        try parameters.invalidate()
        // One rank reads the files once more for the digest; the others wait for the result.
        digest = try world.textFromRankZero { try directory.digest() }
    }
}

extension Session {
    /// Writes the model of `model.init`, with its tokenizer, where `baseModel` points. Nothing to do for a given path or
    /// when it was written by the same configuration before.
    func materializeInitialModel() throws {
        guard let settings = configuration.model.initial, configuration.model.path == nil else { return }
        try world.collectively {
            guard world.rank == 0 else { return }
            try InitialModel(settings, tokenizer: configuration.model.tokenizer, seed: UInt64(configuration.seed))
                .write(to: baseModel)
        }
    }
}
