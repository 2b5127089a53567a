import Foundation
import Tensors
import TestSupport
import Testing
import Transformer

/// Adapters: their gradients against finite differences in double precision, what they leave alone, and their merge.
@Suite struct LowRankTests {
    private static let all = LowRankAdaptation(rank: 3, alpha: 5, targets: Projection.allCases)

    private struct Case {
        let twin: TwinModel
        let prompt: [Int32]
        let responses: [[Int32]]
        let forest: TokenForest
        let predictions: [[Prediction]]

        init(_ twin: TwinModel) {
            let c = twin.model.configuration
            self.twin = twin
            prompt = c.randomIDs(9, seed: 1)
            responses = [c.randomIDs(7, seed: 2), c.randomIDs(40, seed: 3)]
            var forest = TokenForest()
            let root = forest.append(prompt)
            let segments = responses.map { forest.append($0, under: root) }
            predictions = segments.map { forest.predictions(of: $0) }
            self.forest = forest
        }

        func run(_ parameters: any ParameterSource, model: TransformerModel? = nil) throws -> (
            TrunkPass, TokenLogProbabilities
        ) {
            let model = model ?? twin.model
            let pass = try model.forward(forest, parameters: parameters, keepingActivations: true)
            let output = try model.logProbabilities(
                of: predictions.flatMap { $0 }, in: pass, parameters: parameters)
            return (pass, output)
        }

        func expected(_ reference: DoubleReference, _ index: Int) -> Double {
            reference.logProbability(
                prompt + responses[index], over: prompt.count..<(prompt.count + responses[index].count))
        }
    }

    @Test(arguments: [
        (LowRankAdaptation(rank: 3, alpha: 5, targets: Projection.allCases), true, false),
        (LowRankAdaptation(rank: 2, alpha: 8, targets: [.query, .value]), false, true),
        (LowRankAdaptation(rank: 1, alpha: 0.5, targets: [.down]), true, true),
    ])
    func gradientsOfTheAdaptersAlone(adaptation: LowRankAdaptation, tied: Bool, bias: Bool) throws {
        let twin = TwinModel(try .small(tied: tied, bias: bias), head: .languageModel, adaptation: adaptation)
        let test = Case(twin)
        let (pass, output) = try test.run(twin.weights)
        let weights = [0.7, -1.3]
        var start = 0
        for index in weights.indices {
            let count = test.responses[index].count
            let sum = output.values[start..<(start + count)].reduce(0.0) { $0 + Double($1) }
            start += count
            let reference = test.expected(twin.reference, index)
            #expect(abs(sum - reference) <= 1e-5 * abs(reference) + 1e-4)
        }
        try twin.model.backward(
            output, weights: zip(test.responses, weights).flatMap { Array(repeating: Float($1), count: $0.count) },
            pass: pass, parameters: twin.weights, gradients: twin.gradients)
        let found = twin.disagreements { reference in
            weights.indices.reduce(0) { $0 + weights[$1] * test.expected(reference, $1) }
        }
        #expect(found.isEmpty, "\(found)")
        #expect(twin.parameters.gradients.allSatisfy { $0.elements.allSatisfy { $0 == 0 } })
    }

    @Test func gradientsUnderAScalarHead() throws {
        let twin = TwinModel(try .small(tied: true, bias: false), head: .scalar, adaptation: Self.all)
        let ids = twin.model.configuration.randomIDs(17, seed: 5)
        var forest = TokenForest()
        forest.append(ids)
        let pass = try twin.model.forward(forest, parameters: twin.weights, keepingActivations: true)
        let scalar = try twin.model.scalars(atRows: [16], in: pass, parameters: twin.weights)[0]
        #expect(abs(Double(scalar) - twin.reference.scalar(ids)) <= 1e-5 * max(1, abs(Double(scalar))))
        try twin.model.backward(
            scalarsAtRows: [16], weights: [1.5], pass: pass, parameters: twin.weights, gradients: twin.gradients)
        #expect(twin.trained.layout.specs.last?.role == .scalarHead)
        let found = twin.disagreements { 1.5 * $0.scalar(ids) }
        #expect(found.isEmpty, "\(found)")
    }

    /// A zero B changes no bit, whatever A is: adapters begin as their base.
    @Test func aZeroBIsTheBase() throws {
        let twin = TwinModel(try .small(tied: true, bias: false), head: .languageModel, adaptation: Self.all)
        for (spec, matrix) in zip(twin.trained.layout.specs, twin.trained.values) {
            initialValues(for: spec, rows: 0..<spec.rows, seed: 3, range: 0.02, into: matrix.pointer)
            let isB = if case .adapterB = spec.role { true } else { false }
            #expect(matrix.elements.allSatisfy { $0 == 0 } == isB)
            let bound = 1 / Float(spec.columns).squareRoot()
            #expect(matrix.elements.allSatisfy { abs($0) <= bound })
        }
        let test = Case(twin)
        let base = TransformerModel(twin.model.configuration, head: .languageModel)
        let (adapted, plain) = try (test.run(twin.weights).1, test.run(twin.parameters, model: base).1)
        #expect(adapted.values.map(\.bitPattern) == plain.values.map(\.bitPattern))
    }

    @Test func mergedWeightsComputeTheSame() throws {
        let twin = TwinModel(try .small(tied: false, bias: true), head: .languageModel, adaptation: Self.all)
        let merged = LocalParameters(twin.model.layout)
        for (place, group) in twin.model.layout.groupNames.enumerated() {
            let matrices = twin.model.merged(try twin.weights.acquire(group: group), group: group)
            for (matrix, target) in zip(matrices, merged.values[twin.model.layout.groups[place]]) {
                target.copy(from: matrix)
            }
        }
        let test = Case(twin)
        let base = TransformerModel(twin.model.configuration, head: .languageModel)
        let (adapted, plain) = try (test.run(twin.weights).1, test.run(merged, model: base).1)
        for (a, b) in zip(adapted.values, plain.values) { #expect(abs(a - b) < 1e-4) }
        #expect(try test.run(twin.parameters, model: base).1.values != plain.values)
    }

    @Test func initialAdaptersDoNotDependOnHowRowsAreSplit() {
        let spec = ParameterSpec(
            name: "model.layers.0.mlp.up_proj.lora_A.weight", shape: [4, 6], role: .adapterA(.up), group: .block(0))
        var whole = [Float](repeating: 0, count: 24)
        var parts = whole
        initialValues(for: spec, rows: 0..<4, seed: 9, range: 0, into: &whole)
        parts.withUnsafeMutableBufferPointer { buffer in
            guard let start = buffer.baseAddress else { return }
            initialValues(for: spec, rows: 0..<1, seed: 9, range: 0, into: start)
            initialValues(for: spec, rows: 1..<4, seed: 9, range: 0, into: start + 6)
        }
        #expect(whole == parts && Set(whole).count == 24)
    }
}
