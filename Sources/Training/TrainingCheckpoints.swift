import Coding
import Diagnostics
import Foundation
import Parallel
import Settings
import Storage
import Tensors
import Transformer

/// The checkpoints of one training run: every rank writes a part of its rows and verifies a part of what others wrote,
/// rank 0 publishes.
final class TrainingCheckpoints {
    private let run: TrainingRun
    private let mesh: Mesh
    private let parameters: ShardedParameters
    private let optimizer: ShardedAdamW
    private let exampleCount: Int
    private let totalSteps: Int
    private let log: Log
    /// Step of the run's newest checkpoint, where this process wrote it or went on from it.
    private(set) var lastSavedStep: Int?
    /// Id of the checkpoint that holds the present weights, or held them last.
    private(set) var lastID = ""

    init(
        _ run: TrainingRun, mesh: Mesh, parameters: ShardedParameters, optimizer: ShardedAdamW, exampleCount: Int,
        totalSteps: Int, log: Log
    ) {
        (self.run, self.mesh, self.parameters, self.optimizer) = (run, mesh, parameters, optimizer)
        (self.exampleCount, self.totalSteps, self.log) = (exampleCount, totalSteps, log)
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
    /// The run's checkpoints that do not fit, or are newer than the one to go on from, are put aside until the first new
    /// one is complete.
    /// - Returns: the step to go on with; 0 for a fresh run.
    /// - Throws: `RDOError.artefact` when all checkpoints are damaged, or the one that the policy names is damaged or
    ///   belongs to another run.
    func restore(_ policy: ResumePolicy) throws -> Int {
        try mesh.world.onRankZero {
            for path in try CheckpointDirectory.removeUnfinished(in: directory) {
                log.info("removed what an interrupted save left: \(path)")
            }
        }
        guard let checkpoint = try choose(policy) else {
            try supersede(after: -1)
            return 0
        }
        try mesh.world.collectively {
            for (index, spec) in parameters.layout.specs.enumerated() where !parameters.ownRows(index).isEmpty {
                for (kind, values) in arrays(index) {
                    try checkpoint.read(kind, spec.name, rows: parameters.ownRows(index), into: values.elements)
                }
            }
        }
        try parameters.invalidate()
        let step = checkpoint.state.step
        lastID = checkpoint.id
        // A checkpoint from elsewhere is none of this run's: a stop must save one first.
        if try mesh.world.isTrueOnRankZero({ CheckpointDirectory.isIn(directory, checkpoint.path) }) {
            lastSavedStep = step
            try supersede(after: step)
        } else {
            try supersede(after: step - 1)
        }
        log.info("continuing from step \(step) (\(checkpoint.path))")
        return step
    }

    private func choose(_ policy: ResumePolicy) throws -> Checkpoint? {
        switch policy {
        case .never: return nil
        case .path(let path):
            let checkpoint = try openIntact(path)
            if let reason = misfit(of: checkpoint) {
                throw RDOError(
                    .artefact, "the checkpoint does not fit this run: \(reason)", at: path,
                    remedy: "name one that does, or use --resume \(run.identity.pass)=never to train anew")
            }
            sayChanged(checkpoint)
            return checkpoint
        case .auto:
            guard let checkpoint = try newestIntact() else { return nil }
            guard let reason = misfit(of: checkpoint) else {
                sayChanged(checkpoint)
                return checkpoint
            }
            log.info("\(run.identity.pass): training anew, because \(reason)")
            return nil
        }
    }

    /// Collective. Nil when there is none; damaged ones are passed over.
    /// - Throws: `RDOError.artefact` when all are damaged.
    private func newestIntact() throws -> Checkpoint? {
        let paths = try mesh.world.textFromRankZero {
            try CheckpointDirectory.list(in: directory).joined(separator: "\n")
        }
        var damage: RDOError?
        for path in paths.split(separator: "\n") {
            do { return try openIntact(String(path)) } catch let error as RDOError where error.kind == .artefact {
                log.warning("passing over a damaged checkpoint: \(error)")
                damage = damage ?? error
            }
        }
        if let damage { throw damage }
        return nil
    }

    /// Collective. Each rank reads a part of the shards and compares it with the digests, for as long as that takes.
    private func openIntact(_ path: String) throws -> Checkpoint {
        let world = mesh.world
        let checkpoint = try world.collectively { try Checkpoint.open(path) }
        try world.withoutTimeout {
            try world.collectively {
                for shard in checkpoint.shards.indices where shard % world.size == world.rank {
                    try checkpoint.verify(shard: shard)
                }
            }
        }
        return checkpoint
    }

    private func supersede(after step: Int) throws {
        try mesh.world.onRankZero {
            for path in try CheckpointDirectory.supersede(in: directory, after: step) {
                log.info("put aside until a new checkpoint is complete: \(path)")
            }
        }
    }

    /// Why the run cannot go on from a checkpoint; nil when it can.
    private func misfit(of checkpoint: Checkpoint) -> String? {
        let state = checkpoint.state
        let differences = run.identity.differences(
            from: state.extra,
            except: run.settings.mayChangeLearningRate
                ? TrainingSettings.learningRateKeys.map { "\(run.identity.pass).\($0)" } : [])
        if !differences.isEmpty { return differences.joined(separator: ", ") }
        if state.step > totalSteps { return "it was trained for \(state.step) steps, and now for \(totalSteps)" }
        for spec in parameters.layout.specs where checkpoint.shape(.model, spec.name) != spec.shape {
            return "it has no \(spec.name) of shape \(spec.shape)"
        }
        return checkpoint.hasOptimizer ? nil : "it holds no optimizer state"
    }

    /// What differs although it may.
    private func sayChanged(_ checkpoint: Checkpoint) {
        let differences = run.identity.differences(from: checkpoint.state.extra)
        guard !differences.isEmpty else { return }
        log.warning(
            "\(run.identity.pass): going on although \(differences.joined(separator: ", ")) (may_change_learning_rate)")
    }

    /// Collective. Returns when the checkpoint of `step` is complete on the disk and older ones are pruned.
    func save(step: Int) throws {
        let world = mesh.world
        let header = ArtefactHeader(
            schema: "rdo.checkpoint/1", software: Version.software, config: run.configurationText, worldSize: world.size
        )
        let partial = try world.textFromRankZero { try CheckpointDirectory.begin(in: directory, step: step) }
        let id = try world.textFromRankZero { UUID().uuidString }

        let own: [UInt8] = try world.collectively {
            let writer = try CheckpointShardWriter(
                directory: partial, shard: world.rank, of: world.size, id: id, header: header)
            for (index, spec) in parameters.layout.specs.enumerated() {
                let rows = parameters.ownRows(index)
                let part = RowPartition(rows: rows.count, shards: mesh.replicas.size)[mesh.replica]
                for (kind, values) in arrays(index) where !part.isEmpty {
                    let elements = values.elements[part.lowerBound * values.columns..<part.upperBound * values.columns]
                    try writer.write(
                        kind: kind, name: spec.name, shape: spec.shape,
                        rows: rows.lowerBound + part.lowerBound..<rows.lowerBound + part.upperBound,
                        values: UnsafeBufferPointer(rebasing: elements))
                }
            }
            return try writer.close().message
        }
        let shards = try world.allGather(own).map { try WrittenShard(message: $0) }
        let path = try world.textFromRankZero {
            try CheckpointIndex.write(
                directory: partial, id: id, shards: shards, state: state(step: step), header: header)
            return try CheckpointDirectory.publish(partial)
        }
        (lastSavedStep, lastID) = (step, id)
        try prune(path)
    }

    /// Removes older checkpoints and those that were put aside, if the new one is intact.
    private func prune(_ new: String) throws {
        let keeping = run.settings.keepCheckpoints
        let isNeeded = try mesh.world.isTrueOnRankZero {
            try CheckpointDirectory.hasMore(in: directory, than: keeping)
        }
        guard isNeeded else { return }
        _ = try openIntact(new)
        try mesh.world.onRankZero { try CheckpointDirectory.prune(in: directory, keeping: keeping) }
    }

    private func state(step: Int) -> CheckpointState {
        let consumed = step * run.settings.batchSize
        var extra = run.identity.attributes
        extra["model_config"] = String(decoding: run.modelConfiguration, as: UTF8.self)
        extra["adapter_config"] = run.adapterConfiguration.map { String(decoding: $0, as: UTF8.self) }
        extra["tokenizer_source"] = run.tokenizerSource
        extra["examples"] = "\(exampleCount)"
        return CheckpointState(
            step: step, samplesConsumed: consumed, epoch: consumed / max(exampleCount, 1), seed: run.seed,
            task: run.identity.pass.rawValue, schedule: run.settings.schedule.rawValue,
            referenceDigest: run.identity.digest(of: .reference),
            coefficientDigest: run.identity.digest(of: .coefficients),
            blasCore: BLAS.coreName, blasThreads: BLAS.threads, extra: extra)
    }
}
