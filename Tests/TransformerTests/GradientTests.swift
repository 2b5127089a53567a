import Foundation
import Tensors
import Testing
import Transformer

/// Every parameter's gradient, through every layer and both heads, against finite differences of the double-precision
/// reference on unshared sequences. The library computes the same loss on one token tree.
@Suite struct GradientTests {
    static func configuration(tied: Bool, bias: Bool) throws -> ModelConfiguration {
        let json = """
            {"model_type": "\(bias ? "qwen2" : "llama")", "architectures": ["\(bias ? "Qwen2" : "Llama")ForCausalLM"],
             "hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 4,
             "num_key_value_heads": 2, "vocab_size": 31, "max_position_embeddings": 128, "rms_norm_eps": 1e-5,
             "rope_theta": 10000.0, "hidden_act": "silu", "tie_word_embeddings": \(tied), "bos_token_id": 1,
             "eos_token_id": 2}
            """
        return try ModelConfiguration(json: Data(json.utf8), file: "config.json")
    }

    static func ids(_ count: Int, seed: UInt64) -> [Int32] {
        let random = KeyedRandom(seed: seed, stream: 1)
        return (0..<count).map { Int32(random.bits(at: UInt64($0)) % 31) }
    }

    private func check(_ twin: TwinModel, loss: (DoubleReference) -> Double) {
        for (parameter, spec) in twin.model.layout.specs.enumerated() {
            let gradient = twin.parameters.gradients[parameter].elements
            let scale = max(gradient.map { abs($0) }.max() ?? 0, 1e-3)
            // Some coordinates of every parameter, among them those with the largest gradient.
            let largest = gradient.indices.max { abs(gradient[$0]) < abs(gradient[$1]) } ?? 0
            for index in Set([0, largest, spec.count / 3, spec.count / 2, spec.count - 1]) {
                let expected = twin.slope(spec.name, index, loss: loss)
                #expect(
                    abs(Double(gradient[index]) - expected) <= 2e-4 * Double(scale),
                    "\(spec.name)[\(index)]: \(gradient[index]) against \(expected)")
            }
        }
    }

    @Test(arguments: [(true, false), (false, true), (true, true), (false, false)])
    func languageModelHead(tied: Bool, bias: Bool) throws {
        let twin = TwinModel(try Self.configuration(tied: tied, bias: bias), head: .languageModel)
        let prompt = Self.ids(9, seed: 1)
        let responses = [Self.ids(7, seed: 2), Self.ids(70, seed: 3), Self.ids(1, seed: 4)]
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
        check(twin) { reference in responses.indices.reduce(0) { $0 + weights[$1] * expected(reference, $1) } }
    }

    @Test func scalarHead() throws {
        let twin = TwinModel(try Self.configuration(tied: true, bias: false), head: .scalar)
        // The shape of a difference tree: a query, two first responses, three second responses.
        let (query, a, b) = (Self.ids(8, seed: 5), Self.ids(6, seed: 6), Self.ids(11, seed: 7))
        let ends = [Self.ids(5, seed: 8), Self.ids(3, seed: 9), Self.ids(4, seed: 10)]
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
        check(twin) { reference in zip(weights, paths).reduce(0) { $0 + $1.0 * reference.scalar($1.1) } }
    }

    @Test func emptyForestGivesNoGradient() throws {
        let twin = TwinModel(try Self.configuration(tied: true, bias: false), head: .languageModel)
        let pass = try twin.model.forward(TokenForest(), parameters: twin.parameters, keepingActivations: true)
        let output = try twin.model.logProbabilities(of: [], in: pass, parameters: twin.parameters)
        try twin.model.backward(
            output, weights: [], pass: pass, parameters: twin.parameters, gradients: twin.parameters)
        #expect(twin.parameters.gradients.allSatisfy { $0.elements.allSatisfy { $0 == 0 } })
    }
}
