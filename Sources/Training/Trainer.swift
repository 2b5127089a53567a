import Coding
import Costs
import Diagnostics
import Foundation
import Parallel
import Preferences
import Tensors
import Transformer

/// The training loop. Every rank of the mesh runs the same loop; weights are bit-identical for every power-of-two number
/// of ranks.
package final class Trainer<Task: TrainingTask> {
    private let trained: TrainedModel
    private let task: Task
    private let evaluationTask: Task?
    private let run: TrainingRun
    private let log: Log

    private let world: Communicator
    private let order: SampleOrder
    private let rates: LearningRates
    private let optimizer: ShardedAdamW
    private let accumulator: GradientAccumulator
    private let batches: BatchRunner
    private let checkpoints: TrainingCheckpoints
    private let meter = ThroughputMeter()
    /// Seconds that the slowest save and step took so far: the reserve before a job's end, and what ranks wait for each
    /// other. The first save is expected to write 100 MB a second, the first step to reach a third of a GEMM's speed.
    private var saveSeconds: Double
    private var stepSeconds: (slowest: Double, isMeasured: Bool)?

    /// - Precondition: there are at least as many leaves as ranks.
    package init(_ trained: TrainedModel, task: Task, evaluationTask: Task?, run: TrainingRun, log: Log) {
        (self.trained, self.task, self.evaluationTask, self.run, self.log) = (trained, task, evaluationTask, run, log)
        world = trained.mesh.world
        precondition(run.settings.microBatches >= world.size, "every rank needs a leaf")
        totalSteps = run.settings.totalSteps(exampleCount: task.exampleCount)
        order = SampleOrder(count: task.exampleCount, seed: run.seed, shuffle: run.shuffle)
        rates = LearningRates(run.settings, head: run.headLearningRate, totalSteps: totalSteps)
        optimizer = ShardedAdamW(trained.parameters, run.settings, rates: rates)
        accumulator = GradientAccumulator(layout: trained.parameters.layout, mesh: trained.mesh)
        batches = BatchRunner(
            model: trained.model, parameters: trained.weights, world: world, tokenLimit: run.settings.microBatchTokens)
        saveSeconds = 5 + Double(trained.parameters.ownBytes + optimizer.allocatedBytes) / 100e6
        checkpoints = TrainingCheckpoints(
            run, mesh: trained.mesh, parameters: trained.parameters, optimizer: optimizer,
            exampleCount: task.exampleCount, totalSteps: totalSteps, log: log)
    }

    /// Trains to the last step and leaves a checkpoint of it.
    ///
    /// - Parameter resume: where to continue from.
    /// - Returns: how many steps were made; 0 when the run was complete already.
    /// - Throws: `RDOError.stopped` after saving when a signal came; `.numerical` when a loss or gradient is not finite;
    ///   `.artefact` when the checkpoint does not fit the run.
    package func train(resume: ResumePolicy) throws -> Int {
        let start = try checkpoints.restore(resume)
        try sayScheduleChanged(at: start)
        let recorder = try Recorder<Task>(run, from: start, to: totalSteps, world: world, log: log)
        let progress = Progress("step", total: totalSteps, start: start, log: log)
        // A stop may have come between the save and the evaluation of that step.
        if start > 0 && isEvaluated(after: start) { try evaluate(start, recorder) }
        for step in start..<max(start, totalSteps) {
            try stopIfAsked(step, recorder)
            let clock = StepClock()
            let samples = order.samples((step * run.settings.batchSize)..<((step + 1) * run.settings.batchSize))
            let (batch, gradient) = try gradient(of: samples, step, gathersOutputs: recorder.wantsOutputs)
            try check(batch, gradient, samples, step, recorder)
            try update(gradient, step)
            try recorder.record(step, figures(step, samples, batch, gradient, clock), samples, batch)
            progress.update(step + 1, detail: Self.summary(batch.metrics, gradient))
            if isSaved(after: step + 1) { try save(step + 1, recorder) }
            if isEvaluated(after: step + 1) { try evaluate(step + 1, recorder) }
        }
        try evaluate(max(start, totalSteps), recorder)
        return max(start, totalSteps) - start
    }

    /// Collective. A run that is made longer after some steps has another learning rate from there on: the schedule ends
    /// elsewhere.
    private func sayScheduleChanged(at start: Int) throws {
        guard start > 0, start < totalSteps else { return }
        let path = run.directory + "/metrics.jsonl"
        let line = try world.textFromRankZero { try JSONLinesFile.line(of: start - 1, about: nil, path: path) ?? "" }
        guard let old = try? JSONParser.parse(Array(line.utf8))["learning_rate"]?.double else { return }
        let (same, next) = (rates.rate(step: start - 1), rates.rate(step: start))
        guard abs(old - same) > 1e-9 * max(old, same) else { return }
        log.warning(
            "the learning rate was \(old) at step \(start) and is \(next) at the next: the schedule now ends at step "
                + "\(run.settings.scheduleSteps ?? totalSteps); schedule_steps keeps one that was made for fewer steps, and "
                + "another output that starts from this one's model begins one of its own")
    }

    /// Id of the checkpoint that holds the weights which `train` left.
    package var checkpointID: String { checkpoints.lastID }
    package let totalSteps: Int

    // MARK: - A step

    /// The gradient of a batch: own rows of each group, and the norm of the whole before clipping.
    private typealias Gradient = (groups: [FloatBuffer], norm: Double)

    /// Forward and backward over the leaves. Without clipping a group is updated as soon as its sum is complete, while
    /// others are under way; clipping needs the norm over all groups first.
    private func gradient(
        of samples: [Sample], _ step: Int, gathersOutputs: Bool
    ) throws -> (BatchRunner.Result<Task>, Gradient) {
        let norm = GradientNorm(trained.parameters)
        let clips = run.settings.maxGradNorm > 0
        let total = { @Sendable [optimizer] (group: Int, gradient: FloatBuffer) in
            norm.add(group: group, gradient)
            if !clips { optimizer.update(group: group, gradient: gradient, scale: 1, step: step) }
        }
        accumulator.reset()
        let batch = try batches.run(
            samples, of: task, leaves: run.settings.microBatches, gathersOutputs: gathersOutputs,
            gradients: { [accumulator] in accumulator.leaf(onTotal: $0 ? total : nil) })
        let groups = try trained.parameters.layout.groups.indices.map { try accumulator.total(group: $0) }
        return (batch, (groups, try norm.squared().squareRoot()))
    }

    private func check(
        _ batch: BatchRunner.Result<Task>, _ gradient: Gradient, _ samples: [Sample], _ step: Int,
        _ recorder: Recorder<Task>
    ) throws {
        guard batch.metrics.loss.isFinite, gradient.norm.isFinite else {
            try recorder.flushLedger()
            let rows = samples.prefix(8).map { String(task.dataRow(of: $0)) }.joined(separator: ", ")
            throw RDOError(
                .numerical, "loss \(batch.metrics.loss) and gradient norm \(gradient.norm) at step \(step)",
                remedy: "lower the learning rate or look at data rows \(rows); earlier checkpoints are intact")
        }
        if step == 0 { try task.checkFirstStep(batch.sums, count: samples.count) }
    }

    private func update(_ gradient: Gradient, _ step: Int) throws {
        let maximum = run.settings.maxGradNorm
        if maximum > 0 {
            let scale = min(1, maximum / (gradient.norm + 1e-6))
            for (group, values) in gradient.groups.enumerated() {
                optimizer.update(group: group, gradient: values, scale: scale, step: step)
            }
        }
        try trained.parameters.invalidate()
    }

    /// What metrics.jsonl says of a step of any pass.
    private func figures(
        _ step: Int, _ samples: [Sample], _ batch: BatchRunner.Result<Task>, _ gradient: Gradient, _ clock: StepClock
    ) throws -> JSONLine {
        let (seconds, exposed) = (clock.seconds, clock.exposedSeconds)
        let before = stepSeconds.map { $0.isMeasured ? $0.slowest : 0 } ?? 0
        stepSeconds = (max(before, seconds), true)
        world.extendPatience(seconds: 4 * seconds)
        let peakMemory = try world.allReduceMax(ResidentMemory.peak())
        let state = trained.parameters.ownBytes + accumulator.allocatedBytes + optimizer.allocatedBytes
        let stateMemory = try world.allReduceMax(state)
        // The learning rate is the body's, the norm that before clipping. `mfu` is the floating-point work of all ranks
        // over what their matrix products alone could do in the time; exposed are the seconds that communication kept
        // this rank waiting; memory is that of the rank that holds most.
        return [
            .step: step, .epoch: Double(samples[0].number) / Double(task.exampleCount),
            .samples: (step + 1) * run.settings.batchSize, .loss: batch.metrics.loss,
            .learningRate: rates.rate(step: step), .gradNorm: gradient.norm, .tokens: Int(batch.tokens),
            .tokensPerSecond: batch.tokens / seconds, .seconds: seconds,
            .mfu: batch.operations / seconds / (meter.peak * Double(world.size)),
            .leafImbalance: batch.plan.leafImbalance,
            .rankImbalance: batch.plan.rankImbalance(ranks: world.size), .commExposedSeconds: exposed,
            .stateMemoryBytes: stateMemory, .gatheredMemoryBytes: trained.parameters.gatheredBytes,
            .peakMemoryBytes: peakMemory,
        ]
    }

    private static func summary(_ metrics: StepMetrics, _ gradient: Gradient) -> String {
        let shown = [Metric.loss, .accuracy, .margin].compactMap { metric in
            metrics[metric].map { "\(metric.name) \(String(format: "%.4f", $0))" }
        }
        return shown.joined(separator: " ") + String(format: " grad %.3g", gradient.norm)
    }

    // MARK: - Evaluating, saving, stopping

    private func isSaved(after step: Int) -> Bool {
        let every = run.settings.checkpointEvery
        return step == totalSteps || every > 0 && step % every == 0
    }

    private func isEvaluated(after step: Int) -> Bool {
        let every = run.settings.evaluateEvery
        return every > 0 && step % every == 0 && step < totalSteps
    }

    /// Means over the held-out task: forward only, each example once. Not repeated for a step that is recorded.
    private func evaluate(_ step: Int, _ recorder: Recorder<Task>) throws {
        guard let evaluationTask, evaluationTask.exampleCount > 0, try !recorder.isEvaluated(step: step) else { return }
        let clock = StepClock()
        let samples = (0..<evaluationTask.exampleCount).map { Sample(number: $0, row: $0, epoch: 0) }
        // Leaves as small as a training leaf, so that evaluation needs no more memory than training.
        let leafSize = max(1, run.settings.batchSize / run.settings.microBatches)
        let batch = try batches.run(
            samples, of: evaluationTask, leaves: (samples.count + leafSize - 1) / leafSize, gathersOutputs: false,
            beforeSubStep: { try stopIfAsked(step, recorder) })
        try recorder.record(evaluation: batch.metrics, step: step, examples: samples.count, seconds: clock.seconds)
    }

    private func save(_ step: Int, _ recorder: Recorder<Task>) throws {
        let clock = StepClock()
        try recorder.flushLedger()
        try checkpoints.save(step: step)
        saveSeconds = max(saveSeconds, clock.seconds)
    }

    /// Saves and leaves when any rank was asked to stop; the flag of all ranks decides, so all leave at the same step.
    private func stopIfAsked(_ step: Int, _ recorder: Recorder<Task>) throws {
        let expected = try stepSeconds ?? (expectedSeconds(of: step), false)
        stepSeconds = expected
        let reserve = 2 * saveSeconds + 2 * expected.slowest + 10
        guard try world.allReduceMax(StopSignal.isRequested(reserve: reserve) ? 1 : 0) == 1 else { return }
        if checkpoints.lastSavedStep != step { try save(step, recorder) }
        throw RDOError(
            .stopped, "stopped at step \(step) of \(totalSteps) with a complete checkpoint", at: run.directory,
            remedy: "run the same command again to continue")
    }
}

extension Trainer {
    /// What a step that none was measured before will take, from its operations: the slowest rank's guess.
    private func expectedSeconds(of step: Int) throws -> Double {
        let settings = run.settings
        let samples = order.samples((step * settings.batchSize)..<((step + 1) * settings.batchSize))
        let plan = task.plan(samples, leaves: settings.microBatches, tokenLimit: settings.microBatchTokens)
        let costs = CostModel(trained.model.configuration, head: trained.model.head)
        let operations = plan.leaves.reduce(0) { sum, leaf in
            let counts = task.request(leaf.map { samples[$0] }).counts
            return sum + costs.training(counts, isAdapted: trained.model.adaptation != nil).total
        }
        let seconds = meter.expectedSeconds(operations: operations / Double(world.size))
        let slowest = Double(try world.allReduceMax(Int(seconds.rounded(.up))))
        world.extendPatience(seconds: 4 * slowest)
        return slowest
    }
}

/// The time since it was made, and how much of it communication kept this rank waiting.
private struct StepClock {
    private let began = ContinuousClock.now
    private let exposedBefore = CommunicationThread.shared.exposedSeconds

    var seconds: Double { began.duration(to: .now) / .seconds(1) }
    var exposedSeconds: Double { CommunicationThread.shared.exposedSeconds - exposedBefore }
}
