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

    /// - Parameters:
    ///   - file: for messages.
    ///   - tensors: names in the weights beside it, which say what a pattern in `target_modules` matched.
    /// - Throws: `RDOError.artefact` when it is no LoRA, or one that computes something else than `LowRankAdaptation`.
    package init(_ object: JSONValue, file: String, tensors: [String] = []) throws {
        func bad(_ what: String, _ remedy: String?) -> RDOError {
            RDOError(.artefact, what, at: file, remedy: remedy)
        }
        guard object["peft_type"]?.text == "LORA" else {
            throw bad("peft_type is \(object["peft_type"]?.text ?? "missing"), only LORA is known", nil)
        }
        try Self.refuseUnknown(object, bad)
        if let bias = object["bias"], bias.text != "none" { throw bad("trained biases are not supported", nil) }
        guard let rank = object["r"]?.integer, (1...1 << 20).contains(rank) else {
            throw bad("r is missing or not an integer ≥ 1", nil)
        }
        guard let stated = object["lora_alpha"]?.double, stated.isFinite else {
            throw bad("lora_alpha is missing or no number", nil)
        }
        let isRankStabilized = try Self.flag("use_rslora", of: object, bad)
        // alpha / sqrt(rank) (Kalajdzievski 2023, arXiv 2312.03732) is the usual alpha / rank of another alpha.
        let alpha = isRankStabilized ? stated * Double(rank).squareRoot() : stated
        let targets = try Self.targets(object["target_modules"], tensors, bad)
        adaptation = LowRankAdaptation(rank: rank, alpha: alpha, targets: targets)
        base = object["base_model_name_or_path"]?.text ?? ""
        head = object["task_type"]?.text == "SEQ_CLS" ? .scalar : .languageModel
    }

    /// What says nothing of what the adapters compute, or is read elsewhere.
    private static let known: Set<String> = [
        "peft_type", "task_type", "auto_mapping", "peft_version", "base_model_name_or_path", "revision",
        "inference_mode", "lora_dropout", "megatron_core", "runtime_config", "qalora_group_size", "bias", "r",
        "lora_alpha", "use_rslora", "target_modules", "init_lora_weights", "modules_to_save",
    ]
    /// Ways of starting that leave the base model's weights as they are.
    private static let plainStarts = ["gaussian", "eva"]

    private static func refuseUnknown(_ object: JSONValue, _ bad: (String, String?) -> RDOError) throws {
        guard case .object(let members) = object else { return }
        for (key, value) in members {
            let name = String(decoding: key, as: UTF8.self)
            if known.contains(name) || value.isNothing { continue }
            throw bad("\(name) is not supported", "merge the adapters into the model with peft's merge_and_unload")
        }
        if let start = object["init_lora_weights"], start.bool == nil,
            !plainStarts.contains(start.text ?? "")
        {
            throw bad(
                "init_lora_weights is \(start.text ?? start.kind), which changes the base model's own weights",
                "merge the adapters into the model with peft's merge_and_unload, or save them as plain ones with "
                    + "save_pretrained(..., path_initial_model_for_weight_conversion=...)")
        }
        let saved = object["modules_to_save"]?.elements(\.text) ?? []
        if let other = saved.first(where: { !["score", "classifier"].contains($0) }) {
            throw bad(
                "modules_to_save names \(other), which is not supported",
                "merge the adapters into the model with peft's merge_and_unload")
        }
    }

    private static func flag(
        _ key: String, of object: JSONValue, _ bad: (String, String?) -> RDOError
    ) throws -> Bool {
        guard let value = object[key] else { return false }
        guard let flag = value.bool else { throw bad("\(key) is not true or false", nil) }
        return flag
    }

    private static func targets(
        _ value: JSONValue?, _ tensors: [String], _ bad: (String, String?) -> RDOError
    ) throws -> [Projection] {
        if let names = value?.elements(\.text), !names.isEmpty {
            return try names.map { name in
                // `self_attn.q_proj` names the same as `q_proj`.
                let parts = name.split(separator: ".")
                guard let target = Projection(rawValue: String(parts.last ?? "")) else {
                    throw bad("target_modules names \(name), which is no projection of a block", nil)
                }
                // Names with a number are of single modules.
                guard parts.count <= 2 else {
                    throw bad("target_modules names \(name) of one block; adapters must be in all of them", nil)
                }
                return target
            }
        }
        // A pattern, or `all-linear`: what it matched has tensors.
        guard value?.text != nil else { throw bad("target_modules is missing or no list of names", nil) }
        let found = Projection.allCases.filter { target in
            tensors.contains { $0.hasSuffix(".\(target.rawValue).lora_A.weight") }
        }
        guard !found.isEmpty else {
            throw bad("target_modules is a pattern, and no tensor beside it is of a projection", nil)
        }
        return found
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

extension JSONValue {
    /// What PEFT writes for a thing that is not used.
    fileprivate var isNothing: Bool {
        switch self {
        case .null, .bool(false): true
        case .array(let elements): elements.isEmpty
        case .object(let members): members.isEmpty
        default: false
        }
    }
}
