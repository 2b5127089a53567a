import Foundation
import Storage
import TestSupport
import Testing

/// The program against real models: runs where the assets are there.
@Suite(
    .serialized,
    .enabled(
        if: StoriesRun.isPossible && Assets.has("models/llama32k-tokenizer", "models/smollm2-135m-instruct"),
        "no assets"))
struct AssetTests {
    private struct Case: Decodable {
        let text: String
        let ids: [Int32]
        let hf_ids: [Int32]?
    }

    private struct Cases: Decodable { let cases: [Case] }

    @Test(arguments: [
        ("stories260K", "tokenizer.json"), ("stories260K", "tokenizer.model"), ("llama32k-tokenizer", "tokenizer.json"),
        ("llama32k-tokenizer", "tokenizer.model"), ("smollm2-135m-instruct", "tokenizer.json"),
    ])
    func tokenizeAgreesWithTheReference(model: String, file: String) throws {
        let path = Assets.path("models/\(model)/\(file)")
        let casesPath = Assets.path("models/\(model)/tokenizer_cases.json")
        let cases = try JSONDecoder().decode(Cases.self, from: Data(contentsOf: URL(fileURLWithPath: casesPath))).cases
        let input = try cases.map { String(decoding: try JSONEncoder().encode($0.text), as: UTF8.self) }
        let result = try CommandRunner.run(
            "rdo", ["tokenize", "--model", path, "--json"], input: input.joined(separator: "\n") + "\n")
        #expect(result.status == 0, "\(result.error)")
        let found = try result.output.split(separator: "\n").map {
            try JSONDecoder().decode([Int32].self, from: Data($0.utf8))
        }
        #expect(found.count == cases.count && cases.count == 251)
        for (ids, expected) in zip(found, cases) {
            #expect(
                ids == (file.hasSuffix(".json") ? expected.hf_ids ?? expected.ids : expected.ids), "\(expected.text)")
        }
    }

    private struct References: Decodable {
        struct Item: Decodable {
            let pair: Int?
            let prompt: String
            let chosen: String?
            let rejected: String?
        }
        let items: [Item]
    }

    /// Log-probability sums of stories260K computed with another implementation, at 1 to 4 ranks.
    @Test func logProbabilitiesAgreeWithTheReference() throws {
        let model = Assets.path(StoriesRun.model)
        let text = try Data(contentsOf: URL(fileURLWithPath: model + "/logits_ref.json"))
        let pairs = try JSONDecoder().decode(References.self, from: text).items.filter { $0.pair != nil }
        let expected = try SafetensorsFile.open(model + "/logits_ref.safetensors")
        let rows = try pairs.map { item in
            let row = ["prompt": item.prompt, "chosen": item.chosen ?? "", "rejected": item.rejected ?? ""]
            return String(decoding: try JSONEncoder().encode(row), as: UTF8.self)
        }
        let directory = try TemporaryDirectory()
        let data = try directory.write(rows.joined(separator: "\n") + "\n", to: "pairs.jsonl")
        var first: [Double] = []
        var tokenCounts: [Int32] = []
        for ranks in 1...4 {
            let out = directory.path + "/logprobs-\(ranks).h5"
            let result = try CommandRunner.run(
                "rdo", ["logprobs", "--model", model, "--data", data, "--out", out, "--chunk", "4"], ranks: ranks)
            #expect(result.status == 0, "\(result.error)")
            let file = try ReferenceFile.read(out)
            #expect(file.count == 16)
            if ranks == 1 { (first, tokenCounts) = (Array(file.logprobs), Array(try #require(file.tokenCounts))) }
            #expect(Array(file.logprobs) == first)
        }
        for (index, value) in first.enumerated() {
            let name = "pair\(index / 2).\(index % 2 == 0 ? "chosen" : "rejected").response_logps"
            var tokens = [Float](repeating: .nan, count: Int(tokenCounts[index]))
            try expected.check(name, shape: [tokens.count])
            try tokens.withUnsafeMutableBufferPointer { buffer in
                if let start = buffer.baseAddress { try expected.read(name, rows: buffer.indices, into: start) }
            }
            let sum = tokens.reduce(0.0) { $0 + Double($1) }
            #expect(abs(value - sum) <= 1e-4 + 1e-6 * abs(sum), "\(name): \(value) against \(sum)")
        }
    }

    /// DPO with coefficients and difference training on a real model: the same bits on 1, 2 and 4 ranks after 20 steps.
    @Test func realModelGivesTheSameBitsOnAnyRanks() throws {
        let (model, data) = (Assets.path(StoriesRun.model), Assets.path(StoriesRun.data))
        let directory = try TemporaryDirectory()
        var weights: [String: Data] = [:]
        for ranks in [1, 2, 4] {
            let output = directory.path + "/r\(ranks)"
            let config = try directory.write(
                """
                output: \(output)
                model: { path: \(model) }
                data: { train: \(data), template: hh, max_tokens: 256, over_long: truncate, on_error: skip }
                difference: { steps: 20, batch_size: 8, micro_batches: 8, learning_rate: 1e-4 }
                dpo: { steps: 20, batch_size: 8, micro_batches: 8, learning_rate: 1e-4 }
                """, to: "r\(ranks).yaml")
            let result = try CommandRunner.run("rdo", ["run", config], ranks: ranks)
            #expect(result.status == 0, "\(result.error)")
            for pass in ["difference", "dpo"] {
                let bytes = try Data(contentsOf: URL(fileURLWithPath: "\(output)/\(pass)/model/model.safetensors"))
                #expect(weights[pass] == nil || weights[pass] == bytes, "\(pass) on \(ranks) ranks")
                weights[pass] = bytes
            }
        }
    }

    /// Fifty steps of a real model: the same bits on every power-of-two number of ranks and every mesh of four.
    @Test(arguments: ["difference", "dpo"]) func fiftyStepsOnAnyMesh(pass: String) throws {
        let run = try StoriesRun()
        let arms = [(1, 1), (2, 2), (4, 4), (4, 2), (4, 1), (8, 8)]
        for (ranks, shards) in arms {
            let result = try run.train(
                pass, output: "\(ranks)x\(shards)", ranks: ranks,
                set: [
                    "parallel.shards=\(shards)", "\(pass).steps=50", "\(pass).batch_size=8",
                    "\(pass).micro_batches=8", "\(pass).checkpoint_every=0",
                ])
            #expect(result.status == 0, "\(result.error)")
        }
        func losses(_ output: String) throws -> [Double] {
            try run.work.metrics("\(output)/\(pass)/metrics.jsonl").compactMap { $0["loss"] as? Double }
        }
        let weights = "/\(pass)/model/model.safetensors"
        #expect(try losses("1x1").count == 50)
        for (ranks, shards) in arms.dropFirst() {
            let output = "\(ranks)x\(shards)"
            #expect(try run.work.bytes(output + weights) == run.work.bytes("1x1" + weights), "\(output)")
            #expect(try losses(output) == losses("1x1"), "\(output)")
        }
    }
}
