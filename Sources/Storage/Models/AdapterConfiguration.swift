import Coding
import Diagnostics
import Foundation
import Preferences
import Transformer

/// What `adapter_config.json` of a PEFT adapter directory says: which base model, and how it is adapted.
package struct AdapterConfiguration: Equatable, Sendable {
    /// Makes an error of what is wrong and what to do.
    typealias Complaint = (_ what: String, _ remedy: String?) -> RDOError

    static let mergeRemedy = "merge the adapters into the model with peft's merge_and_unload"

    let modules: AdapterModules
    /// Names of modules that are trained whole, but for a scalar head.
    let saved: [String]
    /// Directory of the base model.
    package let base: String
    package let head: HeadKind

    package init(_ adaptation: LowRankAdaptation, base: String, head: HeadKind) {
        (modules, saved, self.base, self.head) = (AdapterModules(adaptation), [], base, head)
    }

    /// The adaptation of every module that has none of its own.
    package var adaptation: LowRankAdaptation { modules.common }

    /// What of it training, which adapts all blocks alike, cannot go on from; nil for nothing.
    var peculiarity: String? { modules.peculiarity ?? saved.first.map { "modules_to_save names \($0)" } }

    /// - Parameters:
    ///   - file: for messages.
    ///   - tensors: names in the weights beside it, which say what a pattern in `target_modules` matched.
    /// - Throws: `RDOError.artefact` when it is no LoRA, or one that computes something else than `LowRankAdaptation`.
    package init(_ object: JSONValue, file: String, tensors: [String] = []) throws {
        let bad: Complaint = { RDOError(.artefact, $0, at: file, remedy: $1) }
        guard object["peft_type"]?.text == "LORA" else {
            throw bad("peft_type is \(object["peft_type"]?.text ?? "missing"), only LORA is known", nil)
        }
        try Self.refuseUnknown(object, bad)
        if let bias = object["bias"], bias.text != "none" { throw bad("trained biases are not supported", nil) }
        guard let rank = object["r"]?.integer, AdapterModules.possibleRanks.contains(rank) else {
            throw bad("r is missing or not an integer ≥ 1", nil)
        }
        guard let alpha = object["lora_alpha"]?.double else {
            throw bad("lora_alpha is missing or no number", nil)
        }
        modules = try AdapterModules(
            object, Self.targets(object["target_modules"], tensors, bad), rank: rank, alpha: alpha,
            isRankStabilized: Self.flag("use_rslora", of: object, bad), bad)
        saved = (object["modules_to_save"]?.elements(\.text) ?? []).filter { !Self.scalarHeads.contains($0) }
        base = object["base_model_name_or_path"]?.text ?? ""
        head = object["task_type"]?.text == "SEQ_CLS" ? .scalar : .languageModel
    }

    /// What says nothing of what the adapters compute, or is read elsewhere.
    private static let known: Set<String> = [
        "peft_type", "task_type", "auto_mapping", "peft_version", "base_model_name_or_path", "revision",
        "inference_mode", "lora_dropout", "megatron_core", "runtime_config", "qalora_group_size", "bias", "r",
        "lora_alpha", "use_rslora", "target_modules", "init_lora_weights", "modules_to_save", "rank_pattern",
        "alpha_pattern", "layers_to_transform", "layers_pattern",
    ]
    /// What `peft` names with every classifier.
    private static let scalarHeads = ["score", "classifier"]
    /// Ways of starting that leave the base model's weights as they are.
    private static let plainStarts = ["gaussian", "eva"]

    private static func refuseUnknown(_ object: JSONValue, _ bad: Complaint) throws {
        guard case .object(let members) = object else { return }
        for (key, value) in members {
            let name = String(decoding: key, as: UTF8.self)
            if known.contains(name) || value.isNothing { continue }
            throw bad("\(name) is not supported", mergeRemedy)
        }
        if let start = object["init_lora_weights"], start.bool == nil,
            !plainStarts.contains(start.text ?? "")
        {
            throw bad(
                "init_lora_weights is \(start.text ?? start.kind), which changes the base model's own weights",
                mergeRemedy + ", or save them as plain ones with "
                    + "save_pretrained(..., path_initial_model_for_weight_conversion=...)")
        }
    }

    /// A regular expression as Python reads it.
    ///
    /// - Parameters:
    ///   - name: what of it stands in the file, under `key`.
    /// - Throws: what `bad` makes of one that is none.
    static func expression(
        _ pattern: String, of name: String, in key: String, _ bad: Complaint
    ) throws -> RegularExpression {
        do throws(RegularExpression.PatternError) { return try RegularExpression(python: pattern) } catch {
            throw bad("\(key) has \(name), which is no regular expression (\(error.what))", nil)
        }
    }

    private static func flag(
        _ key: String, of object: JSONValue, _ bad: Complaint
    ) throws -> Bool {
        guard let value = object[key] else { return false }
        guard let flag = value.bool else { throw bad("\(key) is not true or false", nil) }
        return flag
    }

    private static func targets(
        _ value: JSONValue?, _ tensors: [String], _ bad: Complaint
    ) throws -> AdapterModules.Targets {
        if let names = value?.elements(\.text), !names.isEmpty {
            if let other = names.first(where: { Projection(ofModule: $0) == nil }) {
                throw bad("target_modules names \(other), which is no projection of a block", nil)
            }
            // Names with a number are of single modules.
            let single = names.filter { $0.split(separator: ".").count > 2 }
            let all = names.filter { !single.contains($0) }.compactMap(Projection.init(ofModule:))
            return .named(Projection.allCases.filter(all.contains), single: single)
        }
        // A pattern, or `all-linear`: what it matched has tensors.
        guard value?.text != nil else { throw bad("target_modules is missing or no list of names", nil) }
        let found = Projection.allCases.filter { target in
            tensors.contains { $0.hasSuffix(".\(target.rawValue).lora_A.weight") }
        }
        guard !found.isEmpty else {
            throw bad("target_modules is a pattern, and no tensor beside it is of a projection", nil)
        }
        return .matched(found)
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
