import Foundation
import TestSupport
import Testing

/// Each bad input: one line on standard error, the right exit code, within seconds, at 1 and at 4 ranks, and no crash.
@Suite(.serialized) struct BadInputTests {
    /// Checks the outcome of a broken run on 1 rank without a launcher and on 4 ranks.
    private func check(
        _ work: Workspace, _ command: [String], set: [String] = [], code: Int32, mentions: [String],
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        for ranks in [0, 4] {
            let result = try work.rdo(command, output: "bad\(ranks)", ranks: ranks, set: set, timeout: 60)
            #expect(result.status == code, "\(ranks) ranks: \(result.error)", sourceLocation: sourceLocation)
            let lines = result.error.split(separator: "\n").filter { $0.contains("rdo: error:") }
            #expect(lines.count == 1, "\(ranks) ranks: \(result.error)", sourceLocation: sourceLocation)
            for word in mentions {
                #expect(
                    lines.first?.contains(word) ?? false, "\(word) is not in: \(lines)", sourceLocation: sourceLocation)
            }
            #expect(result.seconds < 45, sourceLocation: sourceLocation)
        }
    }

    // MARK: - Configuration

    @Test func unknownAndMistypedKeys() throws {
        let work = try Workspace()
        try work.writeConfiguration()
        try check(work, ["run"], set: ["dpo.betta=0.1"], code: 2, mentions: ["dpo.betta", "beta"])
        try check(work, ["run"], set: ["dpo.beta=high"], code: 2, mentions: ["dpo.beta"])
        try check(work, ["run"], set: ["dpo.beta=-1"], code: 2, mentions: ["dpo.beta"])
        try check(
            work, ["run"], set: ["dpo.variant=hinge", "dpo.label_smoothing=0.1"], code: 2, mentions: ["label_smoothing"]
        )
    }

    @Test func moreRanksThanLeaves() throws {
        let work = try Workspace()
        try work.writeConfiguration()
        let result = try work.rdo(["run"], ranks: 4, set: ["dpo.micro_batches=3"])
        #expect(result.status == 2, "\(result.error)")
        #expect(result.error.contains("dpo.micro_batches is 3") && result.error.contains("to 4 or a multiple"))
        // Found before any pass was run.
        #expect(!FileManager.default.fileExists(atPath: work.path("run/difference")))
    }

    @Test func outputThatCannotBeWritten() throws {
        let work = try Workspace()
        try work.writeConfiguration()
        try work.directory.write("a file", to: "blocked")
        try check(work, ["run"], set: ["output=\(work.path("blocked"))/run"], code: 2, mentions: ["not writable"])
    }

    @Test func missingConfiguration() throws {
        let work = try Workspace()
        try check(work, ["run"], code: 2, mentions: ["config.yaml"])
    }

    // MARK: - Data

    @Test(arguments: [
        ("{\"prompt\": \"a\", \"chosen\": \"b\"", "malformed"),
        ("{\"prompt\": \"a\", \"chosen\": \"b\"}", "rejected"),
        ("{\"prompt\": \"a\", \"chosen\": \"b\", \"rejected\": \"b\"}", "identical"),
        ("{\"prompt\": \"a\", \"chosen\": 7, \"rejected\": \"b\"}", "chosen"),
    ])
    func badRow(row: String, mention: String) throws {
        let work = try Workspace()
        try work.writeConfiguration()
        let rows = Workspace.rows(5, seed: 1) + row + "\n" + Workspace.rows(5, seed: 4)
        let file = try work.directory.write(rows, to: "broken.jsonl")
        try check(
            work, ["train", "difference"], set: ["data.train=\(file)"], code: 3, mentions: ["broken.jsonl:6", mention])
    }

    @Test func emptyFileAndMissingFile() throws {
        let work = try Workspace()
        try work.writeConfiguration()
        let file = try work.directory.write("", to: "empty.jsonl")
        try check(work, ["train", "difference"], set: ["data.train=\(file)"], code: 3, mentions: ["empty.jsonl"])
        try check(
            work, ["train", "difference"], set: ["data.train=\(work.path("none.jsonl"))"], code: 3,
            mentions: ["none.jsonl"])
    }

    @Test func responseLongerThanTheLimit() throws {
        let work = try Workspace()
        try work.writeConfiguration()
        let long = String(repeating: "long ", count: 100)
        let rows = Workspace.rows(3, seed: 1) + "{\"prompt\": \"a\", \"chosen\": \"\(long)\", \"rejected\": \"b\"}\n"
        let file = try work.directory.write(rows, to: "long.jsonl")
        try check(
            work, ["train", "difference"], set: ["data.train=\(file)"], code: 3, mentions: ["long.jsonl:4", "longer"])
        let skipped = try work.rdo(
            ["train", "difference"], set: ["data.train=\(file)", "data.on_error=skip", "difference.steps=1"])
        #expect(skipped.status == 0, "\(skipped.error)")
    }

    // MARK: - Models and artefacts

    /// A model directory made by rdo, to break.
    private func model(_ work: Workspace) throws -> String {
        try work.writeConfiguration()
        let result = try work.rdo(["train", "difference"], output: "good", set: ["difference.steps=1"])
        #expect(result.status == 0, "\(result.error)")
        return work.path("good/initial-model")
    }

    private func breaking(
        _ file: String, in model: String, _ change: (inout Data) throws -> Void
    ) throws {
        let url = URL(fileURLWithPath: model + "/" + file)
        var data = try Data(contentsOf: url)
        try change(&data)
        try data.write(to: url)
    }

    @Test func missingModel() throws {
        let work = try Workspace()
        try work.writeConfiguration()
        try check(
            work, ["train", "difference"], set: ["difference.model=\(work.path("nothing"))"], code: 4,
            mentions: ["nothing"])
    }

    @Test func truncatedWeights() throws {
        let work = try Workspace()
        let model = try model(work)
        try breaking("model.safetensors", in: model) { $0.removeLast(100) }
        try check(
            work, ["train", "difference"], set: ["difference.model=\(model)"], code: 4, mentions: ["model.safetensors"])
    }

    @Test func headerLargerThanTheFile() throws {
        let work = try Workspace()
        let model = try model(work)
        try breaking("model.safetensors", in: model) { data in
            data.replaceSubrange(0..<8, with: withUnsafeBytes(of: UInt64(1 << 40).littleEndian) { Array($0) })
        }
        try check(
            work, ["train", "difference"], set: ["difference.model=\(model)"], code: 4, mentions: ["model.safetensors"])
    }

    @Test func unknownArchitectureAndWrongShape() throws {
        let work = try Workspace()
        let model = try model(work)
        let original = try Data(contentsOf: URL(fileURLWithPath: model + "/config.json"))
        func rewriting(_ key: String, _ value: Any) throws {
            var object = try #require(try JSONSerialization.jsonObject(with: original) as? [String: Any])
            object[key] = value
            if key == "model_type" { object["architectures"] = ["MambaForCausalLM"] }
            try JSONSerialization.data(withJSONObject: object).write(to: URL(fileURLWithPath: model + "/config.json"))
        }
        try rewriting("model_type", "mamba")
        try check(work, ["train", "difference"], set: ["difference.model=\(model)"], code: 4, mentions: ["amba"])
        try rewriting("intermediate_size", 64)
        try check(work, ["train", "difference"], set: ["difference.model=\(model)"], code: 4, mentions: ["mlp."])
    }

    @Test func tokenizerOfAnotherVocabulary() throws {
        let work = try Workspace()
        let model = try model(work)
        try breaking("config.json", in: model) { data in
            var object = try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
            object["vocab_size"] = 200
            data = try JSONSerialization.data(withJSONObject: object)
        }
        try check(work, ["train", "difference"], set: ["difference.model=\(model)"], code: 4, mentions: ["200"])
    }

    @Test func coefficientsThatDoNotFit() throws {
        let work = try Workspace()
        try work.writeConfiguration()
        #expect(try work.rdo(["run"], output: "good", set: ["dpo.steps=1", "difference.steps=1"]).status == 0)
        // Other data: its pairs stand in no file.
        let other = try work.directory.write(Workspace.rows(9, seed: 77), to: "other.jsonl")
        let files = ["score.file=\(work.path("good/coefficients.h5"))"]
        for output in ["bad0", "bad4"] {
            let made = try work.rdo(
                ["reference"], output: output, set: ["data.train=\(other)"])
            #expect(made.status == 0, "\(made.error)")
        }
        try check(
            work, ["train", "dpo"], set: files + ["data.train=\(other)"], code: 4,
            mentions: ["of 9 pairs are missing", "coefficients.h5"])
        // A file that is none.
        let text = try work.directory.write("not HDF5", to: "text.h5")
        try check(
            work, ["train", "dpo"], set: ["data.train=\(other)", "score.file=\(text)"], code: 4, mentions: ["text.h5"])
    }

    @Test func coefficientsOfAnotherTokenizer() throws {
        let work = try Workspace()
        let model = try model(work)
        #expect(try work.rdo(["score"], output: "good").status == 0)
        // The same tokens, but another file: what it was is not known any more.
        try breaking("tokenizer.json", in: model) { $0.append(0x0A) }
        let set = ["dpo.model=\(model)"]
        for output in ["bad0", "bad4"] {
            #expect(try work.rdo(["reference"], output: output, set: set).status == 0)
        }
        try check(
            work, ["train", "dpo"], set: set + ["score.file=\(work.path("good/coefficients.h5"))"], code: 4,
            mentions: ["another tokenizer", "coefficients.h5"])
    }

    @Test func scorerOfAnotherTokenizer() throws {
        let work = try Workspace()
        _ = try model(work)
        let scorer = work.path("good/difference/model")
        try breaking("tokenizer.json", in: scorer) { $0.append(0x0A) }
        try check(
            work, ["score"], set: ["score.model=\(scorer)"], code: 4, mentions: ["tokenizer is not the policy's"])
    }

    @Test func weightsOfAnUnsupportedType() throws {
        let work = try Workspace()
        let model = try model(work)
        try breaking("model.safetensors", in: model) { data in
            let length = Int(data[0]) | Int(data[1]) << 8 | Int(data[2]) << 16
            let header = String(decoding: data[8..<(8 + length)], as: UTF8.self)
            let changed = header.replacingOccurrences(of: "\"F32\"", with: "\"I32\"")
            data.replaceSubrange(8..<(8 + length), with: Data(changed.utf8))
        }
        try check(
            work, ["train", "difference"], set: ["difference.model=\(model)"], code: 4,
            mentions: ["unsupported number type", "model.safetensors"])
    }

    @Test func damagedShard() throws {
        let work = try Workspace()
        try work.writeConfiguration()
        for output in ["bad0", "bad4"] {
            let set = ["difference.steps=4", "difference.keep_checkpoints=1"]
            #expect(try work.rdo(["train", "difference"], output: output, ranks: 2, set: set).status == 0)
            let checkpoint = work.path(output + "/difference/checkpoints/step-00000004")
            let shard = checkpoint + "/shard-00001-of-00002.h5"
            var data = try Data(contentsOf: URL(fileURLWithPath: shard))
            data[data.count / 2] ^= 0x10
            try data.write(to: URL(fileURLWithPath: shard))
            let verified = try CommandRunner.run("rdo", ["verify", checkpoint])
            #expect(verified.status == 4 && verified.error.contains("shard-00001-of-00002"), "\(verified.error)")
        }
        try check(
            work, ["train", "difference"], set: ["difference.steps=8"], code: 4, mentions: ["shard-00001-of-00002"])
    }

    @Test func numericalFailureKeepsTheCheckpoints() throws {
        let work = try Workspace()
        try work.writeConfiguration()
        try check(
            work, ["train", "difference"], set: ["difference.learning_rate=1e38", "difference.max_grad_norm=0"],
            code: 5,
            mentions: ["loss"])
    }
}
