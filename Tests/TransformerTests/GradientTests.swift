import Foundation
import Tensors
import TestSupport
import Testing
import Transformer

/// Every parameter's gradient, through every layer and both heads, against finite differences of the double-precision
/// reference on unshared sequences. The library computes the same loss on one token tree.
@Suite struct GradientTests {
    @Test(arguments: [(true, false), (false, true), (true, true), (false, false)])
    func languageModelHead(tied: Bool, bias: Bool) throws {
        let twin = TwinModel(try .small(tied: tied, bias: bias), head: .languageModel)
        let prompt = twin.model.configuration.randomIDs(9, seed: 1)
        let responses = [
            twin.model.configuration.randomIDs(7, seed: 2), twin.model.configuration.randomIDs(70, seed: 3),
            twin.model.configuration.randomIDs(1, seed: 4),
        ]
        let weights = [0.7, -1.3, 0.4]

        var forest = TokenForest()
        let root = forest.append(prompt)
        let segments = responses.map { forest.append($0, under: root) }
        let predictions = segments.map { forest.predictions(of: $0) }
        let pass = try twin.model.forward(forest, parameters: twin.parameters, keepingActivations: true)
        let output = try twin.model.logProbabilities(
            of: predictions.flatMap { $0 }, in: pass, parameters: twin.parameters)

        func expected(_ reference: DoubleReference, _ index: Int) -> Double {
            reference.logProbability(
                prompt + responses[index], over: prompt.count..<(prompt.count + responses[index].count))
        }
        var start = 0
        for index in responses.indices {
            let sum = output.values[start..<(start + responses[index].count)].reduce(0.0) { $0 + Double($1) }
            start += responses[index].count
            let reference = expected(twin.reference, index)
            #expect(abs(sum - reference) <= 1e-5 * abs(reference) + 1e-4)
        }

        try twin.model.backward(
            output, weights: zip(responses, weights).flatMap { Array(repeating: Float($1), count: $0.count) },
            pass: pass, parameters: twin.parameters, gradients: twin.parameters)
        let found = twin.disagreements { reference in
            responses.indices.reduce(0) { $0 + weights[$1] * expected(reference, $1) }
        }
        #expect(found.isEmpty, "\(found)")
    }

    @Test func scalarHead() throws {
        let twin = TwinModel(try .small(tied: true, bias: false), head: .scalar)
        // The shape of a difference tree: a query, two first responses, three second responses.
        let (query, a, b) = (
            twin.model.configuration.randomIDs(8, seed: 5), twin.model.configuration.randomIDs(6, seed: 6),
            twin.model.configuration.randomIDs(11, seed: 7)
        )
        let ends = [
            twin.model.configuration.randomIDs(5, seed: 8), twin.model.configuration.randomIDs(3, seed: 9),
            twin.model.configuration.randomIDs(4, seed: 10),
        ]
        var forest = TokenForest()
        let root = forest.append(query)
        let first = forest.append(a, under: root)
        let leaves = [forest.append(ends[0], under: first), forest.append(ends[1], under: first)]
        let second = forest.append(b, under: root)
        let rows = (leaves + [forest.append(ends[2], under: second)]).map { forest.segments[$0].rows.upperBound - 1 }
        let weights = [1.1, -0.6, 0.9]

        let pass = try twin.model.forward(forest, parameters: twin.parameters, keepingActivations: true)
        let scalars = try twin.model.scalars(atRows: rows, in: pass, parameters: twin.parameters)
        let paths = [query + a + ends[0], query + a + ends[1], query + b + ends[2]]
        for (scalar, path) in zip(scalars, paths) {
            #expect(abs(Double(scalar) - twin.reference.scalar(path)) <= 1e-5 * max(1, abs(Double(scalar))))
        }
        try twin.model.backward(
            scalarsAtRows: rows, weights: weights.map(Float.init), pass: pass, parameters: twin.parameters,
            gradients: twin.parameters)
        let found = twin.disagreements { reference in
            zip(weights, paths).reduce(0) { $0 + $1.0 * reference.scalar($1.1) }
        }
        #expect(found.isEmpty, "\(found)")
    }

    @Test func emptyForestGivesNoGradient() throws {
        let twin = TwinModel(try .small(tied: true, bias: false), head: .languageModel)
        let pass = try twin.model.forward(TokenForest(), parameters: twin.parameters, keepingActivations: true)
        let output = try twin.model.logProbabilities(of: [], in: pass, parameters: twin.parameters)
        try twin.model.backward(
            output, weights: [], pass: pass, parameters: twin.parameters, gradients: twin.parameters)
        #expect(twin.parameters.gradients.allSatisfy { $0.elements.allSatisfy { $0 == 0 } })
    }
}
