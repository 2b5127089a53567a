import Foundation
import Storage
import TestSupport
import Testing

/// Reward models whose padding is their EOS are read as transformers reads them: one token before the end of a response.
@Suite(.serialized) struct PaddingTests {
    private func rewards(_ work: Workspace, of model: String, data: String, output: String) throws -> (
        values: [Float], error: String
    ) {
        let result = try work.succeeds(
            [
                "passes=[score]", "score.scorer=reward", "score.model=\(model)", "data.test=[]", "data.train=\(data)",
            ], output: output, ranks: 0)
        let file = try HDF5File(opening: work.path("\(output)/coefficients.h5"))
        return (try file.dataset("/responses/reward").read(Float.self), result.error)
    }

    private func changing(_ model: String, to copy: String, _ change: (inout [String: Any]) -> Void) throws {
        if !FileManager.default.fileExists(atPath: copy) {
            try FileManager.default.copyItem(atPath: model, toPath: copy)
        }
        let url = URL(fileURLWithPath: copy + "/config.json")
        var config = try #require(try JSONSerialization.jsonObject(with: Data(contentsOf: url)) as? [String: Any])
        change(&config)
        try JSONSerialization.data(withJSONObject: config).write(to: url)
    }

    @Test func theScoreIsThatOfTheTokenBefore() throws {
        let work = try Workspace(pairs: 8)
        try work.writeConfiguration("reward: { steps: 2, batch_size: 8, micro_batches: 8, learning_rate: 1e-2 }")
        try work.succeeds(["passes=[reward]", "data.test=[]"], output: "own", ranks: 0)
        let model = work.path("own/reward/model")
        let data = work.path("train.jsonl")
        let own = try rewards(work, of: model, data: data, output: "first")
        #expect(!own.error.contains("pad_token_id is"))

        let padded = work.path("padded")
        try changing(model, to: padded) { $0["pad_token_id"] = $0["eos_token_id"] }
        let earlier = try rewards(work, of: padded, data: data, output: "second")
        #expect(earlier.error.contains("pad_token_id is 257, the EOS: single responses are scored one token before it"))
        #expect(earlier.values.count == own.values.count)
        #expect(zip(earlier.values, own.values).allSatisfy { $0 != $1 })

        // The same model made to end responses in their own last byte: its score at that end is the one before EOS.
        let rows = try String(contentsOfFile: data, encoding: .utf8).split(separator: "\n")
        let dotted = rows.map {
            $0.replacingOccurrences(of: #"", "rejected""#, with: #"~", "rejected""#)
                .replacingOccurrences(of: "\"}", with: "~\"}") + "\n"
        }
        let longer = try work.directory.write(dotted.joined(), to: "longer.jsonl")
        let expected = try rewards(work, of: padded, data: longer, output: "third").values
        let other = work.path("other")
        try changing(model, to: other) {
            $0["eos_token_id"] = 126
            $0["pad_token_id"] = 257
        }
        // `~` (126) is EOS here, put behind every response by rdo itself.
        let found = try rewards(work, of: other, data: data, output: "fourth")
        #expect(!found.error.contains("pad_token_id is"))
        #expect(zip(found.values, expected).allSatisfy { abs($0 - $1) < 1e-5 }, "\(found.values) \(expected)")
        #expect(Set(expected).count > expected.count / 2)
    }
}
