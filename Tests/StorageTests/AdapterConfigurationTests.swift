import Diagnostics
import Foundation
import Testing
import Transformer

@testable import Storage

@Suite("adapter_config.json") struct AdapterConfigurationTests {
    static let base = #""peft_type": "LORA", "r": 4, "lora_alpha": 8, "target_modules": ["q_proj", "self_attn.v_proj"]"#

    func read(_ members: String) throws -> AdapterConfiguration {
        try AdapterConfiguration(json: Data("{\(members)}".utf8), file: "a/adapter_config.json")
    }

    @Test func whatPEFTWrites() throws {
        let file = try read(
            Self.base + #"""
                , "task_type": "SEQ_CLS", "base_model_name_or_path": "m", "bias": "none", "use_dora": false,
                "rank_pattern": {}, "alpha_pattern": null, "lora_dropout": 0.1
                """#)
        #expect(file.adaptation == LowRankAdaptation(rank: 4, alpha: 8, targets: [.query, .value]))
        #expect(file.base == "m" && file.head == .scalar)
        #expect(try AdapterConfiguration(json: file.json, file: "") == file)
    }

    @Test(arguments: [
        (#""peft_type": "IA3""#, "peft_type is IA3, only LORA is known"),
        (base + #", "use_dora": true"#, "use_dora is not supported"),
        (base + #", "use_rslora": 1"#, "use_rslora is not supported"),
        (
            base + #", "rank_pattern": {"q_proj": 2}"#,
            "rank_pattern is not supported: all adapters have one rank and one alpha"
        ),
        (base + #", "bias": "all""#, "trained biases are not supported"),
        (base + #", "r": 0"#, "r is missing or not an integer ≥ 1"),
        (base + #", "r": true"#, "r is missing or not an integer ≥ 1"),
        (base + #", "lora_alpha": true"#, "lora_alpha is missing or no number"),
        (base + #", "target_modules": "all-linear""#, "target_modules is missing or no list of names"),
        (
            base + #", "target_modules": ["lm_head"]"#,
            "target_modules names lm_head, which is no projection of a block"
        ),
    ]) func refused(_ members: String, _ message: String) {
        let error = #expect(throws: RDOError.self) { try read(members) }
        #expect(error?.what == message && error?.kind == .artefact && error?.place == "a/adapter_config.json")
    }

    @Test func noObject() {
        for text in ["", "[]", "{,}"] {
            let error = #expect(throws: RDOError.self) {
                try AdapterConfiguration(json: Data(text.utf8), file: "a")
            }
            #expect(error?.what == "the file is not a JSON object")
        }
    }
}
