import Diagnostics
import Foundation

extension ModelConfiguration {
    /// Reads a Hugging Face config.json.
    ///
    /// - Parameter file: its path, for messages.
    /// - Throws: `RDOError.artefact` naming file and key when the architecture is unknown, or a key is missing, mistyped
    ///   or out of range.
    package init(json: Data, file: String) throws {
        let reader = try ConfigurationReader(json, file: file)
        let type = try reader.text("model_type")
        guard let family = Family(rawValue: type) else {
            let named = reader.architecture ?? type
            throw reader.error(
                "model_type", "is \(type) (\(named))",
                remedy: "supported are llama and qwen2: Llama 1-3, SmolLM2, Qwen2")
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
        guard reader.has("head_dim") || hiddenSize % headCount == 0 else {
            throw reader.error(
                "num_attention_heads", "is \(headCount), which does not divide hidden_size \(hiddenSize)")
        }
        headSize = try reader.count("head_dim", default: hiddenSize / headCount)
        vocabularySize = try reader.count("vocab_size")
        maxPositions = try reader.count("max_position_embeddings", default: 2048)
        normEpsilon = Float(try reader.number("rms_norm_eps", default: 1e-6))
        // Newer files keep theta beside the scaling, in rope_parameters.
        let rope = try reader.object("rope_parameters") ?? reader.object("rope_scaling")
        ropeTheta = try rope?.optionalNumber("rope_theta") ?? reader.number("rope_theta", default: 10_000)
        ropeScaling = try Self.ropeScaling(rope)
        tiesEmbeddings = try reader.flag("tie_word_embeddings", default: false)
        let attentionBias = try reader.flag("attention_bias", default: false)
        queryKeyValueBias = family == .qwen2 || attentionBias
        outputBias = family == .llama && attentionBias
        bosTokenID = try reader.ids("bos_token_id").first
        eosTokenIDs = try reader.ids("eos_token_id")
        initializerRange = try reader.number("initializer_range", default: 0.02)

        guard headCount % keyValueHeadCount == 0 else {
            throw reader.error(
                "num_key_value_heads", "is \(keyValueHeadCount), which does not divide \(headCount) heads")
        }
        guard headSize % 2 == 0 else { throw reader.error("head_dim", "is \(headSize), but must be even") }
        let activation = try reader.optionalText("hidden_act") ?? "silu"
        guard activation == "silu" else { throw reader.error("hidden_act", "is \(activation); only silu is supported") }
        if try reader.flag("mlp_bias", default: false) {
            throw reader.error("mlp_bias", "is true, which is not supported")
        }
        if try family == .qwen2 && reader.flag("use_sliding_window", default: false) {
            throw reader.error("use_sliding_window", "is true, which is not supported")
        }
    }

    private static func ropeScaling(_ object: ConfigurationReader?) throws -> RopeScaling {
        guard let object else { return .none }
        guard let type = try object.optionalText("rope_type") ?? object.optionalText("type") else {
            if object.has("factor") { throw object.error("rope_type", "is missing") }
            return .none
        }
        switch type {
        case "default": return .none
        case "linear": return .linear(factor: try object.number("factor"))
        case "llama3":
            let (low, high) = (try object.number("low_freq_factor"), try object.number("high_freq_factor"))
            guard low < high else { throw object.error("low_freq_factor", "is not below high_freq_factor") }
            return .llama3(
                factor: try object.number("factor"), lowFrequencyFactor: low, highFrequencyFactor: high,
                originalMaxPositions: try object.count("original_max_position_embeddings"))
        default: throw object.error("rope_type", "is \(type); supported are default, linear and llama3")
        }
    }

    /// A config.json that Python transformers loads.
    ///
    /// - Parameter dtype: PyTorch's name of the number type that the weights beside it are stored in.
    package func json(head: HeadKind, dtype: String = "float32") -> Data {
        var object: [String: Any] = [
            "architectures": [family.architecture(head)], "model_type": family.rawValue, "hidden_act": "silu",
            "hidden_size": hiddenSize, "intermediate_size": intermediateSize, "num_hidden_layers": layerCount,
            "num_attention_heads": headCount, "num_key_value_heads": keyValueHeadCount, "head_dim": headSize,
            "vocab_size": vocabularySize, "max_position_embeddings": maxPositions,
            "rms_norm_eps": Double(String(normEpsilon)) ?? Double(normEpsilon), "rope_theta": ropeTheta,
            "tie_word_embeddings": tiesEmbeddings, "initializer_range": initializerRange, "torch_dtype": dtype,
            "use_cache": true,
        ]
        if family == .llama {
            object["attention_bias"] = outputBias
            object["mlp_bias"] = false
        }
        switch ropeScaling {
        case .none: break
        case .linear(let factor): object["rope_scaling"] = ["rope_type": "linear", "factor": factor]
        case .llama3(let factor, let low, let high, let original):
            object["rope_scaling"] = [
                "rope_type": "llama3", "factor": factor, "low_freq_factor": low, "high_freq_factor": high,
                "original_max_position_embeddings": original,
            ]
        }
        if let bosTokenID { object["bos_token_id"] = Int(bosTokenID) }
        if eosTokenIDs.count == 1 { object["eos_token_id"] = Int(eosTokenIDs[0]) }
        if eosTokenIDs.count > 1 { object["eos_token_id"] = eosTokenIDs.map(Int.init) }
        if head == .scalar {
            object["num_labels"] = 1
            object["pad_token_id"] = paddingTokenID.map { Int($0) }
        }
        let options: JSONSerialization.WritingOptions = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        guard let data = try? JSONSerialization.data(withJSONObject: object, options: options) else {
            preconditionFailure("a configuration holds only JSON values")
        }
        return data
    }

    /// What fills up shorter sequences of a batch in Python transformers, which reads the score at the last token that is
    /// no padding. Sequences end in an EOS here and are scored there, so it must be another id: BOS, or the first that is.
    private var paddingTokenID: Int32? {
        if let bosTokenID, !eosTokenIDs.contains(bosTokenID) { return bosTokenID }
        return (0..<Int32(vocabularySize)).first { !eosTokenIDs.contains($0) }
    }
}

/// Typed access to the keys of a config.json, with errors that name file and key.
private struct ConfigurationReader {
    private let members: [String: Any]
    private let file: String

    init(_ data: Data, file: String) throws {
        guard let members = try? JSONSerialization.jsonObject(with: data) as? [String: Any] else {
            throw RDOError(.artefact, "not a JSON object", at: file)
        }
        self.init(members, file)
    }

    private init(_ members: [String: Any], _ file: String) {
        self.members = members
        self.file = file
    }

    func error(_ key: String, _ what: String, remedy: String? = nil) -> RDOError {
        RDOError(.artefact, "\(key) \(what)", at: file, remedy: remedy)
    }

    /// Foundation converts between true and 1 on its own: a Boolean is no number here.
    private static func number(_ value: Any) -> NSNumber? {
        guard let number = value as? NSNumber, String(cString: number.objCType) != "c" else { return nil }
        return number
    }

    /// Nil for a key that is missing or null.
    private func value(_ key: String) -> Any? {
        guard let value = members[key], !(value is NSNull) else { return nil }
        return value
    }

    func has(_ key: String) -> Bool { value(key) != nil }

    func object(_ key: String) throws -> ConfigurationReader? {
        guard let value = value(key) else { return nil }
        guard let members = value as? [String: Any] else { throw error(key, "is not an object") }
        return ConfigurationReader(members, file)
    }

    /// What the file calls itself, for messages.
    var architecture: String? { (value("architectures") as? [String])?.first }

    func optionalText(_ key: String) throws -> String? {
        guard let value = value(key) else { return nil }
        guard let text = value as? String else { throw error(key, "is not a text") }
        return text
    }

    func text(_ key: String) throws -> String {
        guard let text = try optionalText(key) else { throw error(key, "is missing") }
        return text
    }

    func optionalNumber(_ key: String) throws -> Double? {
        guard let value = value(key) else { return nil }
        guard let number = Self.number(value), number.doubleValue.isFinite, number.doubleValue > 0 else {
            throw error(key, "is not a positive number")
        }
        return number.doubleValue
    }

    func number(_ key: String, default fallback: Double? = nil) throws -> Double {
        guard let number = try optionalNumber(key) ?? fallback else { throw error(key, "is missing") }
        return number
    }

    /// A size: a whole number from 1 to 2³¹.
    func count(_ key: String, default fallback: Int? = nil) throws -> Int {
        guard let number = try optionalNumber(key) else {
            guard let fallback, fallback > 0 else { throw error(key, "is missing") }
            return fallback
        }
        guard number == number.rounded(), number >= 1, number < 2_147_483_648 else {
            throw error(key, "is \(number), not a whole number above 0")
        }
        return Int(number)
    }

    func flag(_ key: String, default fallback: Bool) throws -> Bool {
        guard let value = value(key) else { return fallback }
        guard Self.number(value) == nil, let flag = value as? Bool else { throw error(key, "is not true or false") }
        return flag
    }

    /// A token id or a list of them; empty when missing.
    func ids(_ key: String) throws -> [Int32] {
        guard let value = value(key) else { return [] }
        let list = value as? [Any] ?? [value]
        return try list.map { item in
            guard let number = Self.number(item), let id = Int32(exactly: number.doubleValue), id >= 0
            else { throw error(key, "is not a token id") }
            return id
        }
    }
}
