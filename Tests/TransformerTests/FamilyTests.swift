import Foundation
import Tensors
import TestSupport
import Testing
import Transformer

/// Every architecture: gradients against finite differences, and log-probabilities against Python transformers.
@Suite struct FamilyTests {
    /// Five log-probabilities of a model whose weights follow `rule`: `compare_families.py --golden` prints them
    /// (transformers 5.24).
    static let golden: KeyValuePairs = [
        "llama": [-2.883961, -4.84656, -1.92009, -3.625313, -4.466276],
        "mistral": [-6.197147, -5.73122, -4.708709, -1.6799, -4.703667],
        "qwen2": [-3.291636, -5.977842, -4.105558, -2.635477, -4.04727],
        "qwen3": [-2.693345, -5.926971, -6.186446, -5.223448, -2.417894],
        "gemma3_text": [-7.604156, -3.516668, -10.18101, -4.110208, -9.03596],
        "olmo2": [-7.249177, -2.528415, -3.37169, -3.471399, -5.30608],
        "smollm3": [-5.825238, -4.276506, -4.509729, -4.833597, -5.912218],
        "llama+linear": [-6.197147, -5.247411, -6.303242, -3.572472, -4.436212],
        "llama+dynamic": [-6.197147, -5.73122, -4.18845, -3.532765, -4.01223],
        "llama+llama3": [-6.197147, -5.314125, -1.785247, -1.996667, -3.824757],
        "qwen2+yarn": [-3.291636, -6.106895, -3.53112, -0.96549, -5.060641],
        "mistral+yarn": [-6.197147, -5.575054, -4.158928, -3.361533, -3.70462],
    ]

    @Test func allFamiliesAreTested() {
        #expect(Self.golden.map(\.key) == ModelConfiguration.families.map(\.key))
        #expect(Set(Self.golden.map { String($0.key.prefix { $0 != "+" }) }) == Set(ModelFamily.all.map(\.type)))
    }

    /// Norms about 1, or about 0 where 1 is added; the rest about 0. The script makes the same.
    private static func fill(_ spec: ParameterSpec, _ values: Matrix, _ family: ModelFamily) {
        let stream = spec.name.utf8.reduce(0xCBF2_9CE4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
        let center: Double = spec.role == .norm && !family.hasCenteredNorms ? 1 : 0
        for i in values.elements.indices {
            var bits = (stream &+ UInt64(i)) &* 0x9E37_79B9_7F4A_7C15
            bits = (bits ^ (bits >> 32)) &* 0xD6E8_FEB8_6659_FD93
            values.elements[i] = Float(center + Double(Float(Double(bits >> 40) / Double(1 << 24) - 0.5)))
        }
    }

    @Test(arguments: ModelConfiguration.families.map(\.key)) func transformersSaysTheSame(_ type: String) throws {
        let model = TransformerModel(try .family(type), head: .languageModel)
        let parameters = LocalParameters(model.layout)
        for (spec, values) in zip(model.layout.specs, parameters.values) {
            Self.fill(spec, values, model.configuration.family)
        }
        let ids: [Int32] = (0..<60).map { (i: Int32) -> Int32 in (7 * i * i + 3 * i + 1) % 31 }
        // One path of a tree, with other branches beside it.
        var forest = TokenForest()
        let root = forest.append(Array(ids[..<20]))
        forest.append([3, 1, 4, 1, 5, 9], under: root)
        let branch = forest.append(Array(ids[20..<45]), under: root)
        forest.append([2, 7, 1, 8], under: branch)
        let leaf = forest.append(Array(ids[45...]), under: branch)
        let pass = try model.forward(forest, parameters: parameters, keepingActivations: false)
        let values = try model.logProbabilities(
            of: [root, branch, leaf].flatMap { forest.predictions(of: $0) }, in: pass, parameters: parameters
        ).values
        let expected = try #require(Self.golden.first { $0.key == type }?.value)
        for (index, value) in zip([0, 10, 30, 45, 58], expected) {
            let found = Double(values[index])
            #expect(abs(found - value) < 1e-5, "token \(index): \(found)")
        }
    }

    @Test(arguments: ModelConfiguration.families.map(\.key)) func gradients(_ type: String) throws {
        let twin = TwinModel(try .family(type), head: .languageModel)
        let c = twin.model.configuration
        // Windows of 24 end within the query, within a response and between them, and where a block of 64 queries does.
        let longest = c.slidingWindow == nil ? 20 : 66
        let prompt = c.randomIDs(20, seed: 1)
        let responses = [c.randomIDs(12, seed: 2), c.randomIDs(longest, seed: 3)]
        var forest = TokenForest()
        let root = forest.append(prompt)
        let predictions = responses.map { forest.append($0, under: root) }.map { forest.predictions(of: $0) }
        let pass = try twin.model.forward(forest, parameters: twin.parameters, keepingActivations: true)
        let output = try twin.model.logProbabilities(
            of: predictions.flatMap { $0 }, in: pass, parameters: twin.parameters)
        let weights = [0.7, -1.3]
        func expected(_ reference: DoubleReference, _ index: Int) -> Double {
            reference.logProbability(
                prompt + responses[index], over: prompt.count..<(prompt.count + responses[index].count))
        }
        let sum = output.values.reduce(0.0) { $0 + Double($1) }
        let reference = responses.indices.reduce(0) { $0 + expected(twin.reference, $1) }
        #expect(abs(sum - reference) <= 1e-5 * abs(reference) + 1e-4)
        try twin.model.backward(
            output, weights: zip(responses, weights).flatMap { Array(repeating: Float($1), count: $0.count) },
            pass: pass, parameters: twin.parameters, gradients: twin.parameters)
        let found = twin.disagreements { reference in
            weights.indices.reduce(0) { $0 + weights[$1] * expected(reference, $1) }
        }
        #expect(found.isEmpty, "\(found)")
    }
}
