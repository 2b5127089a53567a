import Diagnostics
import Foundation
import Testing
import Transformer

@testable import Storage

@Suite("Writing model directories") struct ModelDirectoryWriterTests {
    private func members(_ path: String) throws -> [String: Any] {
        let data = try Data(contentsOf: URL(fileURLWithPath: path))
        return try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    }

    private func error(_ body: () throws -> Void) -> RDOError? {
        do { try body() } catch { return error as? RDOError }
        return nil
    }

    private func write(_ path: String, tokenizer source: String) throws {
        let configuration = try TinyModel.configuration()
        let writer = try ModelDirectoryWriter(
            path: path, configuration: configuration, head: .languageModel, dtype: .f32,
            tokenizer: .copied(from: source))
        for (index, spec) in ParameterLayout(configuration, head: .languageModel).specs.enumerated() {
            try writer.write(spec.name, matrix(TinyModel.values(spec, index)))
        }
        try writer.finish()
    }

    @Test(arguments: ["m/", "m//", "./x/../m", "new/m/"]) func anySpellingOfAPath(_ spelling: String) throws {
        let scratch = try Scratch()
        for _ in 0..<2 {
            try TinyModel.write(to: scratch.path + "/" + spelling)
            let folder = scratch.path + (spelling.hasPrefix("new") ? "/new" : "")
            #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["m"])
            _ = try ModelDirectory.open(folder + "/m", head: .languageModel)
        }
    }

    /// `--out` on a directory of something else must not empty it.
    @Test func filesOfOthersAreNotLost() throws {
        let scratch = try Scratch()
        try TinyModel.write(to: scratch.file("m"))
        try scratch.write(Data("notes".utf8), to: "m/README.md")
        let refusal = error { try TinyModel.write(to: scratch.file("m")) }
        #expect(refusal?.kind == .usage && refusal?.place == scratch.file("m"))
        #expect(refusal?.what == "it exists and holds README.md, which would be lost")
        #expect(FileManager.default.contents(atPath: scratch.file("m/README.md")) == Data("notes".utf8))
        #expect(error { try TinyModel.write(to: scratch.path) }?.what.contains("holds m, which") == true)
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path) == ["m"])

        // One of the same files that this program did not write.
        try TinyModel.write(to: scratch.file("other"))
        try FileManager.default.removeItem(atPath: scratch.file("other/rdo-init.json"))
        #expect(
            error { try TinyModel.write(to: scratch.file("other")) }?.what
                == "it exists and was not written by this program")

        try scratch.write(Data(), to: "file")
        #expect(error { try TinyModel.write(to: scratch.file("file")) }?.what == "it exists and is no directory")
        #expect(error { try TinyModel.write(to: scratch.file("file/m")) }?.kind == .usage)
        try FileManager.default.createDirectory(atPath: scratch.file("empty"), withIntermediateDirectories: true)
        try TinyModel.write(to: scratch.file("empty"))
    }

    @Test func numberTypesAndEndTokensAreNamed() throws {
        let scratch = try Scratch()
        try TinyModel.write(to: scratch.file("f32"))
        try TinyModel.write(to: scratch.file("bf16"), type: .bf16)
        #expect(try members(scratch.file("f32/config.json"))["torch_dtype"] as? String == "float32")
        #expect(try members(scratch.file("bf16/config.json"))["torch_dtype"] as? String == "bfloat16")
        #expect(try members(scratch.file("f32/generation_config.json"))["eos_token_id"] as? Int == 2)

        var configuration = try TinyModel.configuration()
        configuration.eosTokenIDs = [2, 5]
        _ = try ModelDirectoryWriter(
            path: scratch.file("m"), configuration: configuration, head: .languageModel, dtype: .f32,
            tokenizer: .files([]))
        #expect(try members(scratch.file("m.partial/generation_config.json"))["eos_token_id"] as? [Int] == [2, 5])
    }

    /// Everything that the start model's file says stays, and every token that ends a text is named.
    @Test func generationSettingsAreCarriedOver() throws {
        let scratch = try Scratch()
        try FileManager.default.createDirectory(atPath: scratch.file("start"), withIntermediateDirectories: true)
        try scratch.write(
            Data(#"{"eos_token_id": [7, 2], "temperature": 0.6, "do_sample": true}"#.utf8),
            to: "start/generation_config.json")
        _ = try ModelDirectoryWriter(
            path: scratch.file("m"), configuration: try TinyModel.configuration(), head: .languageModel, dtype: .f32,
            tokenizer: .files([]), generationFrom: scratch.file("start"), responseEnd: 9)
        let found = try members(scratch.file("m.partial/generation_config.json"))
        #expect(found["eos_token_id"] as? [Int] == [7, 2, 9])
        #expect(found["temperature"] as? Double == 0.6 && found["do_sample"] as? Bool == true)
    }

    /// A tokenizer file may have any name; loaders look for the usual ones.
    @Test(arguments: [("spm.model", "tokenizer.model"), ("fast.json", "tokenizer.json")])
    func tokenizerFilesGetTheirUsualNames(_ name: String, _ usual: String) throws {
        let scratch = try Scratch()
        try scratch.write(Data(name.utf8), to: name)
        try write(scratch.file("m"), tokenizer: scratch.file(name))
        #expect(FileManager.default.contents(atPath: scratch.file("m/" + usual)) == Data(name.utf8))
        #expect(!FileManager.default.fileExists(atPath: scratch.file("m/" + name)))
    }

    @Test func aDirectoryWithoutATokenizerIsRefused() throws {
        let scratch = try Scratch()
        try FileManager.default.createDirectory(atPath: scratch.file("t"), withIntermediateDirectories: true)
        try scratch.write(Data("{}".utf8), to: "t/tokenizer_config.json")
        let refusal = artefactError { try write(scratch.file("m"), tokenizer: scratch.file("t")) }
        #expect(refusal?.what == "the directory has neither tokenizer.json nor tokenizer.model")
        #expect(!FileManager.default.fileExists(atPath: scratch.file("m")))
    }
}
