import Coding
import Diagnostics
import Foundation
import Parallel
import Storage
import Tensors
import Transformer

/// The checkpoints of one training run: every rank of the first replica writes its own rows, rank 0 publishes.
final class TrainingCheckpoints {
    private let run: TrainingRun
    private let mesh: Mesh
    private let parameters: ShardedParameters
    private let optimizer: ShardedAdamW
    private let exampleCount: Int
    /// Step of the newest checkpoint that this process wrote or restored.
    private(set) var lastSavedStep: Int?

    init(_ run: TrainingRun, mesh: Mesh, parameters: ShardedParameters, optimizer: ShardedAdamW, exampleCount: Int) {
        (self.run, self.mesh, self.parameters, self.optimizer) = (run, mesh, parameters, optimizer)
        self.exampleCount = exampleCount
    }

    private var directory: String { run.directory + "/checkpoints" }

    /// A parameter's own rows, and those of its moments, as a checkpoint keeps them.
    private func arrays(_ index: Int) -> [(kind: CheckpointKind, rows: Matrix)] {
        let slice = parameters.slice(index)
        let group = parameters.layout.requiredPlace(of: parameters.layout.specs[index].group)
        let buffers: [(CheckpointKind, FloatBuffer)] = [
            (.model, slice.buffer), (.firstMoment, optimizer.firstMoments[group]),
            (.secondMoment, optimizer.secondMoments[group]),
        ]
        // Moments are packed like parameters.
        return buffers.map { ($0, Matrix($1, offset: slice.offset, rows: slice.rows, columns: slice.columns)) }
    }

    /// Collective. Restores parameters and optimizer as `policy` says.
    ///
    /// - Returns: the step to go on with; 0 for a fresh run.
    /// - Throws: `RDOError.artefact` when a checkpoint is damaged or belongs to another run.
    func restore(_ policy: ResumePolicy, log: Log) throws -> Int {
        try mesh.world.onRankZero {
            for path in try CheckpointDirectory.removeUnfinished(in: directory) {
                log.info("removed what an interrupted save left: \(path)")
            }
        }
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
            for (index, spec) in parameters.layout.specs.enumerated() where !parameters.ownRows(index).isEmpty {
                for (kind, values) in arrays(index) {
                    try checkpoint.read(kind, spec.name, rows: parameters.ownRows(index), into: values.elements)
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
        let differing = run.identity.differences(from: checkpoint.state.extra)
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
    func save(step: Int) throws {
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
                for (kind, values) in arrays(index) {
                    try writer.write(
                        kind: kind, name: spec.name, shape: spec.shape, rows: parameters.ownRows(index),
                        values: UnsafeBufferPointer(values.elements))
                }
            }
            return try writer.close().bytes
        }
        let digests = try world.allGather(ownDigest).filter { !$0.isEmpty }.map { Digest(bytes: $0) }
        try world.onRankZero {
            try CheckpointIndex.write(
                directory: partial, id: id, digests: digests, state: state(step: step), header: header)
            try CheckpointDirectory.publish(partial)
            try CheckpointDirectory.prune(in: directory, keeping: max(1, run.settings.keepCheckpoints))
        }
        lastSavedStep = step
    }

    private func state(step: Int) -> CheckpointState {
        let consumed = step * run.settings.batchSize
        var extra = run.identity.attributes
        extra["model_config"] = String(decoding: run.modelConfiguration, as: UTF8.self)
        extra["adapter_config"] = run.adapterConfiguration.map { String(decoding: $0, as: UTF8.self) }
        extra["tokenizer_source"] = run.tokenizerSource
        return CheckpointState(
            step: step, samplesConsumed: consumed, epoch: consumed / max(exampleCount, 1), seed: run.seed,
            task: run.identity.pass.rawValue, schedule: run.settings.schedule.rawValue,
            referenceDigest: run.identity.digest(of: .reference),
            coefficientDigest: run.identity.digest(of: .coefficients),
            blasCore: BLAS.coreName, blasThreads: BLAS.threads, extra: extra)
    }
}
