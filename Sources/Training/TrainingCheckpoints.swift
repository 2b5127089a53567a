import Configuration
import Diagnostics
import Foundation
import Parallel
import Storage
import Tensors
import Transformer

/// The checkpoints of one training run: every rank of the first replica writes its own rows, rank 0 publishes.
final class TrainingCheckpoints {
    private let directory: String
    private let mesh: Mesh
    private let run: TrainingRun
    /// Step of the newest checkpoint that this process wrote or restored.
    private(set) var lastSavedStep: Int?

    init(directory: String, mesh: Mesh, run: TrainingRun) {
        self.directory = directory
        self.mesh = mesh
        self.run = run
    }

    /// Collective. Restores parameters and optimizer as `policy` says.
    ///
    /// - Returns: the step to go on with; 0 for a fresh run.
    /// - Throws: `RDOError.artefact` when a checkpoint is damaged or belongs to another run.
    func restore(_ policy: ResumePolicy, parameters: ShardedParameters, optimizer: ShardedAdamW, log: Log) throws -> Int
    {
        guard let path = try choose(policy, log: log) else { return 0 }
        let checkpoint = try mesh.world.collectively { try Checkpoint.open(path) }
        try mesh.world.collectively {
            try check(checkpoint, parameters.layout)
            // `auto` chose a checkpoint that verifies; of a named one the ranks read every shard whole together.
            guard case .path = policy else { return }
            for shard in checkpoint.shards.indices where shard % mesh.world.size == mesh.world.rank {
                try checkpoint.verify(shard: shard)
            }
        }
        try mesh.world.collectively {
            for (index, spec) in parameters.layout.specs.enumerated() {
                let rows = parameters.ownRows(index)
                let slice = parameters.slice(index)
                guard !rows.isEmpty else { continue }
                let moments = [
                    (CheckpointKind.firstMoment, optimizer.firstMoments), (.secondMoment, optimizer.secondMoments),
                ]
                try checkpoint.read(.model, spec.name, rows: rows, into: slice.elements)
                for (kind, buffers) in moments {
                    let values = Matrix(
                        buffers[spec.group], offset: slice.offset, rows: slice.rows, columns: slice.columns)
                    try checkpoint.read(kind, spec.name, rows: rows, into: values.elements)
                }
            }
        }
        try parameters.invalidate()
        lastSavedStep = checkpoint.state.step
        log.info("continuing from step \(checkpoint.state.step) (\(path))")
        return checkpoint.state.step
    }

    /// Rank 0 looks, all hear.
    private func choose(_ policy: ResumePolicy, log: Log) throws -> String? {
        let path = try mesh.world.textFromRankZero {
            switch policy {
            case .never:
                // Older checkpoints with higher steps would pass for newer ones of this run.
                try CheckpointDirectory.removeAll(in: directory)
                return ""
            case .path(let path):
                return path
            case .auto:
                let (checkpoint, damaged) = try CheckpointDirectory.latest(in: directory, verifying: true)
                for error in damaged { log.warning("passing over a damaged checkpoint: \(error)") }
                if checkpoint == nil, let first = damaged.first { throw first }
                return checkpoint?.path ?? ""
            }
        }
        return path.isEmpty ? nil : path
    }

    private func check(_ checkpoint: Checkpoint, _ layout: ParameterLayout) throws {
        let differing = run.identity.keys.sorted().filter {
            checkpoint.state.extra["identity." + $0] != run.identity[$0]
        }
        guard differing.isEmpty else {
            throw RDOError(
                .artefact, "the checkpoint was made with another \(differing.joined(separator: ", "))",
                at: checkpoint.path,
                remedy: "use --resume never to start this pass anew, or another output directory")
        }
        for spec in layout.specs {
            guard checkpoint.shape(.model, spec.name) == spec.shape else {
                throw RDOError(
                    .artefact, "the checkpoint has no \(spec.name) of shape \(spec.shape)", at: checkpoint.path)
            }
        }
        guard checkpoint.hasOptimizer else {
            throw RDOError(.artefact, "the checkpoint holds no optimizer state", at: checkpoint.path)
        }
    }

    /// Collective. Returns when the checkpoint of `step` is complete on the disk and older ones are pruned.
    func save(step: Int, exampleCount: Int, parameters: ShardedParameters, optimizer: ShardedAdamW) throws {
        let world = mesh.world
        let header = ArtefactHeader(
            schema: "rdo.checkpoint/1", software: Version.software, config: run.configurationText, worldSize: world.size
        )
        let partial = try world.textFromRankZero { try CheckpointDirectory.begin(in: directory, step: step) }
        let id = try world.textFromRankZero { UUID().uuidString }

        let ownDigest: [UInt8] = try world.collectively {
            guard mesh.replica == 0 else { return [] }
            let writer = try CheckpointShardWriter(
                directory: partial, shard: mesh.shards.rank, of: mesh.shards.size, id: id, header: header)
            for (index, spec) in parameters.layout.specs.enumerated() {
                let slice = parameters.slice(index)
                let buffers: [(CheckpointKind, FloatBuffer)] = [
                    (.model, slice.buffer), (.firstMoment, optimizer.firstMoments[spec.group]),
                    (.secondMoment, optimizer.secondMoments[spec.group]),
                ]
                for (kind, buffer) in buffers {
                    let values = Matrix(buffer, offset: slice.offset, rows: slice.rows, columns: slice.columns)
                    try writer.write(
                        kind: kind, name: spec.name, shape: spec.shape, rows: parameters.ownRows(index),
                        values: UnsafeBufferPointer(values.elements))
                }
            }
            return try writer.close().bytes
        }
        let digests = try world.allGather(ownDigest).filter { !$0.isEmpty }.map { Digest(bytes: $0) }
        try world.collectively {
            guard world.rank == 0 else { return }
            try CheckpointIndex.write(
                directory: partial, id: id, digests: digests, state: state(step: step, exampleCount: exampleCount),
                header: header)
            try CheckpointDirectory.publish(partial)
            try CheckpointDirectory.prune(in: directory, keeping: max(1, run.settings.keepCheckpoints))
        }
        lastSavedStep = step
    }

    private func state(step: Int, exampleCount: Int) -> CheckpointState {
        let consumed = step * run.settings.batchSize
        var extra = Dictionary(uniqueKeysWithValues: run.identity.map { ("identity." + $0.key, $0.value) })
        extra["model_config"] = String(decoding: run.modelConfiguration, as: UTF8.self)
        extra["adapter_config"] = run.adapterConfiguration.map { String(decoding: $0, as: UTF8.self) }
        extra["tokenizer_source"] = run.tokenizerSource
        return CheckpointState(
            step: step, samplesConsumed: consumed, epoch: consumed / max(exampleCount, 1), seed: run.seed,
            task: run.identity["pass"] ?? "", schedule: run.settings.schedule.rawValue,
            referenceDigest: run.identity["reference"], coefficientDigest: run.identity["coefficients"],
            blasCore: BLAS.coreName, blasThreads: BLAS.threads, extra: extra)
    }
}
