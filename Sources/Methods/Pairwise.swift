import Coding
import Columns
import Costs
import Diagnostics
import Objectives
import Preferences
import Settings
import Storage
import Training
import Transformer

/// DPO and its pairwise relatives on pairs, each pair's loss weighted by its coefficient.
package struct PairwiseMethod: TrainingMethod {
    package static let name = PassName(rawValue: "dpo")
    package static let head = HeadKind.languageModel
    private let settings: PairwiseSettings

    package init(_ settings: PairwiseSettings) { self.settings = settings }

    package func prepare(_ data: PassData, _ context: MethodContext) throws -> PassData { try data.asPairs(context) }

    package func task(
        for part: DataSet, _ role: DataRole, of start: StartModel, _ context: MethodContext
    ) throws -> PreparedTask<PairwiseTask> {
        let references =
            settings.variant.needsReference
            ? try References(for: part.examples, in: context.referenceFile.of(role), context) : nil
        let weights = try PairWeights(for: part, role, settings.coefficients, context)
        let differences = try rewardDifferences(of: part, role, context)
        let task = PairwiseTask(
            pairs: Rows(count: part.examples.count) { index in
                pair(
                    part.examples[index], references?[index] ?? [0, 0],
                    weights?.values[index] ?? PairWeight(weight: 1, isFlipped: false), differences?[index])
            },
            objective: PairwiseObjective(settings.variant, beta: settings.beta, settings.parameters),
            supervisedWeight: settings.sftWeight ?? 0,
            denominatorRule: role == .heldOut ? .pairs : settings.coefficients.denominator, costs: start.costs,
            startsAtReference: role == .training && references?.areOf(start) == true)
        let coefficients = differences.map { _ in
            DigestStream.hex(of: task.pairs.lazy.flatMap { [$0.weight, $0.isFlipped ? 1 : 0, $0.difference ?? .nan] })
        }
        return PreparedTask(
            task: task, inputs: [.reference: references?.digest, .coefficients: coefficients ?? weights?.digest])
    }

    /// R of every pair, for a loss that reads it: of held-out pairs from the held-out part's own file.
    private func rewardDifferences(of part: DataSet, _ role: DataRole, _ context: MethodContext) throws
        -> ScratchColumn<Double>?
    {
        guard settings.variant.reading != .nothing else { return nil }
        if role == .training && settings.coefficients.use && settings.coefficients.alpha != 0 {
            context.log.warning(
                "\(settings.variant) reads R and each pair is weighted by R^\(settings.coefficients.alpha) too: "
                    + "dpo.coefficients.alpha=0 is the loss as published")
        }
        let sources = try CoefficientSources.read(settings.coefficients, context, role, needsFiles: true)
        return try context.world.collectively { try sources.rewardDifferences(of: part.examples) }
    }

    private func pair(
        _ example: TokenizedExample, _ references: [Double], _ weight: PairWeight, _ r: Double?
    ) -> WeightedExample {
        var (weight, isFlipped) = (weight.weight, weight.isFlipped)
        var difference = r.map { isFlipped ? -$0 : $0 }
        if let r, settings.variant.reading == .positive {
            let rule = CoefficientRule(settings.coefficients).positive(r)
            (difference, isFlipped) = (rule.difference, rule.isFlipped)
            if rule.isLeftOut { weight = 0 }
        }
        return WeightedExample(
            example: example, references: references, weight: weight, isFlipped: isFlipped, difference: difference)
    }
}

package struct PairwiseSettings: MethodSettings {
    package var training = TrainingSettings()
    package var variant = PairwiseLoss.dpo
    package var beta = 0.1
    /// Those that are given; the others have their standard values.
    package var parameters: [LossParameter: Double] = [:]
    package var sftWeight: Double?
    package var ledger = false
    package var coefficients = CoefficientSettings()

    package init() { training.learningRate = 5e-7 }

    package static var fields: [Field<Self>] {
        TrainingSettings.fields(in: \.training) + [
            .value(\.variant, "variant", "The pairwise loss (docs/objectives.md)."),
            .value(\.beta, "beta", .above(0), "Strength of the pull towards the reference."),
        ] + LossParameter.all.map(field) + [
            .value(
                \.sftWeight, "sft_weight", .atLeast(0),
                "Weight of the chosen response's mean token loss beside the pair's, whatever its coefficient; none by default."
            ),
            .value(\.ledger, "ledger", ledgerHelp).cosmetic,
            .section(\.coefficients, "coefficients", "How reward differences weight the pairs."),
        ]
    }

    /// The key of a parameter that some of the losses have.
    private static func field(_ parameter: LossParameter) -> Field<Self> {
        let losses = PairwiseLoss.allCases.filter { $0.takes(parameter) }.map(\.name).joined(separator: ", ")
        let help = "\(parameter.help.dropLast()) (\(losses))"
        if parameter.neutral != nil {
            return .value(\.parameters[orNone: parameter], parameter.key, parameter.bounds, help + ".")
        }
        return .value(
            \.parameters[parameter], parameter.key, parameter.bounds, help + "; \(parameter.standard) by default.")
    }

    package var weighting: CoefficientSettings? { coefficients }
    package var readsCoefficients: Bool {
        coefficients.use && coefficients.readsFiles
            || variant.reading != .nothing && coefficients.column != .margin
    }

    package func validate(_ fail: (_ what: String, _ remedy: String) -> RDOError) throws {
        for (parameter, value) in parameters where !variant.takes(parameter) && value != parameter.neutral {
            throw fail("dpo.\(parameter.key) has no meaning for the variant \(variant)", "remove it")
        }
    }
}

extension [LossParameter: Double] {
    /// A parameter with a value that says "none": that value is the same as not being given.
    fileprivate subscript(orNone parameter: LossParameter) -> Double {
        get { self[parameter] ?? parameter.standard }
        set { self[parameter] = newValue == parameter.standard ? nil : newValue }
    }
}

package struct PairwiseTask: ResponseTask {
    let pairs: Rows<WeightedExample>
    let objective: PairwiseObjective
    /// Weight of the better response's mean token loss (the regularisation term of arXiv 2408.09385, eq. 1).
    var supervisedWeight = 0.0
    let denominatorRule: Denominator
    package let costs: CostModel
    /// Policy and reference start as the same model: every margin of the first step must be 0.
    let startsAtReference: Bool

    package enum Figure: Int, StepFigure {
        case loss, correct, margin, rewardsChosen, rewardsRejected, logpsChosen, logpsRejected, weight, zeroWeights
        case marginsOffZero, supervised
    }

    package var exampleCount: Int { pairs.count }
    package func example(of sample: Sample) -> TokenizedExample { pairs[sample.row].example }

    package func denominator(of samples: [Sample]) -> Double {
        denominatorRule.divisor(count: samples.count, weights: samples.map { pairs[$0.row].weight })
    }

    package func loss(_ samples: [Sample], outputs: [Double], denominator: Double) -> LeafLoss<Figure> {
        var gradients = [Double](repeating: 0, count: outputs.count)
        var sums = FigureSums<Figure>()
        for (index, sample) in samples.enumerated() {
            let pair = pairs[sample.row]
            let (better, worse) = pair.order
            let result = evaluate(pair, outputs: outputs[(2 * index)..<(2 * index + 2)])
            gradients[2 * index + better] = result.gradientChosen * pair.weight / denominator
            gradients[2 * index + worse] = result.gradientRejected * pair.weight / denominator
            sums[.loss] += pair.weight * result.loss
            sums[.correct] += result.rewardChosen > result.rewardRejected ? 1 : 0
            sums[.margin] += result.rewardChosen - result.rewardRejected
            sums[.rewardsChosen] += result.rewardChosen
            sums[.rewardsRejected] += result.rewardRejected
            sums[.logpsChosen] += outputs[2 * index + better]
            sums[.logpsRejected] += outputs[2 * index + worse]
            sums[.weight] += pair.weight
            sums[.zeroWeights] += pair.weight == 0 ? 1 : 0
            sums[.marginsOffZero] += abs(result.margin) > 1e-3 ? 1 : 0
            guard supervisedWeight > 0 else { continue }
            let tokens = Double(pair.example.responses[better].count)
            let supervised = SupervisedObjective.loss(logProbability: outputs[2 * index + better]) / tokens
            gradients[2 * index + better] +=
                supervisedWeight / tokens * SupervisedObjective.gradient(totalTokens: denominator)
            sums[.loss] += supervisedWeight * supervised
            sums[.supervised] += supervised
        }
        return LeafLoss(gradients: gradients, sums: sums)
    }

    /// - Parameter outputs: log-probability sums of the two responses.
    private func evaluate(_ pair: WeightedExample, outputs: some Collection<Double>) -> PairwiseResult {
        let policy = Array(outputs)
        let (better, worse) = pair.order
        return objective.evaluate(
            PairLogProbabilities(
                policyChosen: policy[better], policyRejected: policy[worse], referenceChosen: pair.references[better],
                referenceRejected: pair.references[worse], chosenTokens: pair.example.responses[better].count,
                rejectedTokens: pair.example.responses[worse].count), difference: pair.difference)
    }

    package func visits(_ samples: [Sample], outputs: [[Double]], denominator: Double) -> [PairVisit] {
        zip(samples, outputs).map { sample, outputs in
            let pair = pairs[sample.row]
            let (better, worse) = pair.order
            let result = evaluate(pair, outputs: outputs)
            return PairVisit(
                row: pair.example.row, key: pair.example.ledgerKey(0, 1), better: pair.example.place(of: better),
                worse: pair.example.place(of: worse), coefficient: pair.weight,
                margin: result.rewardChosen - result.rewardRejected, loss: pair.weight * result.loss,
                gradientScale: pair.weight * (abs(result.gradientChosen) + abs(result.gradientRejected)) / 2
                    / denominator)
        }
    }

    package func metrics(_ sums: FigureSums<Figure>, count: Int, denominator: Double) -> StepMetrics {
        func mean(_ figure: Figure) -> Double { sums[figure] / Double(count) }
        return [
            .loss: sums[.loss] / denominator, .accuracy: mean(.correct), .margin: mean(.margin),
            .rewardsChosen: mean(.rewardsChosen), .rewardsRejected: mean(.rewardsRejected),
            .logpsChosen: mean(.logpsChosen), .logpsRejected: mean(.logpsRejected),
            .coefficientMean: mean(.weight), .coefficientZeroShare: mean(.zeroWeights),
            .lossSupervised: supervisedWeight > 0 ? mean(.supervised) : nil,
        ]
    }

    package func trace(_ samples: [Sample], outputs: [[Double]]) -> TraceRecord {
        let drawn = samples.map { pairs[$0.row] }
        var trace: TraceRecord = [
            .coefficients: drawn.map(\.weight), .flipped: drawn.map(\.isFlipped),
            .logpsChosen: outputs.map { $0[0] }, .logpsRejected: outputs.map { $0[1] },
            .referenceChosen: drawn.map { $0.references[0] }, .referenceRejected: drawn.map { $0.references[1] },
            .tokensChosen: drawn.map { $0.example.responses[0].count },
            .tokensRejected: drawn.map { $0.example.responses[1].count },
        ]
        if objective.variant.reading != .nothing { trace[.differences] = drawn.map(\.difference) }
        return trace
    }

    package func checkFirstStep(_ sums: FigureSums<Figure>, count: Int) throws {
        let off = Int(sums[.marginsOffZero])
        if startsAtReference && off > 0 { throw RDOError.startIsOffReference("\(off) of \(count) margins") }
    }
}

extension Denominator {
    /// What the summed loss of a batch of `count` pairs or responses is divided by.
    func divisor(count: Int, weights: [Double]) -> Double {
        switch self {
        case .pairs: Double(count)
        // A batch of zero weights has a loss of zero, not 0/0.
        case .weights: max(weights.reduce(0, +), .leastNormalMagnitude)
        }
    }
}
