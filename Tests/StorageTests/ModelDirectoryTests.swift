import Diagnostics
import Foundation
import Tensors
import TestSupport
import Testing
import Transformer

@testable import Storage

/// The values as one row.
func matrix(_ values: [Float]) -> Matrix {
    let matrix = Matrix(rows: 1, columns: values.count)
    for (column, value) in values.enumerated() { matrix[0, column] = value }
    return matrix
}

/// A tiny model directory.
struct TinyModel {
    static let json = """
        {"model_type": "llama", "hidden_size": 8, "intermediate_size": 6, "num_hidden_layers": 2, "num_attention_heads": 2,
         "num_key_value_heads": 1, "vocab_size": 10, "max_position_embeddings": 32, "rms_norm_eps": 1e-5,
         "tie_word_embeddings": true, "bos_token_id": 1, "eos_token_id": 2}
        """

    static func configuration() throws -> ModelConfiguration {
        try ModelConfiguration(json: Data(json.utf8), file: "config.json")
    }

    /// Every parameter's values: its index in the layout and a running number, exact in BF16.
    static func values(_ spec: ParameterSpec, _ index: Int) -> [Float] {
        (0..<spec.count).map { Float((index * 31 + $0) % 200 - 100) / 8 }
    }

    static func write(
        to path: String, head: HeadKind = .languageModel, type: SafetensorsType = .f32,
        changing: ((ParameterSpec, inout [Float]) -> Void)? = nil
    ) throws {
        let configuration = try configuration()
        let writer = try ModelDirectoryWriter(
            path: path, configuration: configuration, head: head, dtype: type,
            tokenizer: .files([(name: "tokenizer.json", content: Data("{}".utf8))]), initialIdentity: "a test's")
        for (index, spec) in ParameterLayout(configuration, head: head).specs.enumerated() {
            var values = values(spec, index)
            changing?(spec, &values)
            try writer.write(spec.name, matrix(values))
        }
        try writer.finish()
    }

    /// The same weights in two files with an index.
    static func writeSharded(_ scratch: Scratch, to name: String) throws {
        let configuration = try configuration()
        try FileManager.default.createDirectory(atPath: scratch.file(name), withIntermediateDirectories: true)
        try scratch.write(Data(json.utf8), to: name + "/config.json")
        let specs = ParameterLayout(configuration, head: .languageModel).specs
        var map: [String: String] = [:]
        for part in 0..<2 {
            let file = "model-0000\(part + 1)-of-00002.safetensors"
            let own = specs.enumerated().filter { $0.offset % 2 == part }
            _ = try scratch.writeSafetensors(
                name + "/" + file, type: .f32,
                own.map { ($0.element.name, $0.element.shape, values($0.element, $0.offset)) })
            for spec in own { map[spec.element.name] = file }
        }
        let index: [String: Any] = ["metadata": ["total_size": 1], "weight_map": map]
        try scratch.write(try JSONSerialization.data(withJSONObject: index), to: name + "/model.safetensors.index.json")
    }
}

extension ModelDirectory {
    fileprivate func floats(_ spec: ParameterSpec) throws -> [Float] {
        var values = [Float](repeating: .nan, count: spec.count)
        try values.withUnsafeMutableBufferPointer { buffer in
            if let start = buffer.baseAddress { try read(spec.name, rows: 0..<spec.rows, into: start) }
        }
        return values
    }
}

@Suite("Model directories") struct ModelDirectoryTests {
    @Test(arguments: [HeadKind.languageModel, .scalar], [SafetensorsType.f32, .bf16])
    func whatIsWrittenReadsBack(_ head: HeadKind, _ type: SafetensorsType) throws {
        let scratch = try Scratch()
        try TinyModel.write(to: scratch.file("m"), head: head, type: type)
        let directory = try ModelDirectory.open(scratch.file("m"), head: head)
        #expect(try directory.configuration == TinyModel.configuration())
        for (index, spec) in ParameterLayout(directory.configuration, head: head).specs.enumerated() {
            #expect(try directory.floats(spec) == TinyModel.values(spec, index), "\(spec.name)")
        }
        let files = try FileManager.default.contentsOfDirectory(atPath: scratch.file("m")).sorted()
        let generation = head == .languageModel ? ["generation_config.json"] : []
        #expect(files == ["config.json"] + generation + ["model.safetensors", "rdo-init.json", "tokenizer.json"])
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path) == ["m"])
    }

    @Test func aNewModelReplacesAnOldOne() throws {
        let scratch = try Scratch()
        try TinyModel.write(to: scratch.file("m"))
        let before = try ModelDirectory.open(scratch.file("m"), head: .languageModel).digest()
        // What an interrupted run left does not stand in the way.
        try FileManager.default.createDirectory(atPath: scratch.file("m.partial"), withIntermediateDirectories: true)
        try scratch.write(Data("x".utf8), to: "m.partial/config.json")
        try TinyModel.write(to: scratch.file("m")) { spec, values in
            if spec.name == "model.norm.weight" { values[0] = 7 }
        }
        #expect(try ModelDirectory.open(scratch.file("m"), head: .languageModel).digest() != before)
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path) == ["m"])
    }

    @Test func anUnfinishedModelHasNoName() throws {
        let scratch = try Scratch()
        _ = try ModelDirectoryWriter(
            path: scratch.file("m"), configuration: TinyModel.configuration(), head: .languageModel, dtype: .f32,
            tokenizer: .files([]))
        #expect(!FileManager.default.fileExists(atPath: scratch.file("m")))
        artefactError { _ = try ModelDirectory.open(scratch.file("m"), head: .languageModel) }
    }

    @Test func shardsAreOneModel() throws {
        let scratch = try Scratch()
        try TinyModel.writeSharded(scratch, to: "s")
        try TinyModel.write(to: scratch.file("m"))
        let sharded = try ModelDirectory.open(scratch.file("s"), head: .languageModel)
        let whole = try ModelDirectory.open(scratch.file("m"), head: .languageModel)
        for spec in ParameterLayout(whole.configuration, head: .languageModel).specs {
            #expect(try sharded.floats(spec) == whole.floats(spec))
        }
        #expect(try sharded.digest() == whole.digest())
    }

    @Test func damagedShardsAndIndices() throws {
        let scratch = try Scratch()
        try TinyModel.writeSharded(scratch, to: "s")
        let index = scratch.file("s/model.safetensors.index.json")
        let good = try Data(contentsOf: URL(fileURLWithPath: index))
        func refused(_ text: String) throws -> RDOError? {
            try Data(text.utf8).write(to: URL(fileURLWithPath: index))
            return artefactError { _ = try ModelDirectory.open(scratch.file("s"), head: .languageModel) }
        }
        #expect(try refused("{}")?.description == index + ": weight_map is missing or malformed")
        #expect(try refused("nothing")?.place == index + ":1")
        #expect(try refused(#"{"weight_map": {"a": 1}}"#)?.place == index)
        #expect(try refused(#"{"weight_map": {"a": "x", "a": "y"}}"#)?.what == "weight_map is missing or malformed")
        #expect(
            try refused(#"{"weight_map": {"a": "model-00001-of-00002.safetensors"}}"#)?.description
                == index + ": tensor a is not in model-00001-of-00002.safetensors")
        #expect(try refused(#"{"weight_map": {"a": "b.safetensors"}}"#)?.place == scratch.file("s/b.safetensors"))
        let some = #"{"weight_map": {"model.embed_tokens.weight": "model-00001-of-00002.safetensors"}}"#
        #expect(
            try refused(some)?.what == "tensor model.layers.0.input_layernorm.weight is missing (19 of 20 are)")
        try good.write(to: URL(fileURLWithPath: index))
        try FileManager.default.removeItem(atPath: scratch.file("s/model-00002-of-00002.safetensors"))
        let error = artefactError { _ = try ModelDirectory.open(scratch.file("s"), head: .languageModel) }
        #expect(error?.place == scratch.file("s/model-00002-of-00002.safetensors"))
    }

    @Test func aConfigurationOfAnotherShapeIsRefused() throws {
        let scratch = try Scratch()
        try TinyModel.write(to: scratch.file("m"))
        func refused(_ from: String, _ to: String) throws -> String {
            try scratch.write(Data(TinyModel.json.replacingOccurrences(of: from, with: to).utf8), to: "m/config.json")
            return artefactError { _ = try ModelDirectory.open(scratch.file("m"), head: .languageModel) }?.what ?? ""
        }
        #expect(
            try refused("\"vocab_size\": 10", "\"vocab_size\": 11")
                == "tensor model.embed_tokens.weight has shape [10, 8], the configuration says [11, 8]")
        #expect(
            try refused("\"num_key_value_heads\": 1", "\"num_key_value_heads\": 2")
                == "tensor model.layers.0.self_attn.k_proj.weight has shape [4, 8], the configuration says [8, 8]")
        #expect(
            try refused("\"num_hidden_layers\": 2", "\"num_hidden_layers\": 3")
                == "tensor model.layers.2.input_layernorm.weight is missing (9 of 29 are)")
        #expect(try refused("true", "false") == "tensor lm_head.weight is missing (1 of 21 are)")
        // More than needed is fine, and can be asked for.
        try scratch.write(
            Data(TinyModel.json.replacingOccurrences(of: "layers\": 2", with: "layers\": 1").utf8), to: "m/config.json")
        let unused = try ModelDirectory.open(scratch.file("m"), head: .languageModel).unusedTensors(
            head: .languageModel)
        #expect(unused.count == 9 && unused.first == "model.layers.1.input_layernorm.weight")
    }

    /// A language model serves as the start of a scalar one: its head is made new.
    @Test func scoreWeightMayBeMissing() throws {
        let scratch = try Scratch()
        try TinyModel.write(to: scratch.file("m"))
        let directory = try ModelDirectory.open(scratch.file("m"), head: .scalar)
        #expect(directory.unusedTensors(head: .scalar) == [])
        #expect(!directory.contains("score.weight") && directory.contains("model.norm.weight"))
        try TinyModel.write(to: scratch.file("r"), head: .scalar)
        #expect(try ModelDirectory.open(scratch.file("r"), head: .scalar).contains("score.weight"))
    }

    @Test func unsupportedNumberTypesAreRefused() throws {
        let scratch = try Scratch()
        try TinyModel.write(to: scratch.file("m"))
        let path = scratch.file("m/model.safetensors")
        let text = try #require(String(data: Data(contentsOf: URL(fileURLWithPath: path)), encoding: .isoLatin1))
        let changed = text.replacingOccurrences(of: "\"F32\"", with: "\"I32\"")
        try #require(changed.data(using: .isoLatin1)).write(to: URL(fileURLWithPath: path))
        let error = artefactError { _ = try ModelDirectory.open(scratch.file("m"), head: .languageModel) }
        #expect(error?.what == "tensor model.embed_tokens.weight has an unsupported number type")
        #expect(error?.place == path)
    }

    @Test func missingParts() throws {
        let scratch = try Scratch()
        func message(_ name: String) -> String {
            artefactError { _ = try ModelDirectory.open(scratch.file(name), head: .languageModel) }?.description ?? ""
        }
        #expect(message("none").hasPrefix(scratch.file("none") + ": no such model directory"))
        try scratch.write(Data(), to: "file")
        #expect(message("file").contains("no such model directory"))
        try FileManager.default.createDirectory(atPath: scratch.file("m"), withIntermediateDirectories: true)
        #expect(message("m").hasPrefix(scratch.file("m/config.json") + ": the file is missing"))
        try scratch.write(Data(TinyModel.json.utf8), to: "m/config.json")
        #expect(message("m").hasPrefix(scratch.file("m/model.safetensors") + ": the file is missing"))
        try scratch.write(Data(), to: "m/config.json")
        #expect(message("m").hasPrefix(scratch.file("m/config.json") + ":1: not a JSON document"))
    }

    @Test func tokenizerFilesAreCopied() throws {
        let scratch = try Scratch()
        try FileManager.default.createDirectory(atPath: scratch.file("t"), withIntermediateDirectories: true)
        for name in ["tokenizer.model", "tokenizer_config.json", "README.md"] {
            try scratch.write(Data(name.utf8), to: "t/" + name)
        }
        func write(_ source: String, to name: String) throws {
            let configuration = try TinyModel.configuration()
            let writer = try ModelDirectoryWriter(
                path: scratch.file(name), configuration: configuration, head: .languageModel, dtype: .bf16,
                tokenizer: .copied(from: scratch.file(source)))
            for (index, spec) in ParameterLayout(configuration, head: .languageModel).specs.enumerated() {
                try writer.write(spec.name, matrix(TinyModel.values(spec, index)))
            }
            try writer.finish()
        }
        try write("t", to: "all")
        #expect(
            FileManager.default.contents(atPath: scratch.file("all/tokenizer.model")) == Data("tokenizer.model".utf8))
        #expect(FileManager.default.fileExists(atPath: scratch.file("all/tokenizer_config.json")))
        #expect(!FileManager.default.fileExists(atPath: scratch.file("all/README.md")))
        try write("t/tokenizer.model", to: "one")
        #expect(FileManager.default.fileExists(atPath: scratch.file("one/tokenizer.model")))
        // It says whether texts start with BOS.
        #expect(FileManager.default.fileExists(atPath: scratch.file("one/tokenizer_config.json")))
        artefactError { try write("nowhere", to: "none") }
    }

    @Test func theDigestIsOfWhatTheModelComputes() throws {
        let scratch = try Scratch()
        func digest(_ name: String) throws -> String {
            try ModelDirectory.open(scratch.file(name), head: .languageModel).digest()
        }
        try TinyModel.write(to: scratch.file("a"))
        let original = try digest("a")
        try FileManager.default.copyItem(atPath: scratch.file("a"), toPath: scratch.file("copy"))
        #expect(try digest("copy") == original)
        #expect(original.count == 32)
        // Neither the tokenizer nor a file beside the weights belongs to it.
        try scratch.write(Data("notes".utf8), to: "copy/README.md")
        #expect(try digest("copy") == original)

        // The smallest change of one weight.
        try TinyModel.write(to: scratch.file("b")) { spec, values in
            if spec.name == "model.layers.1.mlp.down_proj.weight" { values[5] = values[5].nextUp }
        }
        #expect(try digest("b") != original)
        // Two equal sets of bytes under exchanged names, another type, another constant.
        try TinyModel.write(to: scratch.file("c"), type: .bf16)
        #expect(try digest("c") != original)
        let json = TinyModel.json.replacingOccurrences(of: "1e-5", with: "1e-6")
        try scratch.write(Data(json.utf8), to: "copy/config.json")
        #expect(try digest("copy") != original)
    }
}

/// Golden numbers were read with Python's safetensors.
@Suite("Published models") struct PublishedModelTests {
    static let stories = "models/stories260K"
    static let hasStories = Assets.has(stories)
    /// SmolLM2-135M-Instruct with its weights: in `RDO_SMOLLM2` or where a program that fetches assets leaves it.
    static let smolDirectory =
        ProcessInfo.processInfo.environment["RDO_SMOLLM2"]
        ?? NSHomeDirectory() + "/.cache/rdo-assets/smollm2-135m-instruct"
    static let hasSmolLM2 = FileManager.default.fileExists(atPath: smolDirectory + "/model.safetensors")

    struct Golden {
        let name: String
        /// Columns 0 and 1 of rows 0 and 7.
        let values: [Float]
        let sum: Double
        let absoluteSum: Double
    }

    private func check(_ directory: ModelDirectory, _ golden: [Golden]) throws {
        let layout = ParameterLayout(directory.configuration, head: .languageModel)
        for item in golden {
            let spec = try #require(layout.specs.first { $0.name == item.name })
            let values = try directory.floats(spec)
            let corners = [0, 7].flatMap { row in (0..<min(2, spec.columns)).map { values[row * spec.columns + $0] } }
            #expect(corners == item.values, "\(item.name)")
            let sum = values.reduce(0.0) { $0 + Double($1) }
            let absoluteSum = values.reduce(0.0) { $0 + Double(abs($1)) }
            #expect(abs(sum - item.sum) < 1e-9 * item.absoluteSum, "\(item.name)")
            #expect(abs(absoluteSum - item.absoluteSum) < 1e-9 * item.absoluteSum, "\(item.name)")
        }
    }

    @Test(.enabled(if: hasStories, "no assets")) func stories260K() throws {
        let path = Assets.path(Self.stories)
        let directory = try ModelDirectory.open(path, head: .languageModel)
        let c = directory.configuration
        #expect(c.hiddenSize == 64 && c.layerCount == 5 && c.headCount == 8 && c.keyValueHeadCount == 4)
        #expect(c.vocabularySize == 512 && c.maxPositions == 512 && c.tiesEmbeddings && c.eosTokenIDs == [2])
        #expect(ParameterLayout(c, head: .languageModel).parameterCount == 260_032)
        try check(
            directory,
            [
                Golden(
                    name: "model.embed_tokens.weight", values: [-0.29474878, 0.5618956, -0.2947748, 0.56195122],
                    sum: -752.3677446640068, absoluteSum: 7820.582960873879),
                Golden(
                    name: "model.layers.2.self_attn.k_proj.weight",
                    values: [0.053226728, -0.0028758639, 0.070034839, 0.067012794], sum: -2.161847283903626,
                    absoluteSum: 264.4030376312003),
                Golden(
                    name: "model.norm.weight", values: [2.4583089, 1.5204191], sum: 115.95276230573654,
                    absoluteSum: 115.95276230573654),
            ])
    }

    /// Written out as ours and read again, a published model is the same.
    @Test(.enabled(if: hasStories, "no assets")) func stories260KComesBack() throws {
        let path = Assets.path(Self.stories)
        let scratch = try Scratch()
        let source = try ModelDirectory.open(path, head: .languageModel)
        let writer = try ModelDirectoryWriter(
            path: scratch.file("m"), configuration: source.configuration, head: .languageModel, dtype: .f32,
            tokenizer: .copied(from: path))
        for spec in ParameterLayout(source.configuration, head: .languageModel).specs {
            try writer.write(spec.name, matrix(source.floats(spec)))
        }
        try writer.finish()
        let copy = try ModelDirectory.open(scratch.file("m"), head: .languageModel)
        #expect(try copy.digest() == source.digest())
        #expect(copy.configuration == source.configuration)
        #expect(FileManager.default.fileExists(atPath: scratch.file("m/tokenizer.json")))
    }

    @Test(.enabled(if: hasSmolLM2, "no weights of SmolLM2-135M-Instruct")) func smolLM2() throws {
        let directory = try ModelDirectory.open(Self.smolDirectory, head: .languageModel)
        let c = directory.configuration
        #expect(c.hiddenSize == 576 && c.layerCount == 30 && c.headCount == 9 && c.keyValueHeadCount == 3)
        #expect(c.ropeTheta == 100_000 && c.ropeScaling == .none)
        #expect(ParameterLayout(c, head: .languageModel).parameterCount == 134_515_008)
        try check(
            directory,
            [
                Golden(
                    name: "model.embed_tokens.weight",
                    values: [-0.1064453125, 0.032958984375, -0.00799560546875, -0.0400390625], sum: -15355.332664489746,
                    absoluteSum: 2802092.614128113),
                Golden(
                    name: "model.layers.29.mlp.down_proj.weight",
                    values: [-0.2734375, 0.1865234375, 0.306640625, 0.04345703125], sum: 49.85215759277344,
                    absoluteSum: 126250.39643859863),
                Golden(
                    name: "model.norm.weight", values: [1.7578125, 1.75], sum: 1038.33203125, absoluteSum: 1045.09765625
                ),
            ])
    }
}
