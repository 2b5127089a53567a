import Diagnostics
import Foundation
import TestSupport
import Testing

@testable import Transformer

@Suite("config.json") struct ModelConfigurationTests {
    static let base = """
        {"model_type": "llama", "hidden_size": 64, "intermediate_size": 172, "num_hidden_layers": 2,
         "num_attention_heads": 8, "num_key_value_heads": 4, "vocab_size": 512, "max_position_embeddings": 128,
         "rms_norm_eps": 1e-5, "rope_theta": 10000, "tie_word_embeddings": true, "attention_bias": false,
         "hidden_act": "silu", "bos_token_id": 1, "eos_token_id": 2, "initializer_range": 0.02}
        """

    /// `base` with keys replaced or added, or removed (nil).
    static func text(_ changes: [String: String?]) throws -> Data {
        var object = try #require(try JSONSerialization.jsonObject(with: Data(base.utf8)) as? [String: Any])
        for (key, value) in changes {
            object[key] = try value.map {
                try JSONSerialization.jsonObject(with: Data($0.utf8), options: .fragmentsAllowed)
            }
        }
        return try JSONSerialization.data(withJSONObject: object)
    }

    static func read(_ changes: [String: String?] = [:]) throws -> ModelConfiguration {
        try ModelConfiguration(json: text(changes), file: "m/config.json")
    }

    func failure(_ data: Data, _ location: SourceLocation = #_sourceLocation) -> RDOError? {
        do {
            _ = try ModelConfiguration(json: data, file: "m/config.json")
            Issue.record("nothing was thrown", sourceLocation: location)
        } catch let error as RDOError {
            // A syntax error has its line behind the name.
            #expect(
                error.kind == .artefact && error.place?.hasPrefix("m/config.json") == true, sourceLocation: location)
            return error
        } catch {
            Issue.record("not an RDOError: \(error)", sourceLocation: location)
        }
        return nil
    }

    @Test func plainLlama() throws {
        let c = try Self.read()
        #expect(c.family == .llama && c.hiddenSize == 64 && c.intermediateSize == 172 && c.layerCount == 2)
        #expect(c.headCount == 8 && c.keyValueHeadCount == 4 && c.headSize == 8 && c.vocabularySize == 512)
        #expect(c.maxPositions == 128 && c.normEpsilon == 1e-5 && c.ropeTheta == 10_000 && c.ropeScaling == .none)
        #expect(c.tiesEmbeddings && !c.queryKeyValueBias && !c.outputBias)
        #expect(c.bosTokenID == 1 && c.eosTokenIDs == [2] && c.initializerRange == 0.02)
    }

    @Test func defaultsAreThoseOfTransformers() throws {
        let json = """
            {"model_type": "llama", "hidden_size": 64, "intermediate_size": 172, "num_hidden_layers": 2,
             "num_attention_heads": 8, "vocab_size": 512, "head_dim": null}
            """
        let c = try ModelConfiguration(json: Data(json.utf8), file: "m/config.json")
        #expect(c.keyValueHeadCount == 8 && c.headSize == 8 && c.maxPositions == 2048 && c.normEpsilon == 1e-6)
        #expect(c.ropeTheta == 10_000 && c.ropeScaling == .none && !c.tiesEmbeddings && !c.queryKeyValueBias)
        #expect(c.bosTokenID == nil && c.eosTokenIDs == [])
    }

    @Test func qwen2HasBiases() throws {
        let qwen = try Self.read(["model_type": "\"qwen2\"", "attention_bias": nil])
        #expect(qwen.family == .qwen2 && qwen.queryKeyValueBias && !qwen.outputBias)
        let llama = try Self.read(["attention_bias": "true"])
        #expect(llama.queryKeyValueBias && llama.outputBias)
    }

    @Test func headSizeMayBeItsOwn() throws {
        #expect(try Self.read(["head_dim": "16"]).headSize == 16)
        #expect(try Self.read(["head_dim": "16", "hidden_size": "60"]).headSize == 16)
    }

    @Test func listsOfEndTokens() throws {
        #expect(try Self.read(["eos_token_id": "[5, 6, 7]"]).eosTokenIDs == [5, 6, 7])
        #expect(try Self.read(["eos_token_id": "[]"]).eosTokenIDs == [])
        #expect(try Self.read(["bos_token_id": "null", "eos_token_id": "null"]).bosTokenID == nil)
    }

    // MARK: - Rotary frequencies. Golden values with 40 digits (mpmath) from the published definition.

    @Test func llama3Scaling() throws {
        // Llama 3.1 8B. Indices 0 to 28 keep their frequency, 29 to 34 are in the passage, the rest are divided by 8.
        let c = try Self.read([
            "head_dim": "128", "rope_theta": "500000.0",
            "rope_scaling": """
            {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
             "original_max_position_embeddings": 8192, "rope_type": "llama3"}
            """,
        ])
        let expected = [
            0: 1.0, 1: 0.814617233856544704, 20: 0.0165604400809944455, 27: 0.00394227603011665647,
            28: 0.00321144599475259102, 29: 0.00216657076350335861, 31: 0.000856751412919632081,
            33: 0.000312693750384065132, 34: 0.000178507812767996419, 35: 0.0000955621235396468302,
            36: 0.0000778465527393244974, 37: 0.0000634151434577761449, 40: 0.0000342810219595259148,
            63: 3.06892598891451109e-7,
        ]
        let frequencies = c.inverseFrequencies()
        #expect(frequencies.count == 64)
        for (index, value) in expected {
            #expect(abs(frequencies[index] - value) <= 1e-13 * value, "\(index): \(frequencies[index])")
        }
    }

    @Test func linearScaling() throws {
        let c = try Self.read([
            "head_dim": "64", "rope_theta": "100000", "rope_scaling": #"{"type": "linear", "factor": 4}"#,
        ])
        #expect(c.ropeScaling == .linear(factor: 4))
        for (index, value) in [(0, 0.25), (5, 0.0413704274985795356), (31, 3.58253142559240685e-6)] {
            #expect(abs(c.inverseFrequencies()[index] - value) <= 1e-13 * value)
        }
    }

    @Test func newerFilesHaveRopeParameters() throws {
        let plain = try Self.read([
            "rope_theta": nil, "rope_parameters": #"{"rope_type": "default", "rope_theta": 500000.0}"#,
        ])
        #expect(plain.ropeTheta == 500_000 && plain.ropeScaling == .none)
        let scaled = try Self.read([
            "rope_theta": nil,
            "rope_parameters": """
            {"rope_theta": 5e5, "factor": 32.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
             "original_max_position_embeddings": 8192, "rope_type": "llama3"}
            """,
        ])
        #expect(scaled.ropeTheta == 500_000)
        #expect(
            scaled.ropeScaling
                == .llama3(factor: 32, lowFrequencyFactor: 1, highFrequencyFactor: 4, originalMaxPositions: 8192))
        #expect(try Self.read(["rope_scaling": "null"]).ropeScaling == .none)
    }

    // MARK: - Mistakes

    @Test(arguments: [
        ("hidden_size", "true", "hidden_size is not a positive number"),
        ("hidden_size", "\"64\"", "hidden_size is not a positive number"),
        ("hidden_size", "64.5", "hidden_size is 64.5, not a whole number above 0"),
        ("hidden_size", "-64", "hidden_size is not a positive number"),
        ("hidden_size", "0", "hidden_size is not a positive number"),
        ("hidden_size", "4294967296", "hidden_size is 4294967296.0, not a whole number above 0"),
        ("num_hidden_layers", "true", "num_hidden_layers is not a positive number"),
        ("num_hidden_layers", "[2]", "num_hidden_layers is not a positive number"),
        ("tie_word_embeddings", "1", "tie_word_embeddings is not true or false"),
        ("tie_word_embeddings", "\"true\"", "tie_word_embeddings is not true or false"),
        ("attention_bias", "0", "attention_bias is not true or false"),
        ("rms_norm_eps", "0", "rms_norm_eps is not a positive number"),
        ("rope_theta", "\"1e4\"", "rope_theta is not a positive number"),
        ("num_key_value_heads", "3", "num_key_value_heads is 3, which does not divide 8 heads"),
        ("num_attention_heads", "12", "num_attention_heads is 12, which does not divide hidden_size 64"),
        ("num_attention_heads", "128", "num_attention_heads is 128, which does not divide hidden_size 64"),
        ("head_dim", "7", "head_dim is 7, but must be even"),
        ("hidden_act", "\"gelu\"", "hidden_act is gelu; only silu is supported"),
        ("hidden_act", "3", "hidden_act is not a text"),
        ("num_hidden_layers", "2000000000", "num_hidden_layers is 2000000000, above 4096"),
        ("mlp_bias", "true", "mlp_bias is true, which is not supported"),
        (
            "quantization_config", #"{"bits": 4}"#,
            "quantization_config is present, but quantized weights are not supported"
        ),
        ("eos_token_id", "true", "eos_token_id is not a token id"),
        ("eos_token_id", "[1, \"2\"]", "eos_token_id is not a token id"),
        ("eos_token_id", "1.5", "eos_token_id is not a token id"),
        ("bos_token_id", "-1", "bos_token_id is not a token id"),
        ("model_type", "\"gpt2\"", "model_type is gpt2 (gpt2)"),
        ("model_type", "7", "model_type is not a text"),
        ("rope_scaling", "\"linear\"", "rope_scaling is not an object"),
        ("rope_scaling", #"{"factor": 2}"#, "rope_type is missing"),
        (
            "rope_scaling", #"{"type": "longrope", "factor": 2}"#,
            "rope_type is longrope; supported are default, linear, dynamic, llama3 and yarn"
        ),
        (
            "rope_scaling", #"{"type": "yarn", "factor": 2, "beta_fast": 1, "beta_slow": 2}"#,
            "beta_fast is not above beta_slow"
        ),
        ("rope_scaling", #"{"type": "linear"}"#, "factor is missing"),
        ("rope_scaling", #"{"type": "linear", "factor": true}"#, "factor is not a positive number"),
        (
            "rope_scaling", #"{"rope_type": "llama3", "factor": 8, "low_freq_factor": 4, "high_freq_factor": 4}"#,
            "low_freq_factor is not below high_freq_factor"
        ),
    ]) func mistakes(_ key: String, _ value: String, _ message: String) throws {
        #expect(try failure(Self.text([key: value]))?.what == message)
    }

    @Test(arguments: [
        "model_type", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "vocab_size",
    ]) func missingKeys(_ key: String) throws {
        #expect(try failure(Self.text([key: nil as String?]))?.what == "\(key) is missing")
        #expect(try failure(Self.text([key: "null"]))?.what == "\(key) is missing")
    }

    @Test func slidingWindowsAreRefused() throws {
        let error = try failure(Self.text(["model_type": "\"qwen2\"", "use_sliding_window": "true"]))
        #expect(error?.what == "use_sliding_window is true, which is not supported")
        #expect(try Self.read(["model_type": "\"qwen2\"", "use_sliding_window": "false"]).family == .qwen2)
    }

    @Test func noJSON() {
        for text in ["[]", "3"] { #expect(failure(Data(text.utf8))?.what == "not a JSON object") }
        for text in ["", "{\"model_type\": ", String(repeating: "[", count: 100_000)] {
            #expect(failure(Data(text.utf8))?.what.hasPrefix("not a JSON document: ") == true)
        }
    }

    @Test func anUnknownArchitectureNamesTheKnown() throws {
        let error = try failure(Self.text(["model_type": "\"gpt2\""]))
        for family in ModelFamily.all {
            #expect(error?.remedy?.contains("\(family.type) (\(family.models))") == true, "\(family.type)")
        }
    }

    @Test func windowsOfMistral() throws {
        let mistral: [String: String?] = ["model_type": "\"mistral\"", "sliding_window": "24"]
        let windowed = try Self.read(mistral)
        #expect(windowed.window(ofLayer: 0) == 24 && windowed.window(ofLayer: 1) == 24)
        let none = try Self.read(mistral.merging(["sliding_window": "null"]) { $1 })
        #expect(none.window(ofLayer: 0) == nil)
        // As in transformers, where a file leaves it out.
        let missing = try Self.read(mistral.merging(["sliding_window": nil as String?]) { $1 })
        #expect(missing.window(ofLayer: 1) == 4096)
    }

    @Test func layersOfGemma3() throws {
        let gemma: [String: String?] = ["model_type": "\"gemma3_text\"", "hidden_act": nil, "num_hidden_layers": "7"]
        let plain = try Self.read(gemma)
        #expect(plain.localLayers == [0, 1, 2, 3, 4, 6] && plain.slidingWindow == 4096 && plain.headSize == 256)
        #expect(plain.localRopeTheta == 10_000 && plain.scoreDivisor == 256)
        // Both ways that files have had of naming two rotary bases.
        let newer = try Self.read(
            gemma.merging([
                "rope_theta": nil,
                "rope_parameters": """
                {"full_attention": {"rope_type": "linear", "factor": 8.0, "rope_theta": 3e6},
                 "sliding_attention": {"rope_type": "default", "rope_theta": 2e4}}
                """,
            ]) { $1 })
        #expect(newer.ropeTheta == 3e6 && newer.localRopeTheta == 2e4 && newer.ropeScaling == .linear(factor: 8))
        let older = try Self.read(gemma.merging(["rope_local_base_freq": "2e4"]) { $1 })
        #expect(older.localRopeTheta == 2e4)
        for (key, value, message) in [
            ("layer_types", #"["full_attention"]"#, "layer_types has 1 entries for 7 layers"),
            ("layer_types", "7", "layer_types is not a list of texts"),
            ("hidden_activation", "\"gelu\"", "hidden_activation is gelu; only gelu_pytorch_tanh is supported"),
            ("final_logit_softcapping", "30.0", "final_logit_softcapping is present, which is not supported"),
            ("use_bidirectional_attention", "true", "use_bidirectional_attention is true, which is not supported"),
        ] {
            #expect(try failure(Self.text(gemma.merging([key: value]) { $1 }))?.what == message)
        }
    }

    @Test func unrotatedLayersOfSmolLM3() throws {
        let smol: [String: String?] = ["model_type": "\"smollm3\"", "num_hidden_layers": "8"]
        #expect(try Self.read(smol).unrotatedLayers == [3, 7])
        let listed = try Self.read(smol.merging(["no_rope_layers": "[0, 1, 1, 1, 1, 1, 1, 0]"]) { $1 })
        #expect(listed.unrotatedLayers == [0, 7])
        let error = try failure(Self.text(smol.merging(["no_rope_layers": "[0, 1]"]) { $1 }))
        #expect(error?.what == "no_rope_layers has 2 entries for 8 layers")
    }

    // MARK: - Writing

    @Test(arguments: ModelConfiguration.families.map(\.key)) func familiesReadBack(_ type: String) throws {
        let configuration = try ModelConfiguration.family(type)
        for head in [HeadKind.languageModel, .scalar] {
            let json = configuration.json(head: head)
            #expect(try ModelConfiguration(json: json, file: "m/config.json") == configuration)
        }
    }

    @Test(arguments: [
        [:], ["eos_token_id": "[5, 6]", "bos_token_id": "null"],
        ["attention_bias": "true", "tie_word_embeddings": "false"],
        ["model_type": "\"qwen2\"", "rms_norm_eps": "1e-6"],
        ["head_dim": "16", "initializer_range": "0.041666666666666664"],
        ["rope_scaling": #"{"type": "linear", "factor": 2.5}"#, "rope_theta": "1000000.0"],
        [
            "rope_scaling": """
            {"rope_type": "llama3", "factor": 8, "low_freq_factor": 1, "high_freq_factor": 4,
             "original_max_position_embeddings": 8192}
            """
        ],
    ]) func whatIsWrittenReadsBack(_ changes: [String: String]) throws {
        let configuration = try Self.read(changes)
        for head in [HeadKind.languageModel, .scalar] {
            let json = configuration.json(head: head)
            #expect(try ModelConfiguration(json: json, file: "m/config.json") == configuration)
        }
    }

    @Test func architecturesAreNamed() throws {
        func members(_ changes: [String: String?], _ head: HeadKind) throws -> [String: Any] {
            try #require(
                try JSONSerialization.jsonObject(with: Self.read(changes).json(head: head)) as? [String: Any])
        }
        #expect(try members([:], .languageModel)["architectures"] as? [String] == ["LlamaForCausalLM"])
        let scalar = try members(["model_type": "\"qwen2\"", "eos_token_id": "[7, 8]"], .scalar)
        #expect(scalar["architectures"] as? [String] == ["Qwen2ForSequenceClassification"])
        #expect(scalar["num_labels"] as? Int == 1)
        #expect(try members([:], .languageModel)["num_labels"] == nil)
    }

    /// Python transformers reads the score at the last token that is no padding, and sequences end in an EOS.
    @Test(arguments: [
        ("1", "2", 1), ("2", "2", 0), ("null", "[0, 1]", 2), ("0", "[0, 1]", 2), ("null", "null", 0),
    ]) func paddingIsNeverAnEnd(_ bos: String, _ eos: String, _ padding: Int) throws {
        let configuration = try Self.read(["bos_token_id": bos, "eos_token_id": eos])
        let members = try JSONSerialization.jsonObject(with: configuration.json(head: .scalar)) as? [String: Any]
        #expect(members?["pad_token_id"] as? Int == padding)
    }
}

@Suite("Parameter layouts") struct ParameterLayoutTests {
    @Test func tiedUntiedAndScalar() throws {
        let tied = try ModelConfigurationTests.read()
        var untied = tied
        untied.tiesEmbeddings = false
        let layouts = [
            ParameterLayout(tied, head: .languageModel), ParameterLayout(untied, head: .languageModel),
            ParameterLayout(tied, head: .scalar), ParameterLayout(untied, head: .scalar),
        ]
        #expect(layouts.map(\.specs.count) == [20, 21, 21, 21])
        #expect(layouts.map(\.groupCount) == [4, 4, 4, 4])
        let heads = [
            ParameterSpec(name: "lm_head.weight", shape: [512, 64], role: .vocabularyHead, group: .head),
            ParameterSpec(name: "score.weight", shape: [1, 64], role: .scalarHead, group: .head),
        ]
        #expect([layouts[1].specs.last, layouts[2].specs.last] == heads)
        #expect(layouts[2] == layouts[3])
        let block = 2 * 64 + 2 * 64 * 64 + 2 * 32 * 64 + 3 * 172 * 64
        #expect(layouts[0].parameterCount == 512 * 64 + 2 * block + 64)
        #expect(layouts[1].parameterCount == layouts[0].parameterCount + 512 * 64)
    }

    @Test func namesAndShapesOfABlock() throws {
        let layout = ParameterLayout(try ModelConfigurationTests.read(), head: .languageModel)
        let embedding = ParameterSpec(
            name: "model.embed_tokens.weight", shape: [512, 64], role: .embedding, group: .embedding)
        #expect(layout.specs[0] == embedding)
        #expect(layout.groupNames == [.embedding, .block(0), .block(1), .head])
        let block = layout.specs[layout.groups[2]].map { "\($0.name.dropFirst("model.layers.1.".count)) \($0.shape)" }
        #expect(
            block == [
                "input_layernorm.weight [64]", "self_attn.q_proj.weight [64, 64]", "self_attn.k_proj.weight [32, 64]",
                "self_attn.v_proj.weight [32, 64]", "self_attn.o_proj.weight [64, 64]",
                "post_attention_layernorm.weight [64]", "mlp.gate_proj.weight [172, 64]",
                "mlp.up_proj.weight [172, 64]",
                "mlp.down_proj.weight [64, 172]",
            ])
        #expect(layout.specs[layout.groups[3]].map(\.name) == ["model.norm.weight"])
    }

    @Test func biasesOfEachFamily() throws {
        func biases(_ changes: [String: String?]) throws -> [String] {
            let layout = ParameterLayout(try ModelConfigurationTests.read(changes), head: .languageModel)
            return layout.specs[layout.groups[1]].filter { $0.name.hasSuffix("bias") }.map {
                "\($0.name.dropFirst(15)) \($0.shape)"
            }
        }
        let three = ["self_attn.q_proj.bias [64]", "self_attn.k_proj.bias [32]", "self_attn.v_proj.bias [32]"]
        #expect(try biases(["model_type": "\"qwen2\""]) == three)
        #expect(try biases(["attention_bias": "true"]) == three + ["self_attn.o_proj.bias [64]"])
        #expect(try biases([:]) == [])
    }
}

@Suite("Initial values") struct InitializationTests {
    static func values(_ spec: ParameterSpec, _ rows: Range<Int>, seed: UInt64 = 1) -> [Float] {
        var values = [Float](repeating: .nan, count: rows.count * spec.columns)
        values.withUnsafeMutableBufferPointer { buffer in
            guard let start = buffer.baseAddress else { return }
            initialValues(for: spec, rows: rows, seed: seed, range: 0.02, into: start)
        }
        return values
    }

    static func spec(_ name: String, _ shape: [Int], _ role: ParameterRole = .weight(.up)) -> ParameterSpec {
        ParameterSpec(name: name, shape: shape, role: role, group: .block(0))
    }

    @Test func doNotDependOnHowRowsAreSplit() {
        let spec = Self.spec("model.layers.0.mlp.up_proj.weight", [11, 7])
        let whole = Self.values(spec, 0..<11)
        for cut in 0...11 { #expect(Self.values(spec, 0..<cut) + Self.values(spec, cut..<11) == whole) }
    }

    @Test func areNormalWithTheGivenDeviation() {
        let spec = Self.spec("model.embed_tokens.weight", [400, 250], .embedding)
        let values = Self.values(spec, 0..<400).map { Double($0) / 0.02 }
        let mean = values.reduce(0, +) / 1e5
        let variance = values.reduce(0) { $0 + $1 * $1 } / 1e5 - mean * mean
        let fourth = values.reduce(0) { $0 + $1 * $1 * $1 * $1 } / 1e5
        // Five standard errors of 100,000 normal values.
        #expect(abs(mean) < 0.016)
        #expect(abs(variance - 1) < 0.023)
        #expect(abs(fourth - 3) < 0.16)
    }

    @Test func differByNameAndSeed() {
        let a = Self.spec("a.weight", [4, 4])
        let b = Self.spec("b.weight", [4, 4])
        #expect(Self.values(a, 0..<4) != Self.values(b, 0..<4))
        #expect(Self.values(a, 0..<4) != Self.values(a, 0..<4, seed: 2))
        #expect(Self.values(a, 0..<4) == Self.values(a, 0..<4))
    }

    /// A scalar head answers near 0 at first: standard deviation 1 / (hidden + 1), whatever the range of the others.
    @Test func scalarHeadsStartSmall() {
        let values = Self.values(Self.spec("score.weight", [1, 9999], .scalarHead), 0..<1).map(Double.init)
        let deviation = (values.reduce(0) { $0 + $1 * $1 } / 9999).squareRoot()
        // Five standard errors.
        #expect(abs(deviation * 10_000 - 1) < 0.036)
    }

    @Test func vectorsAreOnesOrZeros() {
        #expect(Self.values(Self.spec("input_layernorm.weight", [3], .norm), 0..<3) == [1, 1, 1])
        #expect(Self.values(Self.spec("model.norm.weight", [3], .norm), 1..<3) == [1, 1])
        #expect(Self.values(Self.spec("self_attn.q_proj.bias", [3], .bias(.query)), 0..<3) == [0, 0, 0])
    }
}
