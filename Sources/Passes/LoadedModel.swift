import Configuration
import Diagnostics
import Foundation
import Parallel
import Storage
import Tensors
import Transformer

/// A model from a Hugging Face directory to be trained, split over the shards.
struct LoadedModel {
    let directory: ModelDirectory
    let model: TransformerModel
    let parameters: ShardedParameters
    let mesh: Mesh
    /// Digest of the directory's configuration and weights.
    let digest: String

    /// Collective: every rank reads its own rows.
    ///
    /// - Parameters:
    ///   - headFile: safetensors file with `score.weight`, `[1, hidden]`, for a scalar head.
    ///   - seed: a scalar head that stands in no file starts from it.
    /// - Throws: `RDOError.artefact` when a file is missing, damaged or of another shape.
    init(_ path: String, head: HeadKind, headFile: String? = nil, seed: UInt64, session: Session) throws {
        let files = try ModelFiles(path, head: head, headFile: headFile, seed: seed, session: session)
        let mesh = try session.mesh(for: files.model.layout)
        let parameters = try ShardedParameters(
            layout: files.model.layout, mesh: mesh, gather: session.gatherPolicy)
        try session.world.collectively {
            for index in files.model.layout.specs.indices {
                try files.read(index, parameters.ownRows(index), parameters.slice(index).pointer)
            }
        }
        try parameters.invalidate()
        (directory, model, self.parameters, self.mesh) = (files.directory, files.model, parameters, mesh)
        digest = try files.digest(session.world)
    }
}

/// A model from a Hugging Face directory that only runs forward.
struct FrozenModel {
    let directory: ModelDirectory
    let model: TransformerModel
    let parameters: any ParameterSource
    /// The ranks that must run together, because they hold the parameters together; one where each can run alone.
    let team: Communicator
    /// Digest of the directory's configuration and weights.
    let digest: String

    /// Collective: the whole model once per node, or its rows split over the shards with `parallel.gather: block`.
    /// - Throws: `RDOError.artefact` when a file is missing, damaged or of another shape.
    init(_ path: String, head: HeadKind, session: Session) throws {
        if session.gatherPolicy == .block {
            let loaded = try LoadedModel(path, head: head, seed: 0, session: session)
            (directory, model, parameters) = (loaded.directory, loaded.model, loaded.parameters)
            (team, digest) = (loaded.mesh.shards, loaded.digest)
            return
        }
        let files = try ModelFiles(path, head: head, headFile: nil, seed: 0, session: session)
        let mesh = try session.mesh(for: files.model.layout)
        parameters = try FrozenParameters(
            layout: files.model.layout, mesh: mesh,
            storage: session.configuration.parallel.frozenWeights == .bf16 ? .bf16 : .f32, read: files.read)
        (directory, model) = (files.directory, files.model)
        team = try session.world.split(color: session.world.rank, key: 0)
        digest = try files.digest(session.world)
    }
}

/// The files of a model directory, and what stands in for a scalar head that is not among them.
private struct ModelFiles {
    let directory: ModelDirectory
    let model: TransformerModel
    private let headWeights: SafetensorsFile?
    private let seed: UInt64

    init(_ path: String, head: HeadKind, headFile: String?, seed: UInt64, session: Session) throws {
        directory = try session.world.collectively { try ModelDirectory.open(path, head: head) }
        let unused = directory.unusedTensors(head: head)
        if let first = unused.first {
            session.log.warning(
                "\(path): \(unused.count) tensors are not used, such as \(first): is config.json theirs?")
        }
        model = TransformerModel(
            directory.configuration, head: head, recomputesBlocks: session.configuration.parallel.recompute == .block)
        headWeights = try session.world.collectively { try headFile.map { try SafetensorsFile.open($0) } }
        self.seed = seed
    }

    func read(_ index: Int, _ rows: Range<Int>, _ values: UnsafeMutablePointer<Float>) throws {
        let spec = model.layout.specs[index]
        if spec.name == "score.weight", let headWeights {
            try headWeights.check(spec.name, shape: spec.shape)
            try headWeights.read(spec.name, rows: rows, into: values)
        } else if spec.name == "score.weight", !directory.contains(spec.name) {
            initialValues(
                for: spec, rows: rows, seed: seed, range: Double(model.configuration.initializerRange), into: values)
        } else {
            try directory.read(spec.name, rows: rows, into: values)
        }
    }

    /// Collective. One rank reads the files once more; the others wait for the result.
    func digest(_ world: Communicator) throws -> String { try world.textFromRankZero { try directory.digest() } }
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
