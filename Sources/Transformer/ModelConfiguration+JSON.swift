import Diagnostics
import Foundation
import Tensors

extension ModelConfiguration {
    /// Reads a Hugging Face config.json.
    ///
    /// - Parameter file: its path, for messages.
    /// - Throws: `RDOError.artefact` naming file and key when the architecture is unknown, or a key is missing, mistyped
    ///   or out of range.
    package init(json: Data, file: String) throws {
        let reader = try ConfigurationReader(json, file: file)
        let type = try reader.text("model_type")
        guard let family = ModelFamily.all.first(where: { $0.type == type }) else {
            let known = ModelFamily.all.map { "\($0.type) (\($0.models))" }.joined(separator: ", ")
            throw reader.error(
                "model_type", "is \(type) (\(reader.architecture ?? type))", remedy: "supported are \(known)")
        }
        self.family = family
        if reader.has("quantization_config") {
            throw reader.error(
                "quantization_config", "is present, but quantized weights are not supported",
                remedy: "use the model in F32, F16 or BF16")
        }
        hiddenSize = try reader.count("hidden_size")
        intermediateSize = try reader.count("intermediate_size")
        layerCount = try reader.count("num_hidden_layers")
        // Every layer has a list of names: an absurd count would fill the memory before any tensor is missed.
        guard layerCount <= 4096 else { throw reader.error("num_hidden_layers", "is \(layerCount), above 4096") }
        headCount = try reader.count("num_attention_heads")
        keyValueHeadCount = try reader.count("num_key_value_heads", default: headCount)
        guard reader.has("head_dim") || family.headSize != nil || hiddenSize % headCount == 0 else {
            throw reader.error(
                "num_attention_heads", "is \(headCount), which does not divide hidden_size \(hiddenSize)")
        }
        headSize = try reader.count("head_dim", default: family.headSize ?? hiddenSize / headCount)
        vocabularySize = try reader.count("vocab_size")
        maxPositions = try reader.count("max_position_embeddings", default: 2048)
        normEpsilon = Float(try reader.number("rms_norm_eps", default: 1e-6))
        // Newer files keep theta beside the scaling, in rope_parameters.
        let ropes = try reader.object("rope_parameters")
        let rope = try ropes?.object("full_attention") ?? ropes ?? reader.object("rope_scaling")
        ropeTheta = try rope?.optionalNumber("rope_theta") ?? reader.number("rope_theta", default: family.ropeTheta)
        ropeScaling = try RopeScaling(rope, maxPositions: maxPositions)
        tiesEmbeddings = try reader.flag("tie_word_embeddings", default: family.tiesEmbeddings)
        let attentionBias = try reader.flag("attention_bias", default: false) && family.biases == .asConfigured
        queryKeyValueBias = family.biases == .queryKeyValue || attentionBias
        outputBias = attentionBias
        scoreDivisor =
            try family.scoreDivisor.map { try reader.number("query_pre_attn_scalar", default: $0) } ?? Double(headSize)
        bosTokenID = try reader.ids("bos_token_id").first
        eosTokenIDs = try reader.ids("eos_token_id")
        initializerRange = try reader.number("initializer_range", default: 0.02)

        try readLayers(reader, local: ropes?.object("sliding_attention"))
        guard headCount % keyValueHeadCount == 0 else {
            throw reader.error(
                "num_key_value_heads", "is \(keyValueHeadCount), which does not divide \(headCount) heads")
        }
        guard headSize % 2 == 0 else { throw reader.error("head_dim", "is \(headSize), but must be even") }
        let known = family.activation
        let activation = try reader.optionalText(known.key) ?? known.rawValue
        guard activation == known.rawValue else {
            throw reader.error(known.key, "is \(activation); only \(known.rawValue) is supported")
        }
        for key in ["mlp_bias", "use_sliding_window", "use_bidirectional_attention"]
        where try reader.flag(key, default: false) {
            throw reader.error(key, "is true, which is not supported")
        }
        for key in ["attn_logit_softcapping", "final_logit_softcapping"] where reader.has(key) {
            throw reader.error(key, "is present, which is not supported")
        }
    }

    /// In which blocks attention is another than in most.
    private mutating func readLayers(_ reader: ConfigurationReader, local: ConfigurationReader?) throws {
        let layers = 0..<layerCount
        if family.windows != .none {
            // The default of transformers; null stands for none.
            slidingWindow = reader.isNull("sliding_window") ? nil : try reader.count("sliding_window", default: 4096)
        }
        if case .local(let every) = family.windows {
            let every = try reader.count("sliding_window_pattern", default: every)
            let types =
                try reader.list("layer_types", of: "texts", \.text)
                ?? layers.map { ($0 + 1) % every == 0 ? Self.fullAttention : Self.slidingAttention }
            guard types.count == layerCount else {
                throw reader.error("layer_types", "has \(types.count) entries for \(layerCount) layers")
            }
            if let other = types.first(where: { ![Self.fullAttention, Self.slidingAttention].contains($0) }) {
                throw reader.error("layer_types", "names \(other), which is not supported")
            }
            localLayers = Set(layers.filter { types[$0] == Self.slidingAttention })
            localRopeTheta =
                try local?.optionalNumber("rope_theta") ?? reader.number("rope_local_base_freq", default: 10_000)
        } else if slidingWindow != nil {
            localLayers = Set(layers)
        }
        if let every = family.unrotatedEvery {
            let rotated =
                try reader.list("no_rope_layers", of: "numbers", \.integer)
                ?? layers.map { ($0 + 1) % every == 0 ? 0 : 1 }
            guard rotated.count == layerCount else {
                throw reader.error("no_rope_layers", "has \(rotated.count) entries for \(layerCount) layers")
            }
            unrotatedLayers = Set(layers.filter { rotated[$0] == 0 })
        }
    }

    private static let fullAttention = "full_attention"
    private static let slidingAttention = "sliding_attention"

    /// A config.json that Python transformers loads.
    ///
    /// - Parameter dtype: PyTorch's name of the number type that the weights beside it are stored in.
    package func json(head: HeadKind, dtype: String = "float32") -> Data {
        let (languageModel, scalar) = family.architectures
        var object: [String: Any] = [
            "architectures": [head == .languageModel ? languageModel : scalar],
            "model_type": family.type, family.activation.key: family.activation.rawValue,
            "hidden_size": hiddenSize, "intermediate_size": intermediateSize, "num_hidden_layers": layerCount,
            "num_attention_heads": headCount, "num_key_value_heads": keyValueHeadCount, "head_dim": headSize,
            "vocab_size": vocabularySize, "max_position_embeddings": maxPositions,
            "rms_norm_eps": Double(String(normEpsilon)) ?? Double(normEpsilon), "rope_theta": ropeTheta,
            "tie_word_embeddings": tiesEmbeddings, "initializer_range": initializerRange, "torch_dtype": dtype,
            "use_cache": true,
        ]
        if family.biases == .asConfigured {
            object["attention_bias"] = outputBias
            object["mlp_bias"] = false
        }
        addLayers(to: &object)
        object["rope_scaling"] = ropeScaling.json
        if let bosTokenID { object["bos_token_id"] = Int(bosTokenID) }
        if eosTokenIDs.count == 1 { object["eos_token_id"] = Int(eosTokenIDs[0]) }
        if eosTokenIDs.count > 1 { object["eos_token_id"] = eosTokenIDs.map(Int.init) }
        if head == .scalar { object["num_labels"] = 1 }
        if head == .scalar || family.statesPadding { object["pad_token_id"] = paddingTokenID.map { Int($0) } }
        let options: JSONSerialization.WritingOptions = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        guard let data = try? JSONSerialization.data(withJSONObject: object, options: options) else {
            preconditionFailure("a configuration holds only JSON values")
        }
        return data
    }

    private func addLayers(to object: inout [String: Any]) {
        if family.windows != .none { object["sliding_window"] = slidingWindow ?? NSNull() as Any }
        if case .local = family.windows {
            object["layer_types"] = (0..<layerCount).map {
                localLayers.contains($0) ? Self.slidingAttention : Self.fullAttention
            }
            object["rope_local_base_freq"] = localRopeTheta
        }
        if family.scoreDivisor != nil { object["query_pre_attn_scalar"] = scoreDivisor }
        if family.unrotatedEvery != nil {
            object["no_rope_layers"] = (0..<layerCount).map { unrotatedLayers.contains($0) ? 0 : 1 }
        }
    }

    /// What fills up shorter sequences of a batch in Python transformers, which reads the score at the last token that is
    /// no padding. Sequences end in an EOS here and are scored there, so it must be another id: BOS, or the first that is.
    private var paddingTokenID: Int32? {
        if let bosTokenID, !eosTokenIDs.contains(bosTokenID) { return bosTokenID }
        return (0..<Int32(vocabularySize)).first { !eosTokenIDs.contains($0) }
    }
}

extension GatedActivation {
    /// Where config.json names it.
    fileprivate var key: String { self == .swiglu ? "hidden_act" : "hidden_activation" }
}
