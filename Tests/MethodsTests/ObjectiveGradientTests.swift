import Coding
import Columns
import Costs
import Foundation
import Objectives
import Preferences
import Storage
import TestSupport
import Testing
import Transformer

@testable import Methods
@testable import Training

/// Whole objectives, from token trees through model and loss back to every parameter, against finite differences of a
/// loss written in plain formulas over the double-precision reference on unshared sequences.
@Suite struct ObjectiveGradientTests {
    private static func softplus(_ x: Double) -> Double { max(x, 0) + log1p(exp(-abs(x))) }
    private static func sigma(_ x: Double) -> Double { 1 / (1 + exp(-x)) }
    private static func divergence(_ p: Double, _ q: Double) -> Double {
        p * log(p / q) + (1 - p) * log((1 - p) / (1 - q))
    }

    /// One leaf as the training loop runs it: the task's loss and all gradients are those of `plain`.
    private func check<Task: TrainingTask>(
        _ task: Task, _ samples: [Sample], _ twin: TwinModel, _ plain: @escaping (DoubleReference) -> Double,
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let denominator = task.denominator(of: samples)
        let loss = try twin.learn(task, samples)
        let (own, wanted) = (loss / denominator, plain(twin.reference))
        #expect(abs(own - wanted) < 1e-4, "\(own) instead of \(wanted)", sourceLocation: sourceLocation)
        let found = twin.disagreements(plain)
        #expect(found.isEmpty, "\(found)", sourceLocation: sourceLocation)
    }

    private static func example(
        _ row: Int, _ c: ModelConfiguration, responses lengths: [Int], kind: PreferenceRecord.Kind = .pair
    ) -> TokenizedExample {
        TokenizedExample(
            row: row, kind: kind, prompt: c.randomIDs(6 + row, seed: UInt64(20 + row)),
            responses: lengths.enumerated().map { c.randomIDs($1, seed: UInt64(30 + 10 * row + $0)) },
            truncatedResponses: lengths.map { _ in false }, isPromptTruncated: false, promptText: "",
            responseTexts: lengths.map { _ in "" })
    }

    private static func samples(_ count: Int) -> [Sample] {
        (0..<count).map { Sample(number: $0, row: $0, epoch: 0) }
    }

    private static func logProbability(
        _ example: TokenizedExample, _ response: Int, _ reference: DoubleReference
    ) -> Double {
        let (prompt, response) = (example.prompt, example.responses[response])
        return reference.logProbability(prompt + response, over: prompt.count..<(prompt.count + response.count))
    }

    // MARK: - Pairs

    /// The loss of a pair: log-probabilities of the better and the worse response, of the reference too, and lengths.
    private static func plain(
        _ o: PairwiseObjective, _ given: [LossParameter: Double], _ better: Double, _ worse: Double,
        _ referenceBetter: Double, _ referenceWorse: Double, _ lengths: (better: Double, worse: Double), _ r: Double
    ) -> Double {
        let (b, e, gamma) = (o.beta, given[.labelSmoothing] ?? 0, given[.simpoGamma] ?? 1)
        let (w, l) = (better - referenceBetter, worse - referenceWorse)
        let (mw, ml) = (better / lengths.better, worse / lengths.worse)
        return switch o.variant.name {
        case "dpo": (1 - e) * softplus(-b * (w - l)) + e * softplus(b * (w - l))
        case "ipo": pow(w - l - 0.5 / b, 2)
        case "ipo_mean": pow(w / lengths.better - l / lengths.worse - 0.5 / b, 2)
        case "hinge": max(0, 1 - b * (w - l))
        case "simpo": softplus(gamma - b * (mw - ml))
        case "robust": ((1 - e) * softplus(-b * (w - l)) - e * softplus(b * (w - l))) / (1 - 2 * e)
        case "orpo": -mw + b * softplus(ml - log(1 - exp(ml)) - mw + log(1 - exp(mw)))
        case "apo_zero": 1 - sigma(b * w) + sigma(b * l)
        case "apo_down": sigma(b * w) + 1 - sigma(b * (w - l))
        case "odpo": softplus(0.5 * log(r) - b * (w - l))
        case "odpo_linear": softplus(0.5 * r - b * (w - l))
        case "soft": sigma(2 * r) * softplus(-b * (w - l)) + sigma(-2 * r) * softplus(b * (w - l))
        case "distill": pow(b * (w - l) - 0.5 * r, 2)
        case "rpo_bwd": divergence(sigma(0.5 * r), sigma(b * (w - l)))
        case "rpo_fwd": divergence(sigma(b * (w - l)), sigma(0.5 * r))
        default: .nan
        }
    }

    /// Weighted, one label turned round, both denominators.
    @Test(arguments: PairwiseLoss.allCases, [Denominator.pairs, .weights])
    func pairwise(_ variant: PairwiseLoss, _ denominator: Denominator) throws {
        let twin = TwinModel(try .small(tied: true, bias: false), head: .languageModel)
        let c = twin.model.configuration
        let pairs = (0..<2).map { row in
            let example = Self.example(row, c, responses: [9, 5])
            return WeightedExample(
                example: example,
                references: [
                    Self.logProbability(example, 0, twin.reference) + 1.3,
                    Self.logProbability(example, 1, twin.reference) - 0.8,
                ], weight: row == 0 ? 0.7 : 1.6, isFlipped: row == 1, difference: row == 0 ? 1.7 : 0.4)
        }
        let given = variant.parameters.reduce(into: [:]) { $0[$1] = $1 == .labelSmoothing ? 0.1 : 0.5 }
        let objective = PairwiseObjective(variant, beta: 0.3, given)
        let task = PairwiseTask(
            pairs: Rows(pairs), objective: objective, supervisedWeight: 0.6, denominatorRule: denominator,
            costs: CostModel(c, head: .languageModel), startsAtReference: false)
        try check(task, Self.samples(2), twin) { reference in
            let sum = pairs.reduce(0.0) { sum, pair in
                let own = [0, 1].map { Self.logProbability(pair.example, $0, reference) }
                let stored = pair.references
                let (w, l) = pair.isFlipped ? (1, 0) : (0, 1)
                let lengths = pair.example.responses.map { Double($0.count) }
                let loss = Self.plain(
                    objective, given, own[w], own[l], stored[w], stored[l], (lengths[w], lengths[l]),
                    pair.difference ?? .nan)
                return sum + pair.weight * loss - 0.6 * own[w] / lengths[w]
            }
            return sum / (denominator == .pairs ? 2 : 2.3)
        }
    }

    @Test func rewardModel() throws {
        let twin = TwinModel(try .small(tied: true, bias: false), head: .scalar)
        let c = twin.model.configuration
        let examples = (0..<2).map { Self.example($0, c, responses: [9, 5]) }
        let task = RewardTask(examples: Rows(examples), costs: CostModel(c, head: .scalar))
        try check(task, Self.samples(2), twin) { reference in
            examples.reduce(0) { sum, example in
                let rewards = example.responses.map { reference.scalar(example.prompt + $0) }
                return sum + Self.softplus(rewards[1] - rewards[0]) / 2
            }
        }
    }

    @Test(arguments: [false, true]) func differenceModel(_ bothOrders: Bool) throws {
        let twin = TwinModel(try .small(tied: true, bias: false), head: .scalar)
        let c = twin.model.configuration
        let examples = (0..<3).map { index in
            DifferenceExample(
                row: index, query: c.randomIDs(5, seed: UInt64(50 + index)),
                asFirst: [c.randomIDs(7, seed: UInt64(60 + index)), c.randomIDs(4, seed: UInt64(70 + index))],
                asSecond: [c.randomIDs(8, seed: UInt64(80 + index)), c.randomIDs(3, seed: UInt64(90 + index))],
                truncatedResponses: [false, false], isPromptTruncated: false)
        }
        let task = DifferenceTask(
            examples: Rows(examples),
            objective: DifferenceObjective(lambdaDuplication: 0.4, lambdaReverse: 0.6, bothOrders: bothOrders),
            eosTokenID: 2, seed: 11, costs: CostModel(c, head: .scalar))
        let samples = Self.samples(3)
        // Both orders are drawn, or the test would not see a swapped sign.
        #expect(Set(samples.map { task.draw($0).isSwapped }).count == 2)
        try check(task, samples, twin) { reference in
            samples.reduce(0) { sum, sample in
                let example = examples[sample.row]
                let draw = task.draw(sample)
                func d(_ a: Int, _ b: Int) -> Double {
                    reference.scalar(example.query + example.asFirst[a] + example.asSecond[b] + [2])
                }
                let (first, second) = draw.isSwapped ? (1, 0) : (0, 1)
                let (main, reverse) = (d(first, second), d(second, first))
                let duplication = d(draw.duplicated, draw.duplicated)
                let sign: Double = first == 0 ? 1 : -1
                let label =
                    bothOrders
                    ? (Self.softplus(-sign * main) + Self.softplus(sign * reverse)) / 2 : Self.softplus(-sign * main)
                return sum + (label + 0.4 * duplication * duplication + 0.6 * pow(main + reverse, 2)) / 3
            }
        }
    }

    // MARK: - Lists

    /// Lists of four and three responses, every ordered pair with a weight of its own.
    @Test(arguments: LengthRule.allCases) func rrhf(_ length: LengthRule) throws {
        let twin = TwinModel(try .small(tied: true, bias: false), head: .languageModel)
        let c = twin.model.configuration
        let lists = [[6, 9, 4, 5], [7, 3, 5]].enumerated().map { row, lengths in
            RankedList(
                example: Self.example(row, c, responses: lengths, kind: .list),
                ranking: Ranking(
                    pairs: lengths.indices.flatMap { better in
                        (better + 1..<lengths.count).map { worse in
                            RankedPair(better: better, worse: worse, weight: 0.3 + 0.4 * Double(better + worse))
                        }
                    }, best: 0))
        }
        let task = RRHFTask(
            lists: Rows(lists), objective: RRHFObjective(rankingWeight: 1.7, lengthExponent: 0.8, length: length),
            costs: CostModel(c, head: .languageModel))
        func loss(_ list: RankedList, _ reference: DoubleReference) -> Double {
            let responses = list.example.responses
            let width = list.example.prompt.count + (responses.map(\.count).max() ?? 0)
            let sizes = responses.map { Double(length == .padded ? width : $0.count) }
            let own = responses.indices.map { Self.logProbability(list.example, $0, reference) }
            let p = zip(own, sizes).map { (sum: Double, size: Double) -> Double in sum / pow(size, 0.8) }
            var loss = -own[0] / sizes[0]
            for pair in list.pairs { loss += 1.7 * pair.weight * max(0, p[pair.worse] - p[pair.better]) }
            return loss
        }
        try check(task, Self.samples(2), twin) { reference in
            (loss(lists[0], reference) + loss(lists[1], reference)) / 2
        }
    }

    // MARK: - Single responses

    /// Pairs and their labels, a baseline above 0 that no gradient flows through.
    @Test(arguments: [BaselineScope.global, .micro]) func kto(_ scope: BaselineScope) throws {
        let twin = TwinModel(try .small(tied: true, bias: false), head: .languageModel)
        let c = twin.model.configuration
        let examples = (0..<4).map { Self.example($0, c, responses: [7 + $0, 5]) }
        let judged = examples.enumerated().map { row, example in
            WeightedExample(
                example: example,
                references: [0, 1].map { Self.logProbability(example, $0, twin.reference) + (row % 2 == 0 ? 0.9 : -2) },
                weight: 0.5 + 0.25 * Double(row), isFlipped: row == 2)
        }
        let mismatched = MismatchedResponses(
            examples: Rows(examples),
            partners: try KTOPartners(
                of: Rows(examples), order: SampleOrder(count: 4, seed: 3, shuffle: false), batchSize: 4, scope: scope,
                microBatches: 2, pairing: .permuted, seed: 3), maxTokens: 64)
        let samples = Self.samples(4)
        // The reference finds every combination less probable than the policy does, each by another amount.
        var stored: [ContentKey: Double] = [:]
        var ratios: [Int: [Double]] = [:]
        for (index, sample) in samples.enumerated() {
            let combined = mismatched.example(of: sample)
            for (response, key) in combined.responseKeys.enumerated() {
                let ratio = 0.5 + 0.2 * Double(2 * index + response)
                stored[key] = Self.logProbability(combined, response, twin.reference) - ratio
                ratios[scope == .global ? 0 : index / 2, default: []].append(ratio)
            }
        }
        #expect(stored.count == 8)
        let task = KTOTask(
            examples: Rows(judged),
            objective: KTOObjective(beta: 0.4, desirableWeight: 1.2, undesirableWeight: 0.9), denominatorRule: .pairs,
            costs: CostModel(c, head: .languageModel), mismatched: mismatched,
            mismatchedReference: { [stored] in stored[$0, default: .nan] },
            startsAtReference: false)
        let preparation = try #require(task.preparation)
        let outputs = try twin.model.outputs(of: preparation.request(samples), parameters: twin.weights)
        let prepared = preparation.complete(preparation.sums(samples, outputs))
        let baselines = ratios.mapValues { $0.reduce(0, +) / Double($0.count) }
        func loss(_ row: Int, _ response: Int, _ reference: DoubleReference) -> Double {
            let judged = judged[row]
            let z = baselines[scope == .global ? 0 : row / 2] ?? .nan
            let ratio = Self.logProbability(judged.example, response, reference) - judged.references[response]
            let isDesirable = (response == 0) != judged.isFlipped
            let value = Self.sigma(0.4 * (isDesirable ? ratio - z : z - ratio))
            return judged.weight * (isDesirable ? 1.2 : 0.9) * (1 - value)
        }
        try check(prepared, samples, twin) { reference in
            var sum = 0.0
            for row in 0..<4 { for response in 0..<2 { sum += loss(row, response, reference) } }
            return sum / 8
        }
    }

    // MARK: - Adapters

    /// The same loss where only adapters are trained.
    @Test func adaptersUnderWeightedDPO() throws {
        let twin = TwinModel(
            try .small(tied: true, bias: false), head: .languageModel,
            adaptation: LowRankAdaptation(rank: 2, alpha: 3, targets: Projection.allCases))
        let c = twin.model.configuration
        let example = Self.example(0, c, responses: [9, 5])
        let task = PairwiseTask(
            pairs: Rows([
                WeightedExample(
                    example: example, references: [-31, -17.5], weight: 0.7, isFlipped: false)
            ]), objective: PairwiseObjective(.dpo, beta: 0.3), denominatorRule: .pairs,
            costs: CostModel(c, head: .languageModel), startsAtReference: false)
        try check(task, Self.samples(1), twin) { reference in
            let h =
                Self.logProbability(example, 0, reference) + 31 - Self.logProbability(example, 1, reference) - 17.5
            return 0.7 * Self.softplus(-0.3 * h)
        }
    }
}

extension TwinModel {
    /// One leaf as the training loop runs it: gradients are left with the twin.
    ///
    /// - Returns: the summed loss, which every task's first figure is.
    func learn<Task: TrainingTask>(_ task: Task, _ samples: [Sample]) throws -> Double {
        let denominator = task.denominator(of: samples)
        var sums = FigureSums<Task.Figure>()
        try model.learn(task.request(samples), parameters: weights, gradients: gradients) { outputs in
            let loss = task.loss(samples, outputs: outputs, denominator: denominator)
            sums = loss.sums
            return loss.gradients
        }
        return sums.values[0]
    }
}
