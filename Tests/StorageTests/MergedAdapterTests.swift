import Diagnostics
import Foundation
import TestSupport
import Testing
import Transformer

@testable import Storage

/// Adapters of which single modules differ, and tensors that were trained whole, in a model's weights.
@Suite("Merged adapters") struct MergedAdapterTests {
    private let scratch: Scratch
    private static let untied = TinyModel.json.replacingOccurrences(
        of: "embeddings\": true", with: "embeddings\": false")
    private static let plain = #""peft_type": "LORA", "r": 2, "lora_alpha": 8"#
    private static let attention = plain + #", "target_modules": ["q_proj", "v_proj"]"#

    init() throws {
        scratch = try Scratch()
        try FileManager.default.createDirectory(atPath: scratch.file("a"), withIntermediateDirectories: true)
    }

    private static func specs(_ json: String) throws -> [ParameterSpec] {
        ParameterLayout(try ModelConfiguration(json: Data(json.utf8), file: "config.json"), head: .languageModel).specs
    }

    /// An adapter whose modules add alpha / rank to every element: A is 1, of B the first column.
    ///
    /// - Parameters:
    ///   - ranks: by module, such as `1.self_attn.q_proj`.
    ///   - whole: tensors with another shape than the model's, or its own where that is nil.
    private func write(
        _ members: String, ranks: [String: Int] = [:], whole: [(name: String, rows: Int?)] = [],
        leavingOut: String? = nil
    ) throws {
        try scratch.write(Data("{\(members)}".utf8), to: "a/adapter_config.json")
        var tensors: [(String, [Int], [Float])] = []
        for spec in try Self.specs(Self.untied) {
            let module = String(spec.name.dropFirst("model.layers.".count).dropLast(".weight".count))
            if let rank = ranks[module] {
                let name = "base_model.model.model.layers." + module
                tensors.append(
                    (name + ".lora_A.weight", [rank, spec.columns], .init(repeating: 1, count: rank * spec.columns)))
                let b = (0..<spec.rows * rank).map { Float($0 % rank == 0 ? 1 : 0) }
                tensors.append((name + ".lora_B.weight", [spec.rows, rank], b))
            }
            for (name, rows) in whole where name == spec.name {
                let shape = [rows ?? spec.rows, spec.columns]
                tensors.append(("base_model.model." + name, shape, .init(repeating: 3, count: shape[0] * shape[1])))
            }
        }
        _ = try scratch.writeSafetensors(
            "a/adapter_model.safetensors", type: .f32, tensors.filter { $0.0 != leavingOut })
    }

    private func merged(_ json: String = untied) throws -> MergedAdapter {
        let configuration = try ModelConfiguration(json: Data(json.utf8), file: "config.json")
        return try MergedAdapter(scratch.file("a"), configuration, head: .languageModel)
    }

    /// What zeros become, of each parameter that does not stay so.
    private func changes(_ json: String = untied) throws -> [String: Float] {
        let adapter = try merged(json)
        var changes: [String: Float] = [:]
        for spec in try Self.specs(json) {
            var values = [Float](repeating: 0, count: spec.count)
            // In two parts, as ranks that share a weight read it.
            let middle = spec.rows / 2
            try values.withUnsafeMutableBufferPointer { values in
                guard let start = values.baseAddress else { return }
                try adapter.apply(to: spec, rows: 0..<middle, start)
                try adapter.apply(to: spec, rows: middle..<spec.rows, start + middle * spec.columns)
            }
            #expect(values.allSatisfy { $0 == values[0] }, "\(spec.name)")
            if values[0] != 0 { changes[spec.name] = values[0] }
        }
        return changes
    }

    private func refused(_ json: String = untied) -> String {
        artefactError { _ = try merged(json) }?.description ?? ""
    }

    private static func names(_ values: [String: Float]) -> [String: Float] {
        .init(uniqueKeysWithValues: values.map { ("model.layers.\($0).weight", $1) })
    }

    // MARK: - Ranks and alphas

    private static let patterns =
        #", "rank_pattern": {"q_proj": 1, "layers.1.self_attn.v_proj": 3}"#
        + #", "alpha_pattern": {"model.layers.0.self_attn.q_proj": 5, "[qk]_proj": 7, "proj": 100}"#
    private static let patternRanks = [
        "0.self_attn.q_proj": 1, "1.self_attn.q_proj": 1, "0.self_attn.v_proj": 2, "1.self_attn.v_proj": 3,
    ]

    @Test func modulesHaveRanksAndAlphasOfTheirOwn() throws {
        try write(Self.attention + Self.patterns, ranks: Self.patternRanks)
        #expect(
            try changes()
                == Self.names([
                    "0.self_attn.q_proj": 5, "1.self_attn.q_proj": 7, "0.self_attn.v_proj": 4,
                    "1.self_attn.v_proj": Float(8.0 / 3),
                ]))
        let digest = try merged().digest()
        try write(Self.attention + Self.patterns + #", "use_rslora": true"#, ranks: Self.patternRanks)
        let stabilized = try changes()
        let value = try #require(stabilized["model.layers.1.self_attn.v_proj.weight"])
        #expect(abs(value - Float(8 / 3.0.squareRoot())) < 1e-5)
        #expect(stabilized["model.layers.1.self_attn.q_proj.weight"] == 7)
        #expect(try merged().digest() != digest)
    }

    /// As `peft` has it: a key stands for the end of a name after a dot, and the first in the file counts.
    @Test func theFirstPatternCounts() throws {
        let ranks = ["0.self_attn.q_proj": 2, "1.self_attn.q_proj": 2]
        let query = Self.plain + #", "target_modules": ["q_proj"], "alpha_pattern": "#
        for (pattern, first, second) in [
            (#"{"q_proj": 6, "layers.0.self_attn.q_proj": 2}"#, Float(3), Float(3)), (#"{"_proj": 6}"#, 4, 4),
            (#"{"^model\\.layers\\.1\\..*": 6}"#, 4, 3), (#"{"layers\\.(?P<n>0|2).self_attn.q_proj": 1.5}"#, 0.75, 4),
        ] {
            try write(query + pattern, ranks: ranks)
            #expect(
                try changes() == Self.names(["0.self_attn.q_proj": first, "1.self_attn.q_proj": second]), "\(pattern)")
        }
    }

    @Test func patternsThatCannotBeUsed() throws {
        func error(_ members: String) throws -> String {
            try write(Self.attention + ", " + members, ranks: Self.patternRanks)
            return refused()
        }
        #expect(try error(#""rank_pattern": {"q_proj": 2}"#).contains("lora_A.weight has shape [1, 8]"))
        #expect(try error(#""rank_pattern": {"q_proj": 0}"#).contains("rank_pattern has for q_proj no integer ≥ 1"))
        #expect(try error(#""alpha_pattern": {"q_proj": "4"}"#).contains("alpha_pattern has for q_proj no number"))
        #expect(try error(#""alpha_pattern": [1]"#).contains("alpha_pattern is an array, not an object"))
        #expect(
            try error(#""alpha_pattern": {"(q": 1}"#).contains("alpha_pattern has (q, which is no regular expression"))
        #expect(try error(#""rank_pattern": {"(.*)*(x|y)": 1}"#).contains("match limit exceeded"))
    }

    // MARK: - Which modules

    @Test(arguments: [
        #""layers_to_transform": [1, 9]"#, #""layers_to_transform": 1"#,
        #""layers_to_transform": [1], "layers_pattern": "layers""#,
        #""layers_to_transform": [1], "layers_pattern": ["h", "layers"]"#,
        #""target_modules": ["layers.1.self_attn.q_proj", "model.layers.1.self_attn.v_proj"]"#,
        #""target_modules": ".*1.self_attn.(q|v)_proj""#,
    ]) func someBlocks(_ members: String) throws {
        let ranks = ["1.self_attn.q_proj": 2, "1.self_attn.v_proj": 2]
        try write(Self.attention + ", " + members, ranks: ranks)
        #expect(try changes() == Self.names(["1.self_attn.q_proj": 4, "1.self_attn.v_proj": 4]))
        try write(Self.attention + ", " + members, ranks: ["0.self_attn.q_proj": 2].merging(ranks) { $1 })
        let isPattern = members.contains(".*")
        #expect(isPattern || refused().contains("layers.0.self_attn.q_proj.lora_A.weight has no place in the model"))
        let missing = "base_model.model.model.layers.1.self_attn.v_proj.lora_B.weight"
        try write(Self.attention + ", " + members, ranks: ranks, leavingOut: missing)
        #expect(refused().contains(missing + " is missing"))
    }

    @Test func blocksThatCannotBeUsed() throws {
        for (members, message) in [
            (#""layers_to_transform": "1""#, "layers_to_transform is neither a number nor a list of numbers"),
            (#""layers_to_transform": [true]"#, "layers_to_transform is neither a number nor a list of numbers"),
            (#""layers_to_transform": 1, "layers_pattern": 2"#, "layers_pattern is neither a name nor a list of names"),
            (
                #""layers_to_transform": 1, "layers_pattern": "(""#,
                "layers_pattern has (, which is no regular expression"
            ),
            (#""layers_to_transform": 1, "layers_pattern": "h""#, "has no place in the model"),
        ] {
            try write(Self.attention + ", " + members, ranks: ["1.self_attn.q_proj": 2, "1.self_attn.v_proj": 2])
            #expect(refused().contains(message), "\(members)")
        }
    }

    // MARK: - Tensors that were trained whole

    private static let saved =
        plain + #", "target_modules": ["q_proj"], "modules_to_save": ["embed_tokens", "lm_head"]"#
    private static let queries = ["0.self_attn.q_proj": 2, "1.self_attn.q_proj": 2]
    private static let both: [(name: String, rows: Int?)] = [
        ("model.embed_tokens.weight", nil), ("lm_head.weight", nil),
    ]

    @Test func wholeTensorsStandInThePlaceOfTheModels() throws {
        try write(Self.saved, ranks: Self.queries, whole: Self.both)
        let expected = Self.names(["0.self_attn.q_proj": 4, "1.self_attn.q_proj": 4])
        #expect(
            try changes() == expected.merging(["model.embed_tokens.weight": 3, "lm_head.weight": 3]) { one, _ in one })
    }

    @Test func wholeTensorsThatHaveNoPlace() throws {
        try write(Self.saved, ranks: Self.queries, whole: Self.both)
        let tied = refused(TinyModel.json)
        #expect(
            tied.contains("a/adapter_config.json: model.embed_tokens.weight was trained whole, and the base has one"))
        #expect(tied.contains("tie_word_embeddings false"))
        try write(Self.saved, ranks: Self.queries, whole: [Self.both[0], ("lm_head.weight", 12)])
        #expect(refused().contains("lm_head.weight beside it has 12 rows and the base's 10"))
        try write(Self.saved, ranks: Self.queries, whole: [Self.both[0]])
        #expect(refused().contains("modules_to_save names lm_head, and no tensor is of it"))
    }
}
