import Configuration
import Diagnostics
import Foundation
import Parallel
import Preferences
import Storage
import Tensors
import Transformer

/// What a training run is made of, beside the model and the task.
package struct TrainingRun {
    package var settings: TrainingSettings
    /// `score.weight`'s own peak learning rate; nil uses the body's.
    package var headLearningRate: Double?
    package var seed: UInt64
    package var shuffle: Bool
    /// Holds `checkpoints/`, `metrics.jsonl` and `ledger.h5`.
    package var directory: String
    package var tracePath: String?
    /// Notes what every step does with every pair.
    package var keepsLedger: Bool
    /// What the run depends on, by name (model, data, reference, ...): a resumed run must have the same.
    package var identity: [String: String]
    package var configurationText: String
    /// config.json of the model, kept in every checkpoint so that it can be exported alone.
    package var modelConfiguration: Data
    /// adapter_config.json where adapters are trained, kept too.
    package var adapterConfiguration: Data?
    /// Directory or file that the tokenizer came from.
    package var tokenizerSource: String

    package init(
        settings: TrainingSettings, headLearningRate: Double?, seed: UInt64, shuffle: Bool, directory: String,
        tracePath: String?, keepsLedger: Bool = false, identity: [String: String], configurationText: String,
        modelConfiguration: Data,
        adapterConfiguration: Data? = nil, tokenizerSource: String
    ) {
        self.settings = settings
        self.headLearningRate = headLearningRate
        self.seed = seed
        self.shuffle = shuffle
        self.directory = directory
        self.tracePath = tracePath
        self.keepsLedger = keepsLedger
        self.identity = identity
        self.configurationText = configurationText
        self.modelConfiguration = modelConfiguration
        self.adapterConfiguration = adapterConfiguration
        self.tokenizerSource = tokenizerSource
    }

    /// Optimizer steps in all: `steps`, or as many batches as cover `epochs` passes over the data.
    package func totalSteps(exampleCount: Int) -> Int { settings.totalSteps(exampleCount: exampleCount) }
}

/// The training loop, read from top to bottom: draw a batch, cut it into leaves, run each leaf forward and backward,
/// sum the gradients over leaves and ranks in one fixed order, clip, step, record, save.
///
/// Every rank of the mesh runs the same loop; weights are bit-identical for every power-of-two number of ranks.
package final class Trainer<Task: TrainingTask> {
    private let model: TransformerModel
    /// What is trained: all parameters, or the adapters.
    private let parameters: ShardedParameters
    private let mesh: Mesh
    private let task: Task
    private let evaluationTask: Task?
    private let run: TrainingRun
    private let log: Log

    private let optimizer: ShardedAdamW
    private let schedule: LearningRateSchedule
    private let accumulator: GradientAccumulator
    /// How the backward pass sees the accumulator.
    private let gradientSink: any GradientSink
    private let order: SampleOrder
    private let meter: ThroughputMeter
    private let leafRunner: LeafRunner
    private let forwardRunner: ForwardRunner
    private let totalSteps: Int
    private let checkpoints: TrainingCheckpoints
    /// On the rank that writes files, when one is kept.
    private var ledger: LedgerWriter?
    /// Seconds that the slowest save and step took so far: the reserve before a job's end.
    private var saveSeconds = 5.0
    private var stepSeconds = 0.0

    /// - Parameters:
    ///   - parameters: what is trained, in `model.trainedLayout`.
    ///   - frozen: the base of an adapted model.
    /// - Precondition: there are at least as many leaves as ranks.
    package init(
        model: TransformerModel, parameters: ShardedParameters, frozen: (any ParameterSource)? = nil, mesh: Mesh,
        task: Task, evaluationTask: Task?,
        run: TrainingRun, log: Log
    ) {
        self.model = model
        self.parameters = parameters
        self.mesh = mesh
        self.task = task
        self.evaluationTask = evaluationTask
        self.run = run
        self.log = log
        precondition(run.settings.microBatches >= mesh.world.size, "every rank needs a leaf")
        totalSteps = run.totalSteps(exampleCount: task.exampleCount)
        optimizer = ShardedAdamW(parameters, run.settings, headLearningRate: run.headLearningRate)
        schedule = LearningRateSchedule(run.settings, totalSteps: totalSteps)
        accumulator = GradientAccumulator(layout: parameters.layout, mesh: mesh)
        order = SampleOrder(count: task.exampleCount, seed: run.seed, shuffle: run.shuffle)
        meter = ThroughputMeter()
        let layout = parameters.layout
        let whole = frozen.map { AdaptedParameters(base: $0, adapters: parameters, layout: layout) }
        gradientSink = frozen == nil ? accumulator : AdapterGradients(accumulator, layout: layout)
        leafRunner = LeafRunner(model: model, parameters: whole ?? parameters)
        forwardRunner = ForwardRunner(model: model, parameters: whole ?? parameters)
        checkpoints = TrainingCheckpoints(directory: run.directory + "/checkpoints", mesh: mesh, run: run)
    }

    /// Trains to the last step and leaves a checkpoint of it.
    ///
    /// - Parameter resume: where to continue from.
    /// - Returns: how many steps were made; 0 when the run was complete already.
    /// - Throws: `RDOError.stopped` after saving when a signal came; `.numerical` when a loss or gradient is not finite;
    ///   `.artefact` when the checkpoint does not fit the run.
    package func train(resume: ResumePolicy) throws -> Int {
        let start = try checkpoints.restore(resume, parameters: parameters, optimizer: optimizer, log: log)
        var step = start
        let metrics = try speaker {
            try JSONLinesFile(path: run.directory + "/metrics.jsonl", keepingStepsBefore: start)
        }
        let trace = try speaker {
            try run.tracePath.map { try JSONLinesFile(path: $0, keepingStepsBefore: start) }
        }
        ledger = try speaker { try openLedger(from: start) }
        try speaker { try JSONLinesFile(path: evaluationPath, keepingStepsBefore: start == 0 ? 0 : start + 1) }
        let progress = Progress("step", total: totalSteps, start: start, log: log)

        while step < totalSteps {
            try stopIfAsked(step: step)
            let began = ContinuousClock.now
            let exposedBefore = CommunicationThread.shared.exposedSeconds

            let samples = order.samples((step * run.settings.batchSize)..<((step + 1) * run.settings.batchSize))
            let factor = schedule.factor(step: step)
            let maximum = run.settings.maxGradNorm
            let norm = GradientNorm(parameters)
            let update = { [optimizer, parameters, run] (group: Int, gradient: FloatBuffer, scale: Double) in
                optimizer.step(
                    parameters, group: group, gradient: gradient, gradientScale: scale,
                    learningRate: run.settings.learningRate * factor, update: step + 1)
            }
            accumulator.reset()
            let batch = try forEachLeaf(
                of: samples, task: task, leafCount: run.settings.microBatches, gradients: accumulator,
                onTotal: { group, total in
                    norm.add(group: group, total)
                    // Clipping needs the norm over all groups; without it a group is updated while others are under way.
                    if maximum == 0 { update(group, total, 1) }
                })
            let gradients = try parameters.layout.groups.indices.map { try accumulator.total(group: $0) }
            let loss = batch.metrics[0].value
            let gradientNorm = try norm.squared().squareRoot()
            guard loss.isFinite, gradientNorm.isFinite else {
                try speaker { try ledger?.flush() }
                throw RDOError(
                    .numerical, "loss \(loss) and gradient norm \(gradientNorm) at step \(step)",
                    remedy: "lower the learning rate or look at data rows "
                        + "\(samples.prefix(8).map { String(task.dataRow(of: $0)) }.joined(separator: ", ")); earlier checkpoints are intact"
                )
            }
            if step == 0 { try task.checkFirstStep(sums: batch.sums, count: samples.count) }
            if maximum > 0 {
                let scale = min(1, maximum / (gradientNorm + 1e-6))
                for (group, gradient) in gradients.enumerated() { update(group, gradient, scale) }
            }
            try parameters.invalidate()

            let seconds = began.duration(to: .now) / .seconds(1)
            let exposed = CommunicationThread.shared.exposedSeconds - exposedBefore
            stepSeconds = max(stepSeconds, seconds)
            let peakMemory = try mesh.world.allReduceMax(ResidentMemory.peak())
            let state = parameters.ownBytes + accumulator.allocatedBytes + optimizer.allocatedBytes
            let stateMemory = try mesh.world.allReduceMax(state)
            try speaker {
                let planned =
                    ["step": step, "rows": samples.map { task.dataRow(of: $0) }, "epochs": samples.map(\.epoch)]
                    as [String: Any]
                try trace?.append(
                    Self.json(planned.merging(task.trace(samples, outputs: batch.outputs)) { plan, _ in plan }))
                ledger?.append(batch.visits, step: step)
                try metrics?.append(
                    JSONLinesFile.object(
                        [
                            Metric("step", Double(step)),
                            Metric("epoch", Double(samples[0].number) / Double(task.exampleCount)),
                            Metric("samples", Double((step + 1) * run.settings.batchSize)), batch.metrics[0],
                            Metric("learning_rate", run.settings.learningRate * factor),
                            Metric("grad_norm", gradientNorm), Metric("tokens", batch.tokens),
                            Metric("tokens_per_second", batch.tokens / seconds), Metric("seconds", seconds),
                            Metric("mfu", batch.operations / seconds / (meter.peak * Double(mesh.world.size))),
                            Metric("leaf_imbalance", batch.leafImbalance),
                            Metric("rank_imbalance", batch.rankImbalance), Metric("comm_exposed_seconds", exposed),
                            Metric("state_memory_bytes", Double(stateMemory)),
                            Metric("gathered_memory_bytes", Double(parameters.gatheredBytes)),
                            Metric("peak_memory_bytes", Double(peakMemory)),
                        ] + batch.metrics.dropFirst()))
            }
            step += 1
            progress.update(step, detail: Self.summary(batch.metrics, gradientNorm))

            let every = run.settings.checkpointEvery
            if step == totalSteps || every > 0 && step % every == 0 { try save(step: step) }
            let evaluateEvery = run.settings.evaluateEvery
            if evaluateEvery > 0 && step % evaluateEvery == 0 && step < totalSteps { try evaluate(step: step) }
        }
        try evaluate(step: step)
        return step - start
    }

    // MARK: - One batch

    private struct BatchResult {
        var sums: [String: Double]
        var metrics: [Metric]
        /// The outputs of every sample, gathered only for a trace or a ledger.
        var outputs: [[Double]]
        /// What the batch does with its pairs, for a ledger.
        var visits: [PairVisit]
        var tokens: Double
        var operations: Double
        var leafImbalance: Double
        var rankImbalance: Double
    }

    /// Leaf `l` runs on rank `l mod R` at sub-step `l div R`. With `gradients`, the batch's gradient is left there.
    private func forEachLeaf(
        of samples: [Sample], task: Task, leafCount: Int, gradients: GradientAccumulator?,
        beforeSubStep: () throws -> Void = {}, onTotal: ((Int, FloatBuffer) -> Void)? = nil
    ) throws -> BatchResult {
        let denominator = task.denominator(of: samples)
        let plan = task.plan(samples, leaves: leafCount, tokenLimit: run.settings.microBatchTokens)
        let ranks = mesh.world.size
        let task = try prepared(task, for: samples, leaves: plan.leaves, beforeSubStep: beforeSubStep)
        let names = task.sumNames
        var sums = Array(repeating: ExactSum(), count: names.count + 2)
        var ownOutputs = SampleOutputs()
        let subSteps = (plan.leaves.count + ranks - 1) / ranks
        for subStep in 0..<subSteps {
            try beforeSubStep()
            if subStep == subSteps - 1 { gradients?.onTotal = onTotal }
            let leaf = subStep * ranks + mesh.world.rank
            let positions = leaf < plan.leaves.count ? plan.leaves[leaf] : []
            let own = positions.map { samples[$0] }
            let request = task.request(own)
            let loss = try leafRunner.run(request, gradients: gradients == nil ? nil : gradientSink) { outputs in
                ownOutputs.append(outputs, positions: positions, counts: own.map { task.outputCount(of: $0) })
                return task.loss(own, outputs: outputs, denominator: denominator)
            }
            let operations = leaf < plan.leaves.count ? plan.costs[leaf] * ThroughputMeter.trainingPerForward(model) : 0
            let figures = loss.sums + [Double(request.forest.tokens.count), operations]
            for (index, value) in figures.enumerated() { sums[index].add(value) }
        }
        let totals = try ExactSum.totals(sums, over: mesh.world)
        let named = Dictionary(uniqueKeysWithValues: zip(names, totals))
        let isRecorded = gradients != nil && (run.tracePath != nil || run.keepsLedger)
        let outputs = isRecorded ? try ownOutputs.gathered(count: samples.count, over: mesh.world) : []
        return BatchResult(
            sums: named, metrics: task.metrics(sums: named, count: samples.count, denominator: denominator),
            outputs: outputs,
            visits: isRecorded && ledger != nil
                ? task.visits(samples, outputs: outputs, denominator: denominator) : [],
            tokens: totals[names.count], operations: totals[names.count + 1], leafImbalance: plan.leafImbalance,
            rankImbalance: plan.rankImbalance(ranks: ranks))
    }

    /// The task as the batch's losses need it: after its first phase, when it has one.
    private func prepared(
        _ task: Task, for samples: [Sample], leaves: [[Int]], beforeSubStep: () throws -> Void
    ) throws -> Task {
        guard task.preliminarySumCount > 0 else { return task }
        let ranks = mesh.world.size
        var sums = Array(repeating: ExactSum(), count: task.preliminarySumCount)
        for start in stride(from: 0, to: leaves.count, by: ranks) {
            try beforeSubStep()
            let leaf = start + mesh.world.rank
            let own = leaf < leaves.count ? leaves[leaf].map { samples[$0] } : []
            let outputs = try forwardRunner.outputs(of: task.preliminaryRequest(own))
            for (index, value) in task.preliminarySums(own, outputs: outputs).enumerated() { sums[index].add(value) }
        }
        return task.prepared(with: try ExactSum.totals(sums, over: mesh.world))
    }

    // MARK: - Evaluation, saving, stopping

    private var evaluationPath: String { run.directory + "/evaluation.jsonl" }

    /// Means over the held-out task: forward only, each example once. Not repeated for a step that is recorded.
    private func evaluate(step: Int) throws {
        guard let evaluationTask, evaluationTask.exampleCount > 0, try !isEvaluated(step: step) else { return }
        let began = ContinuousClock.now
        let samples = (0..<evaluationTask.exampleCount).map { Sample(number: $0, row: $0, epoch: 0) }
        // Leaves as small as a training leaf, so that evaluation needs no more memory than training.
        let leafSize = max(1, run.settings.batchSize / run.settings.microBatches)
        let result = try forEachLeaf(
            of: samples, task: evaluationTask, leafCount: (samples.count + leafSize - 1) / leafSize, gradients: nil,
            beforeSubStep: { try self.stopIfAsked(step: step) })
        try speaker {
            let file = try JSONLinesFile(path: evaluationPath, keepingStepsBefore: step)
            try file.append(
                JSONLinesFile.object(
                    [Metric("step", Double(step)), Metric("test_examples", Double(samples.count))]
                        + result.metrics.map { Metric("test_" + $0.name, $0.value) }))
            log.info(
                "step \(step), \(samples.count) held-out examples: "
                    + result.metrics.map { "\($0.name) \(String(format: "%.4g", $0.value))" }.joined(separator: ", ")
                    + String(format: " (%.1f s)", began.duration(to: .now) / .seconds(1)))
        }
    }

    private func isEvaluated(step: Int) throws -> Bool {
        try mesh.world.isTrueOnRankZero { JSONLinesFile.holds(step: step, path: evaluationPath) }
    }

    private func save(step: Int) throws {
        let began = ContinuousClock.now
        // First, so that whoever continues from the checkpoint finds every earlier step in the ledger.
        try speaker { try ledger?.flush() }
        try checkpoints.save(step: step, exampleCount: task.exampleCount, parameters: parameters, optimizer: optimizer)
        saveSeconds = max(saveSeconds, began.duration(to: .now) / .seconds(1))
    }

    /// The run's ledger, when it keeps one and has steps to make. Without one, that of an earlier run goes with its
    /// checkpoints and metrics.
    private func openLedger(from start: Int) throws -> LedgerWriter? {
        let path = run.directory + "/ledger.h5"
        guard run.keepsLedger else {
            if start == 0 { try LedgerWriter.discard(path) }
            return nil
        }
        guard start < totalSteps else { return nil }
        let header = ArtefactHeader(
            schema: LedgerFile.schema, software: Version.software, config: run.configurationText,
            worldSize: mesh.world.size)
        let ledger = try LedgerWriter(
            path: path, header: header, pass: run.identity["pass"] ?? "", keepingStepsBefore: start)
        if start > 0, ledger.count == 0 { log.warning("the ledger begins at step \(start): \(path)") }
        return ledger
    }

    /// Saves and leaves when any rank was asked to stop; the flag of all ranks decides, so all leave at the same step.
    private func stopIfAsked(step: Int) throws {
        let reserve = 2 * saveSeconds + 2 * stepSeconds + 10
        guard try mesh.world.allReduceMax(StopSignal.isRequested(reserve: reserve) ? 1 : 0) == 1 else { return }
        if checkpoints.lastSavedStep != step { try save(step: step) }
        throw RDOError(
            .stopped, "stopped at step \(step) of \(totalSteps) with a complete checkpoint",
            at: run.directory, remedy: "run the same command again to continue")
    }

    /// Runs `body` on the rank that writes files; an error there is everybody's.
    @discardableResult
    private func speaker<Result>(_ body: () throws -> Result?) throws -> Result? {
        try mesh.world.collectively { mesh.world.rank == 0 ? try body() : nil }
    }

    private static func summary(_ metrics: [Metric], _ norm: Double) -> String {
        let shown = metrics.filter { ["loss", "accuracy", "margin"].contains($0.name) }
        return shown.map { "\($0.name) \(String(format: "%.4f", $0.value))" }.joined(separator: " ")
            + String(format: " grad %.3g", norm)
    }

    private static func json(_ object: [String: Any]) throws -> String {
        let data = try JSONSerialization.data(withJSONObject: object, options: [.sortedKeys])
        return String(decoding: data, as: UTF8.self)
    }
}

/// Where a training run begins.
package enum ResumePolicy: Sendable, Equatable {
    /// The newest complete checkpoint of the run's own directory, if any.
    case auto
    case never
    case path(String)
}
