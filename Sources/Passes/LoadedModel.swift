import Costs
import Diagnostics
import Generation
import Methods
import Parallel
import Preferences
import Settings
import Storage
import Tensors
import Training
import Transformer

/// A model from a Hugging Face directory, ready to be trained.
struct LoadedModel {
    /// The directory.
    let path: String
    let trained: TrainedModel
    /// Digest of the directory's configuration and weights.
    let digest: String
    /// Digest of the adapters that training starts from; nil when they start at zero or there are none.
    let adapterDigest: String?
    /// Digest of the file that the scalar head starts from, `new` when it is drawn in place of the directory's; nil when
    /// it starts as the directory says, or from the seed where that has none.
    let headDigest: String?

    /// Collective: every rank reads its own rows.
    ///
    /// - Parameters:
    ///   - scalarHead: how a scalar head starts; one that stands in no file starts from the seed, and so do adapters.
    ///   - work: what it will be trained on, whose leaves decide how much memory it needs.
    /// - Throws: `RDOError.artefact` when a file is missing, damaged or of another shape.
    init(
        _ path: String, head: HeadKind, scalarHead: ScalarHeadSettings?, lora: LowRankSettings?,
        work: (TransformerModel) -> PlannedWork, session: Session
    ) throws {
        let files = try ModelFiles(
            path, head: head, scalarHead: scalarHead, adaptation: lora?.adaptation, session: session)
        let model = files.model
        let mesh = try session.mesh(for: work(model).memory(gathersBlocks: session.gatherPolicy == .block))
        let start = try session.world.collectively {
            try lora.flatMap { lora in
                try lora.start.map { try AdapterDirectory.open($0, lora.adaptation, layout: model.trainedLayout) }
            }
        }
        let parameters = try ShardedParameters(layout: model.trainedLayout, mesh: mesh, gather: session.gatherPolicy)
        try session.warn(
            ofCopies: parameters.gatheredBytes, isShared: parameters.isGatheredOncePerNode, mesh)
        try files.read(into: parameters, startingFrom: start, session.world)
        let frozen = try lora.map { _ in try files.frozenParameters(mesh: mesh, session) }
        (self.path, trained) = (path, TrainedModel(model, parameters, beside: frozen))
        digest = try files.digest(session)
        adapterDigest = try start.map { start in try session.world.textFromRankZero { try start.digest() } }
        headDigest =
            try scalarHead?.headFile.map { file in
                try session.world.textFromRankZero { try session.knownDigests.digest(ofFile: file) }
            } ?? (files.replacesHead ? ScalarHeadSettings.newHead : nil)
    }

    /// What the method's task must know of it.
    var start: StartModel {
        StartModel(
            costs: CostModel(trained.model.configuration, head: trained.model.head),
            digest: adapterDigest == nil ? digest : nil)
    }
}

/// A model from a Hugging Face directory that only runs forward.
struct FrozenModel {
    private let model: TransformerModel
    private let parameters: any ParameterSource
    /// The ranks that must run together, because they hold the parameters together; one where each can run alone.
    let team: Communicator
    /// Digest of the directory's configuration and weights.
    let digest: String
    /// The directory has weights of a scalar head.
    let hasScalarHead: Bool
    /// What a response ends with and is not scored at; nil for nothing.
    private let unscoredEnd: Int32?
    /// The longest sequence that it reads, in tokens.
    var maxPositions: Int { model.configuration.maxPositions }
    var vocabularySize: Int { model.configuration.vocabularySize }

    /// Collective: the whole model once per node, or its rows split over the shards with `parallel.gather: block`.
    ///
    /// - Parameters:
    ///   - adapter: PEFT directory that is merged into the weights.
    ///   - treeTokens: tokens that run at once at most; nil for what scoring and reference passes do.
    /// - Throws: `RDOError.artefact` when a file is missing, damaged or of another shape.
    init(
        _ path: String, head: HeadKind, adapter: String? = nil, treeTokens: Int? = nil, session: Session
    ) throws {
        let files = try ModelFiles(
            path, head: head, scalarHead: nil, adaptation: nil, merging: adapter, session: session)
        // How long its trees are shows only when they run: a chunk of responses, none of them longer than allowed.
        let settings = session.configuration
        let tokens = treeTokens ?? max(settings.score.chunk, settings.reference.chunk) * settings.data.maxTokens
        let mesh = try session.mesh(
            for: MemoryDemand(
                files.model, .forward, leafTokens: tokens, gathersBlocks: session.gatherPolicy == .block))
        parameters = try files.frozenParameters(mesh: mesh, session)
        model = files.model
        hasScalarHead = files.directory.contains(HeadKind.scalar.weightName)
        team =
            session.gatherPolicy == .block
            ? mesh.shards : try session.world.split(color: session.world.rank, key: 0)
        digest = try files.digest(session)
        unscoredEnd =
            try head == .scalar ? session.world.collectively { try ModelDirectory.paddingThatEnds(path) } : nil
        if let unscoredEnd, hasScalarHead {
            session.log.info(
                "\(path): pad_token_id is \(unscoredEnd), the EOS: single responses are scored one token before it, as "
                    + "transformers does")
        }
    }

    /// The score of each response of the examples.
    func rewards(of examples: [TokenizedExample]) -> ForestRequest {
        guard let unscoredEnd else { return .rewards(of: examples) }
        return .rewards(
            of: examples.map { example in
                var example = example
                example.responses = example.responses.map {
                    $0.count > 1 && $0.last == unscoredEnd ? $0.dropLast() : $0
                }
                return example
            })
    }

    /// What inputs of so many tokens will take while none was measured.
    func expectedSeconds(tokens: Int) -> Double {
        let costs = CostModel(model.configuration, head: model.head)
        let counts = OperationCounts(tokens: tokens, headRows: model.head == .languageModel ? tokens : 0)
        return ThroughputMeter().expectedSeconds(operations: costs.forward(counts).total)
    }

    /// Its responses are collective over the team.
    func generator(_ decoding: Decoding, _ stop: StopCondition, batch: Int) -> Generator {
        Generator(model: model, parameters: parameters, decoding: decoding, stop: stop, batch: batch)
    }

    /// Collective over the team.
    func outputs(of request: ForestRequest) throws -> [Double] {
        try model.outputs(of: request, parameters: parameters)
    }
}

/// The files of a model directory, and what stands in for a scalar head that is not among them.
private struct ModelFiles {
    let directory: ModelDirectory
    let model: TransformerModel
    /// The directory has weights of a scalar head, and they are not to be used.
    let replacesHead: Bool
    private let headWeights: SafetensorsFile?
    /// Adapters that become part of the weights, or stand in their place.
    private let merged: MergedAdapter?
    private let seed: UInt64

    init(
        _ path: String, head: HeadKind, scalarHead: ScalarHeadSettings?, adaptation: LowRankAdaptation?,
        merging adapter: String? = nil, session: Session
    ) throws {
        directory = try session.world.collectively { try ModelDirectory.open(path, head: head) }
        session.readModels.append((path, head))
        if head == .languageModel {
            _ = try session.world.onRankZero { [directory] in try directory.requireTiedHead() }
        }
        let hasHead = directory.contains(HeadKind.scalar.weightName)
        replacesHead = hasHead && scalarHead?.drawsHead == true
        if hasHead, let scalarHead {
            session.log.info(
                "\(path): its \(directory.scalarHeadName ?? HeadKind.scalar.weightName) is "
                    + (replacesHead || scalarHead.headFile != nil ? "left out" : "where the head starts"))
        }
        let unused = directory.unusedTensors(head: head)
        if let first = unused.first {
            session.log.warning(
                "\(path): \(unused.count) tensors are not used, such as \(first): is config.json theirs?")
        }
        model = TransformerModel(
            directory.configuration, head: head, adaptation: adaptation,
            recomputesBlocks: session.configuration.parallel.recompute == .block)
        let configuration = directory.configuration
        merged = try session.world.collectively {
            try adapter.map { try MergedAdapter($0, configuration, head: head) }
        }
        headWeights = try session.world.collectively {
            try scalarHead?.headFile.map { try SafetensorsFile.open($0) }
        }
        seed = session.seed
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
            let parameters = try FrozenParameters(
                layout: model.layout, mesh: mesh,
                storage: session.configuration.parallel.frozenWeights == .bf16 ? .bf16 : .f32
            ) { try read(model.layout.specs[$0], $1, $2) }
            try session.warn(ofCopies: parameters.byteCount, isShared: parameters.isOncePerNode, mesh)
            return parameters
        }
        let parameters = try ShardedParameters(layout: model.layout, mesh: mesh, gather: .block)
        try session.warn(
            ofCopies: parameters.gatheredBytes, isShared: parameters.isGatheredOncePerNode, mesh)
        try read(into: parameters, startingFrom: nil, session.world)
        return parameters
    }

    private func read(_ spec: ParameterSpec, _ rows: Range<Int>, _ values: UnsafeMutablePointer<Float>) throws {
        let isScalarHead = spec.role == .scalarHead
        if isScalarHead, let headWeights {
            try headWeights.check(spec.name, shape: spec.shape)
            try headWeights.read(spec.name, rows: rows, into: values)
        } else if spec.role.isAdapter || isScalarHead && (replacesHead || !directory.contains(spec.name)) {
            initialValues(
                for: spec, rows: rows, seed: seed, range: Double(model.configuration.initializerRange), into: values)
        } else {
            try directory.read(spec.name, rows: rows, into: values)
            try merged?.apply(to: spec, rows: rows, values)
        }
    }

    /// Collective. One rank reads the files once more; the others wait for the result.
    func digest(_ session: Session) throws -> String {
        let own = try session.digest(ofModel: directory.path) { try directory.digest() }
        guard let merged else { return own }
        return try own + "+" + session.world.textFromRankZero { try merged.digest() }
    }
}

extension Session {
    /// Writes the model of `model.init`, with its tokenizer, where `baseModel` points. Nothing to do for a given path or
    /// when it was written by the same configuration before.
    package func materializeInitialModel() throws {
        guard let settings = configuration.model.initial, configuration.model.path == nil else { return }
        try world.onRankZero {
            try InitialModel(settings, tokenizer: configuration.model.tokenizer, seed: seed)
                .write(to: configuration.baseModel)
        }
    }
}
