import Coding
import Diagnostics
import Foundation
import Testing
import TestSupport
import Transformer

@testable import Storage

@Suite("adapter_config.json") struct AdapterConfigurationTests {
    static let base = #""peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "self_attn.v_proj"]"#

    func read(_ members: String, tensors: [String] = []) throws -> AdapterConfiguration {
        let file = "a/adapter_config.json"
        return try AdapterConfiguration(
            JSONField(parsing: Array("{\(members)}".utf8), file: file).value, file: file, tensors: tensors)
    }

    @Test func whatPEFTWrites() throws {
        let file = try read(
            Self.base + #"""
                , "task_type": "SEQ_CLS", "base_model_name_or_path": "m", "bias": "none", "use_dora": false,
                "rank_pattern": {}, "alpha_pattern": null, "lora_dropout": 0.1
                """#)
        #expect(file.adaptation == LowRankAdaptation(rank: 4, alpha: 8, targets: [.query, .value]))
        #expect(file.base == "m" && file.head == .scalar)
        let again = try JSONField(parsing: [UInt8](file.json), file: "").value
        #expect(try AdapterConfiguration(again, file: "") == file)
    }

    /// alpha / sqrt(rank) is what alpha · sqrt(rank) gives by the usual rule.
    @Test func rankStabilizedScale() throws {
        #expect(try read(Self.base + #", "use_rslora": true"#).adaptation.alpha == 16)
        #expect(try read(Self.base + #", "use_rslora": false"#).adaptation.alpha == 8)
    }

    /// What a pattern matched stands in the file of weights.
    @Test(arguments: [#"".*(q|v)_proj""#, #""all-linear""#]) func patternsOfTargets(_ pattern: String) throws {
        let tensors = ["q_proj", "v_proj"].flatMap { name in
            ["A", "B"].map { "base_model.model.model.layers.0.self_attn.\(name).lora_\($0).weight" }
        }
        let members = Self.base + ", \"target_modules\": \(pattern)"
        #expect(try read(members, tensors: tensors).adaptation.targets == [.query, .value])
        #expect(throws: RDOError.self) { try read(members) }
    }

    /// Training adapts all blocks alike; such adapters are merged as they are read.
    @Test(arguments: [
        (#""rank_pattern": {"q_proj": 2}"#, "rank_pattern gives modules ranks of their own"),
        (#""alpha_pattern": {"q_proj": 2}"#, "alpha_pattern gives modules alphas of their own"),
        (#""layers_to_transform": [0, 2]"#, "layers_to_transform leaves blocks without adapters"),
        (
            #""target_modules": ["model.layers.0.self_attn.q_proj"]"#,
            "target_modules names model.layers.0.self_attn.q_proj of one block"
        ),
        (#""modules_to_save": ["score", "embed_tokens"]"#, "modules_to_save names embed_tokens"),
    ]) func whatTrainingCannotGoOnFrom(_ member: String, _ peculiarity: String) throws {
        #expect(try read(Self.base + ", " + member).peculiarity == peculiarity)
        let scratch = try Scratch()
        _ = try scratch.writeSafetensors("adapter_model.safetensors", type: .f32, [])
        try scratch.write(Data("{\(Self.base), \(member)}".utf8), to: "adapter_config.json")
        let adaptation = LowRankAdaptation(rank: 4, alpha: 8, targets: [.query, .value])
        let error = artefactError {
            let layout = ParameterLayout(adaptation, try TinyModel.configuration(), head: .languageModel)
            _ = try AdapterDirectory.open(scratch.path, adaptation, layout: layout)
        }
        #expect(error?.what == peculiarity + ", and training starts from adapters alone, alike in all blocks")
    }

    @Test func plainStartsAreTaken() throws {
        for start in ["true", "false", #""gaussian""#, "null"] {
            _ = try read(Self.base + ", \"init_lora_weights\": \(start)")
        }
    }

    @Test(arguments: [
        (#""peft_type": "IA3""#, "peft_type is IA3, only LORA is known"),
        (base + #", "use_dora": true"#, "use_dora is not supported"),
        (base + #", "use_rslora": 1"#, "use_rslora is not true or false"),
        (base + #", "exclude_modules": "x""#, "exclude_modules is not supported"),
        (base + #", "a_key_of_tomorrow": 3"#, "a_key_of_tomorrow is not supported"),
        (
            base + #", "init_lora_weights": "olora""#,
            "init_lora_weights is olora, which changes the base model's own weights"
        ),
        (
            base + #", "init_lora_weights": "pissa_niter_4""#,
            "init_lora_weights is pissa_niter_4, which changes the base model's own weights"
        ),
        (base + #", "bias": "all""#, "trained biases are not supported"),
        (base + #", "r": 0"#, "r is missing or not an integer ≥ 1"),
        (base + #", "r": true"#, "r is missing or not an integer ≥ 1"),
        (base + #", "lora_alpha": true"#, "lora_alpha is missing or no number"),
        (base + #", "target_modules": 3"#, "target_modules is missing or no list of names"),
        (
            base + #", "target_modules": ["lm_head"]"#,
            "target_modules names lm_head, which is no projection of a block"
        ),
    ]) func refused(_ members: String, _ message: String) {
        let error = #expect(throws: RDOError.self) { try read(members) }
        #expect(error?.what == message && error?.kind == .artefact && error?.place == "a/adapter_config.json")
    }
}
