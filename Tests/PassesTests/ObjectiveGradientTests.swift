import Foundation
import Objectives
import Preferences
import TestSupport
import Testing
import Transformer

@testable import Passes
@testable import Training

/// Whole objectives, from token trees through model and loss back to every parameter, against finite differences of a
/// loss written in plain formulas over the double-precision reference on unshared sequences.
@Suite struct ObjectiveGradientTests {
    private static func softplus(_ x: Double) -> Double { max(x, 0) + log1p(exp(-abs(x))) }

    @Test func weightedDPO() throws {
        let twin = TwinModel(try .small(tied: true, bias: false), head: .languageModel)
        let c = twin.model.configuration
        let pairs = (0..<2).map { index in
            PairwiseTask.Pair(
                example: TokenizedExample(
                    row: index, kind: .pair, prompt: c.randomIDs(6 + index, seed: 20),
                    responses: [c.randomIDs(9, seed: UInt64(30 + index)), c.randomIDs(5, seed: UInt64(40 + index))],
                    truncatedResponses: [false, false], isPromptTruncated: false, promptText: "",
                    responseTexts: ["", ""]),
                referenceChosen: -31, referenceRejected: -17.5, weight: index == 0 ? 0.7 : 1.6, isFlipped: index == 1)
        }
        let task = PairwiseTask(
            pairs: pairs, objective: PairwiseObjective(variant: .dpo, beta: 0.3), denominatorRule: .pairs,
            costs: CostModel(c, head: .languageModel), startsAtReference: false)
        let samples = pairs.indices.map { Sample(number: $0, row: $0, epoch: 0) }
        let request = task.request(samples)
        guard case .logProbabilities(let responses) = request.outputs else {
            Issue.record("DPO reads log-probabilities")
            return
        }
        let pass = try twin.model.forward(request.forest, parameters: twin.parameters, keepingActivations: true)
        let output = try twin.model.logProbabilities(
            of: responses.flatMap { $0 }, in: pass, parameters: twin.parameters)
        let loss = task.loss(samples, outputs: LeafRunner.sums(output.values, over: responses), denominator: 2)
        try twin.model.backward(
            output,
            weights: zip(responses, loss.gradients).flatMap { Array(repeating: Float($1), count: $0.count) },
            pass: pass,
            parameters: twin.parameters, gradients: twin.parameters)

        let plain: (DoubleReference) -> Double = { reference in
            pairs.reduce(0) { sum, pair in
                func ratio(_ index: Int, _ referenceSum: Double) -> Double {
                    let (prompt, response) = (pair.example.prompt, pair.example.responses[index])
                    return reference.logProbability(
                        prompt + response, over: prompt.count..<(prompt.count + response.count)) - referenceSum
                }
                let h = ratio(0, pair.referenceChosen) - ratio(1, pair.referenceRejected)
                return sum + pair.weight * Self.softplus(-0.3 * (pair.isFlipped ? -h : h)) / 2
            }
        }
        #expect(abs(loss.sums[0] / 2 - plain(twin.reference)) < 1e-4)
        let found = twin.disagreements(plain)
        #expect(found.isEmpty, "\(found)")
    }

    @Test func differenceTraining() throws {
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
            examples: examples, objective: DifferenceObjective(lambdaDuplication: 0.4, lambdaReverse: 0.6),
            eosTokenID: 2,
            seed: 11, costs: CostModel(c, head: .scalar))
        let samples = examples.indices.map { Sample(number: $0, row: $0, epoch: 0) }
        // Both orders are drawn, or the test would not see a swapped sign.
        #expect(Set(samples.map { task.draw($0).isSwapped }).count == 2)
        let request = task.request(samples)
        guard case .scalars(let rows) = request.outputs else {
            Issue.record("the difference model reads scalars")
            return
        }
        let pass = try twin.model.forward(request.forest, parameters: twin.parameters, keepingActivations: true)
        let scalars = try twin.model.scalars(atRows: rows, in: pass, parameters: twin.parameters)
        let loss = task.loss(samples, outputs: scalars.map(Double.init), denominator: 3)
        try twin.model.backward(
            scalarsAtRows: rows, weights: loss.gradients.map(Float.init), pass: pass, parameters: twin.parameters,
            gradients: twin.parameters)

        let plain: (DoubleReference) -> Double = { reference in
            samples.reduce(0) { sum, sample in
                let example = examples[sample.row]
                let draw = task.draw(sample)
                func d(_ a: Int, _ b: Int) -> Double {
                    reference.scalar(example.query + example.asFirst[a] + example.asSecond[b] + [2])
                }
                let (first, second) = draw.isSwapped ? (1, 0) : (0, 1)
                let (main, reverse) = (d(first, second), d(second, first))
                let duplication = d(draw.duplicated, draw.duplicated)
                let signed = first == 0 ? main : -main
                return sum
                    + (Self.softplus(-signed) + 0.4 * duplication * duplication + 0.6 * pow(main + reverse, 2)) / 3
            }
        }
        #expect(abs(loss.sums[0] / 3 - plain(twin.reference)) < 1e-4)
        let found = twin.disagreements(plain)
        #expect(found.isEmpty, "\(found)")
    }
}
