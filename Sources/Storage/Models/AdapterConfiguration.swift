import Coding
import Diagnostics
import Foundation
import Transformer

/// What `adapter_config.json` of a PEFT adapter directory says: which base model, and how it is adapted.
package struct AdapterConfiguration: Equatable, Sendable {
    package let adaptation: LowRankAdaptation
    /// Directory of the base model.
    package let base: String
    package let head: HeadKind

    package init(_ adaptation: LowRankAdaptation, base: String, head: HeadKind) {
        (self.adaptation, self.base, self.head) = (adaptation, base, head)
    }

    /// - Parameter file: for messages.
    /// - Throws: `RDOError.artefact` when it is no LoRA, or one that computes something else than `LowRankAdaptation`.
    package init(json: Data, file: String) throws {
        func bad(_ what: String) -> RDOError { RDOError(.artefact, what, at: file) }
        guard let object = try? JSONParser.parse(file: [UInt8](json)), object.isObject else {
            throw bad("the file is not a JSON object")
        }
        guard object["peft_type"]?.text == "LORA" else {
            throw bad("peft_type is \(object["peft_type"]?.text ?? "missing"), only LORA is known")
        }
        for key in ["use_rslora", "use_dora", "fan_in_fan_out", "lora_bias"] {
            if let value = object[key], value.bool != false { throw bad("\(key) is not supported") }
        }
        for key in ["rank_pattern", "alpha_pattern"] {
            guard let pattern = object[key] else { continue }
            guard case .object(let members) = pattern, members.isEmpty else {
                throw bad("\(key) is not supported: all adapters have one rank and one alpha")
            }
        }
        if let bias = object["bias"], bias.text != "none" { throw bad("trained biases are not supported") }
        guard let rank = object["r"]?.integer, rank >= 1 else { throw bad("r is missing or not an integer ≥ 1") }
        guard let alpha = object["lora_alpha"]?.double else { throw bad("lora_alpha is missing or no number") }
        guard let names = object["target_modules"]?.elements(\.text), !names.isEmpty else {
            throw bad("target_modules is missing or no list of names")
        }
        let targets = try names.map { name in
            // `self_attn.q_proj` names the same as `q_proj`.
            guard let target = Projection(rawValue: String(name.split(separator: ".").last ?? "")) else {
                throw bad("target_modules names \(name), which is no projection of a block")
            }
            return target
        }
        adaptation = LowRankAdaptation(rank: rank, alpha: alpha, targets: targets)
        base = object["base_model_name_or_path"]?.text ?? ""
        head = object["task_type"]?.text == "SEQ_CLS" ? .scalar : .languageModel
    }

    package var json: Data {
        get throws {
            var object: [String: Any] = [
                "peft_type": "LORA", "task_type": head == .scalar ? "SEQ_CLS" : "CAUSAL_LM",
                "base_model_name_or_path": base, "r": adaptation.rank, "lora_alpha": adaptation.alpha,
                "lora_dropout": 0, "target_modules": adaptation.targets.map(\.rawValue), "bias": "none",
                "fan_in_fan_out": false, "init_lora_weights": true, "inference_mode": true, "use_rslora": false,
                "use_dora": false,
            ]
            if head == .scalar { object["modules_to_save"] = ["score"] }
            return try JSONSerialization.data(
                withJSONObject: object, options: [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes])
        }
    }
}
