import Configuration
import Diagnostics
import Foundation
import Parallel
import Storage
import Tensors
import Transformer

/// A model from a Hugging Face directory to be trained: all of it, split over the shards, or adapters beside it.
struct LoadedModel {
    /// The directory.
    let path: String
    let model: TransformerModel
    /// What is trained.
    let parameters: ShardedParameters
    /// The whole model that the adapters stand beside.
    let frozen: (any ParameterSource)?
    let mesh: Mesh
    /// Digest of the directory's configuration and weights.
    let digest: String
    /// Digest of the adapters that training starts from; nil when they start at zero or there are none.
    let adapterDigest: String?

    /// Collective: every rank reads its own rows.
    ///
    /// - Parameters:
    ///   - headFile: safetensors file with `score.weight`, `[1, hidden]`, for a scalar head.
    ///   - seed: a scalar head that stands in no file starts from it, and so do adapters.
    /// - Throws: `RDOError.artefact` when a file is missing, damaged or of another shape.
    init(
        _ path: String, head: HeadKind, headFile: String? = nil, lora: LowRankSettings?, seed: UInt64,
        session: Session
    ) throws {
        let files = try ModelFiles(
            path, head: head, headFile: headFile, adaptation: lora?.adaptation, seed: seed, session: session)
        let model = files.model
        let mesh = try session.mesh(for: model.trainedLayout)
        let start = try session.world.collectively {
            try lora.flatMap { lora in
                try lora.start.map { try AdapterDirectory.open($0, lora.adaptation, layout: model.trainedLayout) }
            }
        }
        parameters = try ShardedParameters(layout: model.trainedLayout, mesh: mesh, gather: session.gatherPolicy)
        try files.read(into: parameters, startingFrom: start, session.world)
        frozen = try lora.map { _ in try files.frozenParameters(mesh: session.mesh(for: model.layout), session) }
        (self.path, self.model, self.mesh) = (path, model, mesh)
        digest = try files.digest(session.world)
        adapterDigest = try start.map { start in try session.world.textFromRankZero { try start.digest() } }
    }

    /// What the model runs with.
    var weights: any ParameterSource {
        guard let frozen else { return parameters }
        return AdaptedParameters(base: frozen, adapters: parameters, layout: parameters.layout)
    }

    /// The first step computes what the directory's model computes.
    var startsAsDirectory: Bool { adapterDigest == nil }
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
        let files = try ModelFiles(path, head: head, headFile: nil, adaptation: nil, seed: 0, session: session)
        let mesh = try session.mesh(for: files.model.layout)
        parameters = try files.frozenParameters(mesh: mesh, session)
        (directory, model) = (files.directory, files.model)
        team =
            session.gatherPolicy == .block
            ? mesh.shards : try session.world.split(color: session.world.rank, key: 0)
        digest = try files.digest(session.world)
    }
}

/// The files of a model directory, and what stands in for a scalar head that is not among them.
private struct ModelFiles {
    let directory: ModelDirectory
    let model: TransformerModel
    private let headWeights: SafetensorsFile?
    private let seed: UInt64

    init(
        _ path: String, head: HeadKind, headFile: String?, adaptation: LowRankAdaptation?, seed: UInt64,
        session: Session
    ) throws {
        directory = try session.world.collectively { try ModelDirectory.open(path, head: head) }
        let unused = directory.unusedTensors(head: head)
        if let first = unused.first {
            session.log.warning(
                "\(path): \(unused.count) tensors are not used, such as \(first): is config.json theirs?")
        }
        model = TransformerModel(
            directory.configuration, head: head, adaptation: adaptation,
            recomputesBlocks: session.configuration.parallel.recompute == .block)
        headWeights = try session.world.collectively { try headFile.map { try SafetensorsFile.open($0) } }
        self.seed = seed
    }

    /// Collective: every rank reads its own rows of what is trained.
    func read(into parameters: ShardedParameters, startingFrom start: AdapterDirectory?, _ world: Communicator) throws {
        try world.collectively {
            for (index, spec) in parameters.layout.specs.enumerated() {
                let (rows, values) = (parameters.ownRows(index), parameters.slice(index).pointer)
                if let start, start.contains(spec.name) {
                    try start.read(spec.name, rows: rows, into: values)
                } else {
                    try read(spec, rows, values)
                }
            }
        }
        try parameters.invalidate()
    }

    /// Collective: the whole model once per node, or its rows split over the shards with `parallel.gather: block`.
    func frozenParameters(mesh: Mesh, _ session: Session) throws -> any ParameterSource {
        guard session.gatherPolicy == .block else {
            return try FrozenParameters(
                layout: model.layout, mesh: mesh,
                storage: session.configuration.parallel.frozenWeights == .bf16 ? .bf16 : .f32
            ) { try read(model.layout.specs[$0], $1, $2) }
        }
        let parameters = try ShardedParameters(layout: model.layout, mesh: mesh, gather: .block)
        try read(into: parameters, startingFrom: nil, session.world)
        return parameters
    }

    private func read(_ spec: ParameterSpec, _ rows: Range<Int>, _ values: UnsafeMutablePointer<Float>) throws {
        let isAdapter = model.adaptation != nil && spec.name.contains(".lora_")
        if spec.name == "score.weight", let headWeights {
            try headWeights.check(spec.name, shape: spec.shape)
            try headWeights.read(spec.name, rows: rows, into: values)
        } else if isAdapter || spec.name == "score.weight" && !directory.contains(spec.name) {
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
