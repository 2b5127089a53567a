import Foundation
import Storage
import TestSupport
import Testing

/// Reward models are Hugging Face directories for sequence classification, ours and others'.
@Suite(.serialized) struct ClassifierTests {
    private static let section = "reward: { steps: 4, batch_size: 8, micro_batches: 8, learning_rate: 1e-3 }"

    private func trained() throws -> (work: Workspace, model: String) {
        let work = try Workspace()
        try work.writeConfiguration(Self.section)
        _ = try work.succeeds(
            ["passes=[reward, score]", "score.scorer=reward", "data.test=[]"], output: "own", ranks: 2)
        return (work, work.path("own/reward/model"))
    }

    private func rewards(_ work: Workspace, of model: String, output: String) throws -> [Float] {
        _ = try work.succeeds(
            ["passes=[score]", "score.scorer=reward", "score.model=\(model)", "data.test=[]"], output: output, ranks: 0)
        return try HDF5File(opening: work.path("\(output)/coefficients.h5")).dataset("/responses/reward").read(
            Float.self)
    }

    private func configuration(of model: String) throws -> [String: Any] {
        let data = try Data(contentsOf: URL(fileURLWithPath: model + "/config.json"))
        return try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    }

    @Test func whatIsWrittenIsAClassifier() throws {
        let (work, model) = try trained()
        let config = try configuration(of: model)
        #expect(config["architectures"] as? [String] == ["LlamaForSequenceClassification"])
        #expect(config["num_labels"] as? Int == 1)
        // Without a padding token transformers refuses batches, and with one it scores at the last other token.
        #expect(
            config["pad_token_id"] as? Int != nil && config["pad_token_id"] as? Int != config["eos_token_id"] as? Int)
        let weights = try SafetensorsFile.open(model + "/model.safetensors")
        #expect(weights.contains("score.weight") && !weights.contains("lm_head.weight"))

        let own = try HDF5File(opening: work.path("own/coefficients.h5")).dataset("/responses/reward").read(Float.self)
        #expect(Set(own).count > own.count / 2)
        // The same model under another name, and from its checkpoint.
        let copy = work.path("copy")
        try FileManager.default.copyItem(atPath: model, toPath: copy)
        #expect(try rewards(work, of: copy, output: "copied") == own)
        let exported = try CommandRunner.run(
            "rdo", ["export", work.path("own/reward/checkpoints"), "--out", work.path("exported")])
        #expect(exported.status == 0, "\(exported.error)")
        #expect(try rewards(work, of: work.path("exported"), output: "again") == own)
    }

    /// transformers writes labels instead of their number.
    @Test func otherWaysToSayOneLabel() throws {
        let (work, model) = try trained()
        let own = try rewards(work, of: model, output: "first")
        var config = try configuration(of: model)
        config["num_labels"] = nil
        config["id2label"] = ["0": "LABEL_0"]
        config["label2id"] = ["LABEL_0": 0]
        config["transformers_version"] = "5.0.0"
        try JSONSerialization.data(withJSONObject: config).write(to: URL(fileURLWithPath: model + "/config.json"))
        #expect(try rewards(work, of: model, output: "second") == own)
    }

    @Test func notARewardModel() throws {
        let (work, model) = try trained()
        let set = ["passes=[score]", "score.scorer=reward", "data.test=[]"]
        // A language model has no score.
        try work.fails(
            set + ["score.model=\(work.path("own/initial-model"))"], code: 4, mentions: "the scorer has no score.weight"
        )
        // Two labels: score.weight once more below itself.
        let weights = model + "/model.safetensors"
        let file = try Data(contentsOf: URL(fileURLWithPath: weights))
        let size = file.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
        var header = try #require(
            JSONSerialization.jsonObject(with: file[8..<(8 + size)]) as? [String: [String: Any]])
        let place = try #require(header["score.weight"]?["data_offsets"] as? [Int])
        let body = file[(8 + size)...]
        let row = body.dropFirst(place[0]).prefix(place[1] - place[0])
        header["score.weight"] = [
            "dtype": "F32", "shape": [2, row.count / 4], "data_offsets": [place[0], place[1] + row.count],
        ]
        #expect(place[1] == body.count, "score.weight is the last tensor")
        let text = try JSONSerialization.data(withJSONObject: header)
        let length = withUnsafeBytes(of: UInt64(text.count).littleEndian) { Data($0) }
        try (length + text + body + row).write(to: URL(fileURLWithPath: weights))
        try work.fails(set + ["score.model=\(model)"], code: 4, mentions: "score.weight")
        try work.fails(set + ["score.model=\(work.path("nowhere"))"], code: 4, mentions: "nowhere")
    }

    /// Their scores are ours, and a directory that transformers wrote is read.
    @Test(.enabled(if: Python.has("torch", "transformers", "h5py"), "RDO_PYTHON names no Python with transformers"))
    func agreesWithTransformers() throws {
        let (work, model) = try trained()
        func compare(_ directory: String, _ output: String, _ arguments: [String] = []) throws {
            let result = try Python.run(
                script: "compare_classifier.py", [directory, work.path("\(output)/coefficients.h5")] + arguments)
            #expect(result.status == 0, "\(result.output) \(result.error)")
        }
        try compare(model, "own", ["--save", work.path("theirs")])
        // They write the tokenizer anew, with other files.
        let base = work.path("own/initial-model")
        _ = try work.succeeds(
            [
                "passes=[score]", "score.scorer=reward", "score.model=\(work.path("theirs"))", "data.test=[]",
                "model.init=null", "model.path=\(base)", "model.tokenizer=\(base)",
            ], output: "theirs-scored", ranks: 0)
        try compare(model, "theirs-scored")
    }
}
