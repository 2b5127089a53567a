import Foundation
import Preferences
import Storage
import Tensors
import TestSupport
import Testing
import Transformer

private let stories = "models/stories260K"

/// Token trees against the unshared computation on a real model: every log-probability and every parameter's gradient.
@Suite(.enabled(if: Assets.has(stories), "no assets")) struct TokenTreeEqualityTests {
    private struct Loaded {
        let model: TransformerModel
        let tokenizer: any Tokenizer
        let eos: Int32
        let directory: ModelDirectory

        init(head: HeadKind) throws {
            let path = Assets.path(stories)
            directory = try ModelDirectory.open(path, head: head)
            model = TransformerModel(directory.configuration, head: head)
            tokenizer = try TokenizerLoader.load(path)
            eos = directory.configuration.eosTokenIDs[0]
        }

        func parameters() throws -> LocalParameters {
            let parameters = LocalParameters(model.layout)
            for (spec, values) in zip(model.layout.specs, parameters.values) {
                if directory.contains(spec.name) {
                    try directory.read(spec.name, rows: 0..<spec.rows, into: values.pointer)
                } else {
                    initialValues(for: spec, rows: 0..<spec.rows, seed: 5, range: 0.1, into: values.pointer)
                }
            }
            return parameters
        }

        func ids(_ text: String) throws -> [Int32] { try tokenizer.encode(text) }
    }

    private static let query = "Once upon a time, Lily and Tom went to the park with a big red ball."
    private static let responses = [
        " They were very happy.", " Tom said no.", " The dog ran and ran until the sun went down, and then it slept.",
        " It was cold.", " Lily saw a bird. The bird was blue.", " A cat came.", " \"Can I play?\" said Ben.",
        " The end.",
    ]

    /// Largest gradient difference of any parameter, relative to that parameter's largest gradient.
    private func largestDifference(_ a: LocalParameters, _ b: LocalParameters) -> Float {
        zip(a.gradients, b.gradients).map { x, y in
            let scale = max(x.elements.map(abs).max() ?? 0, 1e-6)
            return (zip(x.elements, y.elements).map { abs($0 - $1) }.max() ?? 0) / scale
        }.max() ?? 0
    }

    @Test(arguments: [2, 8]) func responsesUnderOnePrompt(count: Int) throws {
        let loaded = try Loaded(head: .languageModel)
        let prompt = [Int32(1)] + (try loaded.ids(Self.query))
        let responses = try Self.responses.prefix(count).map { try loaded.ids($0) + [loaded.eos] }
        let weights = responses.indices.map { Float($0 % 2 == 0 ? 1 : -1) / Float($0 + 1) }

        func run(_ forest: TokenForest, _ segments: [Int], _ weights: [Float], _ parameters: LocalParameters) throws
            -> [Float]
        {
            let predictions = segments.map { forest.predictions(of: $0) }
            let pass = try loaded.model.forward(forest, parameters: parameters, keepingActivations: true)
            let output = try loaded.model.logProbabilities(
                of: predictions.flatMap { $0 }, in: pass, parameters: parameters)
            try loaded.model.backward(
                output, weights: zip(predictions, weights).flatMap { Array(repeating: $1, count: $0.count) },
                pass: pass,
                parameters: parameters, gradients: parameters)
            return output.values
        }

        let shared = try loaded.parameters()
        var tree = TokenForest()
        let root = tree.append(prompt)
        let segments = responses.map { tree.append($0, under: root) }
        let together = try run(tree, segments, weights, shared)
        let unshared = try loaded.parameters()
        var apart: [Float] = []
        for (response, weight) in zip(responses, weights) {
            var alone = TokenForest()
            let root = alone.append(prompt)
            let segment = alone.append(response, under: root)
            apart += try run(alone, [segment], [weight], unshared)
        }
        #expect(together.count == responses.reduce(0) { $0 + $1.count } && apart.count == together.count)
        #expect(zip(together, apart).allSatisfy { abs($0 - $1) <= 1e-4 })
        #expect(largestDifference(unshared, shared) <= 1e-4)
    }

    @Test func differenceTrees() throws {
        let loaded = try Loaded(head: .scalar)
        let example = DifferenceExample(
            row: 0, query: [1] + (try loaded.ids("Query: " + Self.query)),
            asFirst: try Self.responses.prefix(2).map { try loaded.ids("; Response 1: " + $0) },
            asSecond: try Self.responses.prefix(2).map { try loaded.ids("; Response 2: " + $0) },
            truncatedResponses: [false, false], isPromptTruncated: false)
        let weights: [Float] = [0.8, -0.5, 0.3]

        func run(_ forest: TokenForest, _ rows: [Int], _ weights: [Float], _ parameters: LocalParameters) throws
            -> [Float]
        {
            let pass = try loaded.model.forward(forest, parameters: parameters, keepingActivations: true)
            let scalars = try loaded.model.scalars(atRows: rows, in: pass, parameters: parameters)
            try loaded.model.backward(
                scalarsAtRows: rows, weights: weights, pass: pass, parameters: parameters, gradients: parameters)
            return scalars
        }

        for (swap, duplicated) in [(false, 0), (false, 1), (true, 0), (true, 1)] {
            let shared = try loaded.parameters()
            var tree = TokenForest()
            let ends = DifferenceTree.append(example, swap: swap, duplicated: duplicated, eos: loaded.eos, to: &tree)
            let together = try run(tree, [ends.main, ends.duplication, ends.reverse], weights, shared)
            let unshared = try loaded.parameters()
            let (first, second) = swap ? (1, 0) : (0, 1)
            var apart: [Float] = []
            for ((a, b), weight) in zip([(first, second), (duplicated, duplicated), (second, first)], weights) {
                var alone = TokenForest()
                alone.append(example.query + example.asFirst[a] + example.asSecond[b] + [loaded.eos])
                apart += try run(alone, [alone.tokens.count - 1], [weight], unshared)
            }
            #expect(zip(together, apart).allSatisfy { abs($0 - $1) <= 1e-4 * max(1, abs($1)) })
            #expect(largestDifference(unshared, shared) <= 1e-4)
        }
    }
}
