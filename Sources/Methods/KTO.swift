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

/// KTO on single responses: of pairs, whose chosen response is desirable and the other not, or labelled one by one.
///
/// A batch has two phases: the baseline from responses beside queries that they do not answer, then the losses.
package struct KTOMethod: TrainingMethod {
    package static let name = PassName(rawValue: "kto")
    package static let head = HeadKind.languageModel
    package static let readsMismatched = true
    private let settings: UnpairedSettings

    package init(_ settings: UnpairedSettings) { self.settings = settings }

    package func prepare(_ data: PassData, _ context: MethodContext) throws -> PassData {
        for example in data.parts.joined() where example.kind == .list {
            throw RDOError(
                .data, "row \(example.row + 1) is a list",
                remedy: "KTO needs pairs or labelled responses; lists are for rrhf")
        }
        let labels = Set(data.train.examples.lazy.map(\.label))
        guard labels.count > 1 || labels.contains(nil) else {
            throw RDOError(
                .data, "every response is \(labels.contains(true) ? "desirable" : "undesirable")",
                remedy: "KTO needs both kinds; sft learns from desirable responses alone")
        }
        return data
    }

    package func task(
        for part: DataSet, _ role: DataRole, of start: StartModel, _ context: MethodContext
    ) throws -> PreparedTask<KTOTask> {
        if role == .training { try requireCoefficients(for: part) }
        let file = context.referenceFile.of(role)
        let references = try References(for: part.examples, in: file, context)
        let weights = try PairWeights(for: part, role, settings.coefficients, context)
        let (mismatched, batches) = try combinations(of: part, role, context)
        let combined = try context.world.collectively { try mismatched.all(batches: batches) }
        // A held-out part of one query alone has none, and a baseline of 0.
        let known = combined.isEmpty ? nil : try References(for: combined, in: file.mismatched, context)
        let task = KTOTask(
            examples: Rows(count: part.examples.count) { index in
                WeightedExample(
                    example: part.examples[index], references: references[index],
                    weight: weights?.values[index].weight ?? 1, isFlipped: weights?.values[index].isFlipped ?? false)
            },
            objective: objective, denominatorRule: role == .heldOut ? .pairs : settings.coefficients.denominator,
            costs: start.costs, mismatched: mismatched,
            mismatchedReference: { known?.value(of: $0) ?? .nan },
            startsAtReference: role == .training && references.areOf(start))
        if role == .training { warnOfImbalance(task, context) }
        let labels = DigestStream.hex(of: task.examples.lazy.map { $0.isDesirable(0) ? 1 : 0 })
        return PreparedTask(
            task: task,
            inputs: [.reference: references.digest, .coefficients: weights?.digest, .labels: labels])
    }

    package func mismatched(
        _ part: DataSet, _ role: DataRole, of data: PassData, _ context: MethodContext
    ) throws -> Rows<TokenizedExample> {
        _ = try prepare(data, context)
        let (mismatched, batches) = try combinations(of: part, role, context)
        return try context.world.collectively { try mismatched.all(batches: batches) }
    }

    private var objective: KTOObjective {
        KTOObjective(
            beta: settings.beta, desirableWeight: settings.desirableWeight,
            undesirableWeight: settings.undesirableWeight)
    }

    /// The combinations on which the baselines of a run over `part` are estimated, and in how many batches.
    ///
    /// - Throws: `RDOError.data` when a batch has no response to another query.
    private func combinations(
        of part: DataSet, _ role: DataRole, _ context: MethodContext
    ) throws -> (MismatchedResponses, batches: Int) {
        let count = part.examples.count
        // The held-out part is one batch in file order.
        let isTest = role == .heldOut
        let partners = try KTOPartners(
            of: part.examples,
            order: SampleOrder(count: count, seed: context.seed, shuffle: !isTest && context.shuffle),
            batchSize: isTest ? count : settings.training.batchSize, scope: isTest ? .global : settings.klScope,
            microBatches: isTest ? 1 : settings.training.microBatches, pairing: isTest ? .permuted : settings.klPairing,
            seed: context.seed)
        let batches = isTest ? 1 : settings.training.totalSteps(exampleCount: count)
        if !isTest, let batch = partners.firstBatchWithoutPartner(among: 0..<batches) {
            throw RDOError(
                .data, "the batch of step \(batch) has no response to another query, so KTO's baseline has no estimate",
                remedy: settings.klScope == .micro
                    ? "set kto.kl_scope to global, or lower kto.micro_batches"
                    : "raise kto.batch_size or shuffle the data")
        }
        return (
            MismatchedResponses(
                examples: part.examples, partners: partners, maxTokens: context.conventions.maxTokens), batches
        )
    }

    /// Coefficient files know pairs.
    private func requireCoefficients(for part: DataSet) throws {
        guard settings.coefficients.use, settings.coefficients.column != .only,
            let example = part.examples.first(where: { $0.kind == .unpaired })
        else { return }
        throw RDOError(
            .usage, "coefficients are for pairs, row \(example.row + 1) is a labelled response",
            remedy: "set kto.coefficients.use to false, or kto.coefficients.column to only and give the rows a weight")
    }

    private func warnOfImbalance(_ task: KTOTask, _ context: MethodContext) {
        var (desirable, undesirable) = (0, 0)
        for example in task.examples {
            for response in example.references.indices {
                if example.isDesirable(response) { desirable += 1 } else { undesirable += 1 }
            }
        }
        guard let advised = objective.advisedDesirableWeight(desirable: desirable, undesirable: undesirable)
        else { return }
        context.log.warning(
            "\(desirable) desirable and \(undesirable) undesirable responses with these weights are "
                + "\(objective.balance(desirable: desirable, undesirable: undesirable)) to 1, advised are 1 to 4/3: "
                + "kto.desirable_weight=\(advised) would do")
    }
}

package struct UnpairedSettings: MethodSettings {
    package var training = TrainingSettings()
    package var beta = 0.1
    package var desirableWeight = 1.0
    package var undesirableWeight = 1.0
    package var klScope = BaselineScope.global
    package var klPairing = BaselinePairing.permuted
    package var ledger = false
    package var coefficients = CoefficientSettings()

    package init() { training.learningRate = 5e-7 }

    package static var fields: [Field<Self>] {
        TrainingSettings.fields(in: \.training) + [
            .value(\.beta, "beta", .above(0), "Strength of the pull towards the reference."),
            .value(\.desirableWeight, "desirable_weight", .atLeast(0), "Weight of desirable responses."),
            .value(\.undesirableWeight, "undesirable_weight", .atLeast(0), "Weight of undesirable responses."),
            .value(
                \.klScope, "kl_scope",
                "The baseline is a mean over the whole batch, or over each of micro_batches consecutive parts of it."),
            .value(
                \.klPairing, "kl_pairing",
                "Queries meet responses to other queries drawn from the seed, or the response of the row before (TRL's rule)."
            ),
            .value(\.ledger, "ledger", ledgerHelp).cosmetic,
            .section(
                \.coefficients, "coefficients", "How reward differences weight the responses: a pair's goes to both."),
        ]
    }

    package var weighting: CoefficientSettings? { coefficients }
}

package struct KTOTask: ResponseTask {
    /// The weight of a pair is that of both its responses.
    let examples: Rows<WeightedExample>
    let objective: KTOObjective
    let denominatorRule: Denominator
    package let costs: CostModel
    let mismatched: MismatchedResponses
    /// Reference log-probability sum of a mismatched combination.
    let mismatchedReference: (ContentKey) -> Double
    /// Policy and reference start as the same model: every log-ratio of the first step must be 0.
    let startsAtReference: Bool
    /// z₀ of each of the batch's groups, once the first phase is done.
    var baselines: [Double] = []

    package enum Figure: Int, StepFigure {
        case loss, responses, desirable, rewardsDesirable, rewardsUndesirable, logpsDesirable, logpsUndesirable
        case baseline, beyondBaseline, weight, zeroWeights, pairs, correct, ratiosOffZero
    }

    package var exampleCount: Int { examples.count }
    package func example(of sample: Sample) -> TokenizedExample { examples[sample.row].example }

    /// The first phase has no backward pass, which costs twice the forward one.
    package func cost(of sample: Sample) -> Double {
        costs.cost(of: example(of: sample)) + costs.cost(of: mismatched.example(of: sample)) / 3
    }

    package func denominator(of samples: [Sample]) -> Double {
        denominatorRule.divisor(
            count: samples.reduce(0) { $0 + outputCount(of: $1) },
            weights: samples.map { examples[$0.row].weight * Double(outputCount(of: $0)) })
    }

    // MARK: - The baseline

    /// The sum of ρ and the number of combinations, for each group.
    package var preparation: Preparation<KTOTask>? {
        (
            sumCount: 2 * mismatched.partners.groupCount,
            request: { .responses(of: $0.map(mismatched.example)) }, sums: ratioSums,
            complete: { totals in
                var task = self
                task.baselines = stride(from: 0, to: totals.count, by: 2).map {
                    KTOObjective.baseline(sum: totals[$0], count: totals[$0 + 1])
                }
                return task
            }
        )
    }

    private func ratioSums(_ samples: [Sample], _ outputs: [Double]) -> [Double] {
        var sums = [Double](repeating: 0, count: 2 * mismatched.partners.groupCount)
        var outputs = outputs[...]
        for sample in samples {
            let group = mismatched.partners.group(of: sample)
            for key in mismatched.example(of: sample).responseKeys {
                // Known for every planned combination, or the pass would not have begun.
                sums[2 * group] += outputs.removeFirst() - mismatchedReference(key)
                sums[2 * group + 1] += 1
            }
        }
        return sums
    }

    // MARK: - The loss

    package func loss(_ samples: [Sample], outputs: [Double], denominator: Double) -> LeafLoss<Figure> {
        precondition(!baselines.isEmpty, "KTO's loss needs its baseline: run the first phase")
        var gradients: [Double] = []
        var sums = FigureSums<Figure>()
        for sample in samples {
            let judged = examples[sample.row]
            let baseline = baselines[mismatched.partners.group(of: sample)]
            var rewards: [Bool: Double] = [:]
            for (response, reference) in judged.references.enumerated() {
                let (logProbability, isDesirable) = (outputs[gradients.count], judged.isDesirable(response))
                let ratio = logProbability - reference
                let result = objective.evaluate(logRatio: ratio, baseline: baseline, isDesirable: isDesirable)
                gradients.append(result.gradient * judged.weight / denominator)
                rewards[isDesirable] = result.reward
                sums[.loss] += judged.weight * result.loss
                sums[.responses] += 1
                sums[.desirable] += isDesirable ? 1 : 0
                sums[isDesirable ? .rewardsDesirable : .rewardsUndesirable] += result.reward
                sums[isDesirable ? .logpsDesirable : .logpsUndesirable] += logProbability
                sums[.baseline] += baseline
                sums[.beyondBaseline] += (isDesirable ? ratio > baseline : ratio < baseline) ? 1 : 0
                sums[.weight] += judged.weight
                sums[.zeroWeights] += judged.weight == 0 ? 1 : 0
                sums[.ratiosOffZero] += abs(ratio) > 1e-3 ? 1 : 0
            }
            if let better = rewards[true], let worse = rewards[false] {
                sums[.pairs] += 1
                sums[.correct] += better > worse ? 1 : 0
            }
        }
        return LeafLoss(gradients: gradients, sums: sums)
    }

    package func visits(_ samples: [Sample], outputs: [[Double]], denominator: Double) -> [PairVisit] {
        zip(samples, outputs).flatMap { sample, outputs in
            let judged = examples[sample.row]
            let (example, baseline) = (judged.example, baselines[mismatched.partners.group(of: sample)])
            let key = judged.references.count == 2 ? example.ledgerKey(0, 1) : example.responseKeys[0]
            return judged.references.indices.map { response in
                let isDesirable = judged.isDesirable(response)
                let ratio = outputs[response] - judged.references[response]
                let result = objective.evaluate(logRatio: ratio, baseline: baseline, isDesirable: isDesirable)
                return PairVisit(
                    row: example.row, key: key, better: isDesirable ? response : nil,
                    worse: isDesirable ? nil : response, coefficient: judged.weight,
                    margin: (isDesirable ? 1 : -1) * objective.beta * (ratio - baseline),
                    loss: judged.weight * result.loss, gradientScale: judged.weight * abs(result.gradient) / denominator
                )
            }
        }
    }

    package func metrics(_ sums: FigureSums<Figure>, count: Int, denominator: Double) -> StepMetrics {
        // A batch may lack a kind of response, or pairs: then there is nothing to average.
        func mean(_ figure: Figure, over count: Double) -> Double? { count > 0 ? sums[figure] / count : nil }
        let (responses, desirable) = (sums[.responses], sums[.desirable])
        let undesirable = responses - desirable
        let chosen = mean(.rewardsDesirable, over: desirable)
        let rejected = mean(.rewardsUndesirable, over: undesirable)
        return [
            .loss: sums[.loss] / denominator, .ktoBaseline: sums[.baseline] / responses,
            .beyondBaseline: sums[.beyondBaseline] / responses, .desirableShare: desirable / responses,
            .rewardsChosen: chosen, .logpsChosen: mean(.logpsDesirable, over: desirable),
            .rewardsRejected: rejected, .logpsRejected: mean(.logpsUndesirable, over: undesirable),
            .margin: chosen.flatMap { chosen in rejected.map { chosen - $0 } },
            .accuracy: mean(.correct, over: sums[.pairs]), .coefficientMean: sums[.weight] / responses,
            .coefficientZeroShare: sums[.zeroWeights] / responses,
        ]
    }

    package func trace(_ samples: [Sample], outputs: [[Double]]) -> TraceRecord {
        let drawn = samples.map { examples[$0.row] }
        return [
            .coefficients: drawn.map(\.weight),
            .desirable: drawn.map { judged in judged.references.indices.map { judged.isDesirable($0) } },
            .logps: outputs, .reference: drawn.map(\.references),
            // Data row and response beside each of the sample's queries.
            .partners: samples.map { sample in
                mismatched.places(of: sample).map { place in
                    place.map { [examples[$0.example].example.row, $0.response] } ?? []
                }
            },
            .baselineGroups: samples.map(mismatched.partners.group),
        ]
    }

    package func checkFirstStep(_ sums: FigureSums<Figure>, count: Int) throws {
        let off = Int(sums[.ratiosOffZero])
        guard startsAtReference && off > 0 else { return }
        throw RDOError.startIsOffReference("\(off) of \(Int(sums[.responses])) log-ratios")
    }
}
