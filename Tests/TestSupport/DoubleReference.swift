import Foundation
import Tensors
import Transformer

/// A plain double-precision forward pass of every family over one unshared sequence, written for clarity and independent of the
/// library's kernels: the tests' ground truth.
package struct DoubleReference {
    package let configuration: ModelConfiguration
    /// Parameters by Hugging Face name, row-major.
    package var parameters: [String: [Double]]
    /// alpha / rank of adapters, where `parameters` has any.
    package var adapterScale = 0.0

    /// Hidden states after the final norm, `[position][hidden]`.
    package func hidden(_ ids: [Int32]) -> [[Double]] {
        let (c, family) = (configuration, configuration.family)
        let scale = family.scalesEmbedding ? Double(c.hiddenSize).squareRoot() : 1
        var x = ids.map { id in
            weights("model.embed_tokens.weight")[Int(id) * c.hiddenSize..<(Int(id) + 1) * c.hiddenSize].map {
                scale * $0
            }
        }
        for layer in 0..<c.layerCount {
            let prefix = "model.layers.\(layer)."
            func norms(_ x: [[Double]], _ name: String, if exists: Bool) -> [[Double]] {
                exists ? x.map { norm($0, prefix + name + ".weight") } : x
            }
            func rotated(_ x: [[Double]]) -> [[Double]] {
                c.unrotatedLayers.contains(layer) ? x : x.enumerated().map { rotate($0, $1, layer) }
            }
            let (before, after) = (family.norms != .after, family.norms != .before)
            let hasQueryKeyNorm = family.queryKeyNorm != .none
            let normed = norms(x, "input_layernorm", if: before)
            let q = project(normed, prefix + "self_attn.q_proj", c.headCount * c.headSize)
            let k = project(normed, prefix + "self_attn.k_proj", c.keyValueHeadCount * c.headSize)
            let v = project(normed, prefix + "self_attn.v_proj", c.keyValueHeadCount * c.headSize)
            let attended = attention(
                rotated(norms(q, "self_attn.q_norm", if: hasQueryKeyNorm)),
                rotated(norms(k, "self_attn.k_norm", if: hasQueryKeyNorm)), v, window: c.window(ofLayer: layer))
            let output = project(attended, prefix + "self_attn.o_proj", c.hiddenSize)
            x = zip(x, norms(output, "post_attention_layernorm", if: after)).map { zip($0, $1).map(+) }
            let middle = norms(
                x, after ? "pre_feedforward_layernorm" : "post_attention_layernorm", if: before)
            let gate = project(middle, prefix + "mlp.gate_proj", c.intermediateSize)
            let up = project(middle, prefix + "mlp.up_proj", c.intermediateSize)
            let product = zip(gate, up).map { zip($0, $1).map { activated($0) * $1 } }
            let down = project(product, prefix + "mlp.down_proj", c.hiddenSize)
            x = zip(x, norms(down, "post_feedforward_layernorm", if: after)).map { zip($0, $1).map(+) }
        }
        return x.map { norm($0, "model.norm.weight") }
    }

    /// `Σ log p(ids[t] | ids[..<t])` over `range`.
    package func logProbability(_ ids: [Int32], over range: Range<Int>) -> Double {
        let states = hidden(ids)
        let name = configuration.tiesEmbeddings ? "model.embed_tokens" : "lm_head"
        return range.reduce(0) { sum, t in
            let logits = project([states[t - 1]], name, configuration.vocabularySize)[0]
            let largest = logits.max() ?? 0
            return sum + logits[Int(ids[t])] - largest - log(logits.reduce(0) { $0 + exp($1 - largest) })
        }
    }

    /// The scalar head at the last token.
    package func scalar(_ ids: [Int32]) -> Double {
        zip(hidden(ids)[ids.count - 1], weights("score.weight")).reduce(0) { $0 + $1.0 * $1.1 }
    }

    private func weights(_ name: String) -> [Double] {
        guard let weights = parameters[name] else { preconditionFailure("no parameter \(name)") }
        return weights
    }

    /// Over as many elements at a time as there are weights.
    private func norm(_ x: [Double], _ name: String) -> [Double] {
        let weights = weights(name)
        let added: Double = configuration.family.hasCenteredNorms ? 1 : 0
        return stride(from: 0, to: x.count, by: weights.count).flatMap { start in
            let part = x[start..<(start + weights.count)]
            let meanSquare = part.reduce(0) { $0 + $1 * $1 } / Double(part.count)
            let scale = 1 / (meanSquare + Double(configuration.normEpsilon)).squareRoot()
            return zip(part, weights).map { $0 * scale * (added + $1) }
        }
    }

    private func activated(_ g: Double) -> Double {
        switch configuration.family.activation {
        case .swiglu: g / (1 + exp(-g))
        case .geglu: 0.5 * g * (1 + tanh((2 / Double.pi).squareRoot() * (g + 0.044715 * g * g * g)))
        }
    }

    private func project(_ x: [[Double]], _ name: String, _ width: Int) -> [[Double]] {
        let weight = weights(name + ".weight")
        let bias = parameters[name + ".bias"]
        let (a, b) = (parameters[name + ".lora_A.weight"], parameters[name + ".lora_B.weight"])
        return x.map { row in
            let rank = (a?.count ?? 0) / row.count
            let narrow = (0..<rank).map { r in
                row.indices.reduce(0.0) { $0 + row[$1] * (a?[r * row.count + $1] ?? 0) }
            }
            return (0..<width).map { out in
                var sum = bias?[out] ?? 0
                for (index, value) in row.enumerated() { sum += value * weight[out * row.count + index] }
                for (r, value) in narrow.enumerated() { sum += adapterScale * value * (b?[out * rank + r] ?? 0) }
                return sum
            }
        }
    }

    private func rotate(_ position: Int, _ row: [Double], _ layer: Int) -> [Double] {
        let size = configuration.headSize
        let isLocal = configuration.localRopeTheta != nil && configuration.localLayers.contains(layer)
        let frequencies = configuration.inverseFrequencies(isLocal: isLocal)
        var factor = 1.0
        if !isLocal, case .yarn(let yarn) = configuration.ropeScaling { factor = yarn.attentionFactor }
        var result = row
        for start in stride(from: 0, to: row.count, by: size) {
            for i in 0..<size / 2 {
                let angle = Double(position) * frequencies[i]
                let (a, b) = (row[start + i], row[start + i + size / 2])
                result[start + i] = factor * (a * cos(angle) - b * sin(angle))
                result[start + i + size / 2] = factor * (b * cos(angle) + a * sin(angle))
            }
        }
        return result
    }

    private func attention(_ q: [[Double]], _ k: [[Double]], _ v: [[Double]], window: Int?) -> [[Double]] {
        let c = configuration
        return q.indices.map { t in
            (0..<c.headCount).flatMap { head -> [Double] in
                let own = head * c.headSize
                let shared = head / (c.headCount / c.keyValueHeadCount) * c.headSize
                let first = window.map { max(0, t + 1 - $0) } ?? 0
                let scores = (first...t).map { s in
                    (0..<c.headSize).reduce(0.0) { $0 + q[t][own + $1] * k[s][shared + $1] }
                        / c.scoreDivisor.squareRoot()
                }
                let largest = scores.max() ?? 0
                let exponentials = scores.map { exp($0 - largest) }
                let total = exponentials.reduce(0, +)
                return (0..<c.headSize).map { i in
                    (first...t).reduce(0.0) { $0 + exponentials[$1 - first] / total * v[$1][shared + i] }
                }
            }
        }
    }
}

/// A small random model held twice: in the library's parameters and in the reference's.
package struct TwinModel {
    package let model: TransformerModel
    package let parameters: LocalParameters
    /// What training changes: `parameters`, or the adapters beside them.
    package let trained: LocalParameters
    package var reference: DoubleReference

    package init(
        _ configuration: ModelConfiguration, head: HeadKind, adaptation: LowRankAdaptation? = nil, seed: UInt64 = 7
    ) {
        model = TransformerModel(configuration, head: head, adaptation: adaptation)
        parameters = LocalParameters(model.layout)
        trained = adaptation == nil ? parameters : LocalParameters(model.trainedLayout)
        var values: [String: [Double]] = [:]
        // An adapted model's own `score.weight` comes after its base's and replaces it.
        let all =
            Array(zip(model.layout.specs, parameters.values))
            + (adaptation == nil ? [] : Array(zip(trained.layout.specs, trained.values)))
        for (index, (spec, matrix)) in all.enumerated() {
            let random = KeyedRandom(seed: seed, stream: UInt64(index))
            for i in 0..<spec.count {
                let center: Double = spec.role == .norm && !configuration.family.hasCenteredNorms ? 1 : 0
                matrix.elements[i] = Float(center + 0.25 * random.normal(at: UInt64(i)))
            }
            values[spec.name] = matrix.elements.map(Double.init)
        }
        reference = DoubleReference(
            configuration: configuration, parameters: values,
            adapterScale: adaptation.map { $0.alpha / Double($0.rank) } ?? 0)
    }

    /// What the model runs with and where its gradients go.
    package var weights: any ParameterSource {
        model.adaptation == nil
            ? parameters : AdaptedParameters(base: parameters, adapters: trained, layout: trained.layout)
    }
    package var gradients: any GradientSink {
        trained
    }

    /// Central difference of `loss` along one coordinate of one parameter.
    package func slope(_ name: String, _ index: Int, step: Double = 1e-5, loss: (DoubleReference) -> Double) -> Double {
        var shifted = reference
        shifted.parameters[name]?[index] += step
        let above = loss(shifted)
        shifted.parameters[name]?[index] -= 2 * step
        return (above - loss(shifted)) / (2 * step)
    }

    /// Coordinates of every parameter whose gradient differs from the slope of `loss` in double precision by more than
    /// 2e-4 of that parameter's largest gradient. Looks at a few coordinates of each, among them the largest.
    package func disagreements(_ loss: (DoubleReference) -> Double) -> [String] {
        trained.layout.specs.enumerated().flatMap { parameter, spec -> [String] in
            let gradient = trained.gradients[parameter].elements
            let scale = Double(max(gradient.map { abs($0) }.max() ?? 0, 1e-3))
            let largest = gradient.indices.max { abs(gradient[$0]) < abs(gradient[$1]) } ?? 0
            return Set([0, largest, spec.count / 3, spec.count / 2, spec.count - 1]).sorted().compactMap { index in
                let expected = slope(spec.name, index, loss: loss)
                guard !(abs(Double(gradient[index]) - expected) <= 2e-4 * scale) else { return nil }
                return "\(spec.name)[\(index)]: \(gradient[index]) against \(expected)"
            }
        }
    }
}

extension ModelConfiguration {
    /// Three blocks of 592 parameters, an embedding of 256 that is the head too: small enough to count by hand.
    package static let planned = ModelConfiguration(
        hiddenSize: 8, intermediateSize: 16, layerCount: 3, headCount: 2, keyValueHeadCount: 1, headSize: 4,
        vocabularySize: 32, maxPositions: 64, normEpsilon: 1e-5, tiesEmbeddings: true)

    /// Two blocks, four heads that share two key-value heads, 31 tokens: small enough for finite differences.
    package static func small(tied: Bool, bias: Bool) throws -> ModelConfiguration {
        let json = """
            {"model_type": "\(bias ? "qwen2" : "llama")", "architectures": ["\(bias ? "Qwen2" : "Llama")ForCausalLM"],
             "hidden_size": 24, "intermediate_size": 40, "num_hidden_layers": 2, "num_attention_heads": 4,
             "num_key_value_heads": 2, "vocab_size": 31, "max_position_embeddings": 128, "rms_norm_eps": 1e-5,
             "rope_theta": 10000.0, "hidden_act": "silu", "tie_word_embeddings": \(tied), "bos_token_id": 1,
             "eos_token_id": 2}
            """
        return try ModelConfiguration(json: Data(json.utf8), file: "config.json")
    }

    /// What each family's configuration says beside the shape of `family`.
    package static let families: KeyValuePairs = [
        "llama": #""attention_bias": true"#,
        "mistral": #""sliding_window": 24, "head_dim": 8"#,
        "qwen2": "",
        "qwen3": #""head_dim": 16"#,
        "gemma3_text": """
        "head_dim": 16, "sliding_window": 24, "query_pre_attn_scalar": 20,
        "layer_types": ["sliding_attention", "sliding_attention", "full_attention", "sliding_attention"]
        """,
        "olmo2": "",
        "smollm3": #""no_rope_layers": [1, 0, 1, 0]"#,
        "llama+linear": #""rope_scaling": {"rope_type": "linear", "factor": 4.0}"#,
        "llama+dynamic": #""rope_scaling": {"rope_type": "dynamic", "factor": 4.0}"#,
        "llama+llama3": """
        "rope_scaling": {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
        "original_max_position_embeddings": 16}
        """,
        "qwen2+yarn": #""rope_scaling": {"type": "yarn", "factor": 4.0, "original_max_position_embeddings": 64}"#,
        "mistral+yarn": """
        "sliding_window": 24, "rope_scaling": {"rope_type": "yarn", "factor": 16.0, "beta_fast": 8.0, "beta_slow": 0.5,
        "mscale": 1.0, "mscale_all_dim": 0.8, "original_max_position_embeddings": 32, "truncate": false}
        """,
    ]

    /// Four blocks of a family, the word before a plus sign, four heads that share two key-value heads, 31 tokens. compare_families.py has the same.
    package static func family(_ type: String) throws -> ModelConfiguration {
        let own = families.first { $0.key == type }?.value ?? ""
        let json = """
            {"model_type": "\(type.prefix { $0 != "+" })", "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 4,
             "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 31, "max_position_embeddings": 512,
             "rms_norm_eps": 1e-5\(own.isEmpty ? "" : ", " + own)}
            """
        return try ModelConfiguration(json: Data(json.utf8), file: "config.json")
    }

    /// Random ids of its vocabulary.
    package func randomIDs(_ count: Int, seed: UInt64) -> [Int32] {
        let random = KeyedRandom(seed: seed, stream: 1)
        return (0..<count).map { Int32(random.bits(at: UInt64($0)) % UInt64(vocabularySize)) }
    }
}
