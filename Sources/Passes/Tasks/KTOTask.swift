import Diagnostics
import Objectives
import Preferences
import Storage
import Training
import Transformer

/// KTO on single responses: of pairs, whose chosen response is desirable and the other not, or labelled one by one.
///
/// A batch has two phases: the baseline from responses beside queries that they do not answer, then the losses.
struct KTOTask: TrainingTask {
    /// What is known of an example before training.
    struct Judged {
        let example: TokenizedExample
        /// Reference log-probability sum of each response.
        let references: [Double]
        /// Of the pair, for both of its responses; 1 without coefficients.
        let weight: Double
        /// The scorer turned the pair's label round (`disagreement: flip`).
        let isFlipped: Bool

        func isDesirable(_ response: Int) -> Bool { (example.label ?? (response == 0)) != isFlipped }
    }

    let examples: [Judged]
    let objective: KTOObjective
    let denominatorRule: Denominator
    let costs: CostModel
    let mismatched: MismatchedResponses
    /// Reference log-probability sums of the mismatched combinations.
    let mismatchedReferences: [ContentKey: Double]
    /// Policy and reference start as the same model: every log-ratio of the first step must be 0.
    let startsAtReference: Bool
    /// z₀ of each of the batch's groups, once the first phase is done.
    private var baselines: [Double] = []

    init(
        examples: [Judged], objective: KTOObjective, denominatorRule: Denominator, costs: CostModel,
        mismatched: MismatchedResponses, mismatchedReferences: [ContentKey: Double], startsAtReference: Bool
    ) {
        self.examples = examples
        self.objective = objective
        self.denominatorRule = denominatorRule
        self.costs = costs
        self.mismatched = mismatched
        self.mismatchedReferences = mismatchedReferences
        self.startsAtReference = startsAtReference
    }

    var exampleCount: Int { examples.count }

    func dataRow(of sample: Sample) -> Int { examples[sample.row].example.row }

    /// The first phase has no backward pass, which costs twice the forward one.
    func cost(of sample: Sample) -> Double {
        costs.cost(of: examples[sample.row].example) + costs.cost(of: mismatched.example(of: sample)) / 3
    }

    func denominator(of samples: [Sample]) -> Double {
        switch denominatorRule {
        case .pairs: Double(samples.reduce(0) { $0 + outputCount(of: $1) })
        // A batch of zero weights has a loss of zero, not 0/0.
        case .weights:
            max(
                samples.reduce(0) { $0 + examples[$1.row].weight * Double(outputCount(of: $1)) }, .leastNormalMagnitude)
        }
    }

    func request(_ samples: [Sample]) -> LeafRequest {
        LeafRequest.responses(of: samples.map { examples[$0.row].example })
    }

    func outputCount(of sample: Sample) -> Int { examples[sample.row].example.responses.count }

    // MARK: - The baseline

    /// The sum of ρ and the number of combinations, for each group.
    var preliminarySumCount: Int { 2 * mismatched.partners.groupCount }

    func preliminaryRequest(_ samples: [Sample]) -> LeafRequest {
        LeafRequest.responses(of: samples.map { mismatched.example(of: $0) })
    }

    func preliminarySums(_ samples: [Sample], outputs: [Double]) -> [Double] {
        var sums = [Double](repeating: 0, count: preliminarySumCount)
        var outputs = outputs[...]
        for sample in samples {
            let group = mismatched.partners.group(of: sample)
            for key in mismatched.example(of: sample).responseKeys {
                // Known for every planned combination, or the pass would not have begun.
                sums[2 * group] += outputs.removeFirst() - mismatchedReferences[key, default: .nan]
                sums[2 * group + 1] += 1
            }
        }
        return sums
    }

    func prepared(with totals: [Double]) -> KTOTask {
        var task = self
        task.baselines = stride(from: 0, to: totals.count, by: 2).map {
            KTOObjective.baseline(sum: totals[$0], count: totals[$0 + 1])
        }
        return task
    }

    // MARK: - The loss

    let sumNames = [
        "loss", "responses", "desirable", "rewards_desirable", "rewards_undesirable", "logps_desirable",
        "logps_undesirable", "baseline", "beyond_baseline", "weight", "zero_weights", "pairs", "correct",
        "ratios_off_zero",
    ]

    func loss(_ samples: [Sample], outputs: [Double], denominator: Double) -> LeafLoss {
        precondition(!baselines.isEmpty, "KTO's loss needs its baseline: run the first phase")
        var gradients: [Double] = []
        var sums = [Double](repeating: 0, count: sumNames.count)
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
                let figures = [
                    judged.weight * result.loss, 1, isDesirable ? 1 : 0, isDesirable ? result.reward : 0,
                    isDesirable ? 0 : result.reward, isDesirable ? logProbability : 0, isDesirable ? 0 : logProbability,
                    baseline, (isDesirable ? ratio > baseline : ratio < baseline) ? 1 : 0, judged.weight,
                    judged.weight == 0 ? 1 : 0, 0, 0, abs(ratio) > 1e-3 ? 1 : 0,
                ]
                for (position, figure) in figures.enumerated() { sums[position] += figure }
            }
            if let better = rewards[true], let worse = rewards[false] {
                sums[11] += 1
                sums[12] += better > worse ? 1 : 0
            }
        }
        return LeafLoss(gradients: gradients, sums: sums)
    }

    func visits(_ samples: [Sample], outputs: [[Double]], denominator: Double) -> [PairVisit] {
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

    func metrics(sums: [String: Double], count: Int, denominator: Double) -> [Metric] {
        func sum(_ name: String) -> Double { sums[name, default: .nan] }
        let (responses, desirable) = (sum("responses"), sum("desirable"))
        let undesirable = responses - desirable
        var metrics = [
            Metric("loss", sum("loss") / denominator), Metric("kto_baseline", sum("baseline") / responses),
            Metric("beyond_baseline", sum("beyond_baseline") / responses),
            Metric("desirable_share", desirable / responses),
        ]
        // A batch may lack a kind of response, or pairs: then there is nothing to average.
        if desirable > 0 {
            metrics += [
                Metric("rewards_chosen", sum("rewards_desirable") / desirable),
                Metric("logps_chosen", sum("logps_desirable") / desirable),
            ]
        }
        if undesirable > 0 {
            metrics += [
                Metric("rewards_rejected", sum("rewards_undesirable") / undesirable),
                Metric("logps_rejected", sum("logps_undesirable") / undesirable),
            ]
        }
        if desirable > 0 && undesirable > 0 {
            metrics.append(
                Metric("margin", sum("rewards_desirable") / desirable - sum("rewards_undesirable") / undesirable))
        }
        if sum("pairs") > 0 { metrics.append(Metric("accuracy", sum("correct") / sum("pairs"))) }
        return metrics + [
            Metric("coefficient_mean", sum("weight") / responses),
            Metric("coefficient_zero_share", sum("zero_weights") / responses),
        ]
    }

    func trace(_ samples: [Sample], outputs: [[Double]]) -> [String: Any] {
        let drawn = samples.map { examples[$0.row] }
        return [
            "coefficients": drawn.map(\.weight),
            "desirable": drawn.map { judged in judged.references.indices.map { judged.isDesirable($0) } },
            "logps": outputs, "reference": drawn.map(\.references),
            // Data row and response beside each of the sample's queries, and its group.
            "partners": samples.map { sample in
                mismatched.places(of: sample).map { place in
                    place.map { [examples[$0.example].example.row, $0.response] } ?? []
                }
            },
            "baseline_groups": samples.map { mismatched.partners.group(of: $0) },
        ]
    }

    func checkFirstStep(sums: [String: Double], count: Int) throws {
        guard startsAtReference, let off = sums["ratios_off_zero"], off > 0 else { return }
        throw RDOError(
            .numerical,
            "policy and reference are the same model, yet \(Int(off)) of \(Int(sums["responses"] ?? 0)) log-ratios at step 0 "
                + "are not 0",
            remedy: "the reference log-probabilities are not this model's; delete the reference file and run again")
    }
}
