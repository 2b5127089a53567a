import Costs
import Parallel
import Preferences
import Transformer

/// Runs a global batch over all ranks, forward alone or forward and backward: leaf `l` on rank `l mod R` at sub-step
/// `l div R`.
struct BatchRunner {
    let model: TransformerModel
    let parameters: any ParameterSource
    let world: Communicator
    let tokenLimit: Int?

    struct Result<Task: TrainingTask> {
        let sums: FigureSums<Task.Figure>
        let metrics: StepMetrics
        /// The task as the losses needed it, after its first phase.
        let task: Task
        let denominator: Double
        /// The outputs of every sample, where they were asked for.
        let outputs: [[Double]]
        let tokens: Double
        /// Floating-point operations, forward and backward.
        let operations: Double
        let plan: BatchPlan
    }

    /// Collective.
    ///
    /// - Parameters:
    ///   - leaves: how many the batch is cut into.
    ///   - gathersOutputs: every rank gets the outputs of all samples.
    ///   - gradients: takes the gradients of a sub-step's leaf; nil runs forward alone.
    func run<Task: TrainingTask>(
        _ samples: [Sample], of task: Task, leaves: Int, gathersOutputs: Bool,
        gradients: ((_ isLastSubStep: Bool) -> any GradientSink)? = nil, beforeSubStep: () throws -> Void = {}
    ) throws -> Result<Task> {
        let plan = task.plan(samples, leaves: leaves, tokenLimit: tokenLimit)
        let denominator = task.denominator(of: samples)
        let task = try prepared(task, for: samples, plan, beforeSubStep)
        let figureCount = Task.Figure.allCases.count
        var sums = Array(repeating: ExactSum(), count: figureCount + 2)
        var ownOutputs = SampleOutputs()
        let costs = CostModel(model.configuration, head: model.head)
        let ownLeaves = ownLeaves(of: plan)
        for (subStep, positions) in ownLeaves.enumerated() {
            try beforeSubStep()
            let own = positions.map { samples[$0] }
            let request = task.request(own)
            func loss(_ outputs: [Double]) -> [Double] {
                ownOutputs.append(outputs, positions: positions, counts: own.map { task.outputCount(of: $0) })
                let loss = task.loss(own, outputs: outputs, denominator: denominator)
                for (index, value) in loss.sums.values.enumerated() { sums[index].add(value) }
                return loss.gradients
            }
            if let sink = gradients?(subStep == ownLeaves.count - 1) {
                try model.learn(request, parameters: parameters, gradients: sink, slopes: loss)
            } else {
                _ = loss(try model.outputs(of: request, parameters: parameters))
            }
            sums[figureCount].add(Double(request.forest.tokens.count))
            sums[figureCount + 1].add(costs.training(request.counts, isAdapted: model.adaptation != nil).total)
        }
        let totals = try ExactSum.totals(sums, over: world)
        let figures = FigureSums<Task.Figure>(totals[..<figureCount])
        return Result(
            sums: figures, metrics: task.metrics(figures, count: samples.count, denominator: denominator), task: task,
            denominator: denominator,
            outputs: gathersOutputs ? try ownOutputs.gathered(count: samples.count, over: world) : [],
            tokens: totals[figureCount], operations: totals[figureCount + 1], plan: plan)
    }

    /// The task as the batch's losses need it: after its first phase, when it has one.
    private func prepared<Task: TrainingTask>(
        _ task: Task, for samples: [Sample], _ plan: BatchPlan, _ beforeSubStep: () throws -> Void
    ) throws -> Task {
        guard let preparation = task.preparation else { return task }
        var sums = Array(repeating: ExactSum(), count: preparation.sumCount)
        for positions in ownLeaves(of: plan) {
            try beforeSubStep()
            let own = positions.map { samples[$0] }
            let outputs = try model.outputs(of: preparation.request(own), parameters: parameters)
            for (index, value) in preparation.sums(own, outputs).enumerated() { sums[index].add(value) }
        }
        return preparation.complete(try ExactSum.totals(sums, over: world))
    }

    /// Positions in the batch of this rank's leaf at each sub-step; none where other ranks alone have one.
    private func ownLeaves(of plan: BatchPlan) -> [[Int]] {
        stride(from: 0, to: plan.leaves.count, by: world.size).map {
            $0 + world.rank < plan.leaves.count ? plan.leaves[$0 + world.rank] : []
        }
    }
}
