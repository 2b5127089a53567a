import Foundation
import TestSupport
import Testing

/// A model with a weight that is no number: the error names the row of the data and the weight, whatever computed with it.
@Suite(.serialized) struct WeightBlameTests {
    private static let tensor = "model.layers.0.mlp.down_proj.weight"

    /// Puts a NaN at the beginning of the tensor's third row.
    private func damage(_ path: String) throws {
        var bytes = try Data(contentsOf: URL(fileURLWithPath: path))
        let length = bytes.prefix(8).enumerated().reduce(0) { $0 + Int($1.element) << (8 * $1.offset) }
        let header = try #require(
            try JSONSerialization.jsonObject(with: bytes[8..<8 + length]) as? [String: [String: Any]])
        let entry = try #require(header[Self.tensor])
        let (shape, offsets) = (
            try #require(entry["shape"] as? [Int]), try #require(entry["data_offsets"] as? [Int])
        )
        let place = 8 + length + offsets[0] + 2 * shape[1] * 4
        bytes.replaceSubrange(place..<place + 4, with: [0, 0, 0xC0, 0x7F])
        try bytes.write(to: URL(fileURLWithPath: path))
    }

    @Test func theRowAndTheWeightAreNamed() throws {
        let work = try Workspace(pairs: 16)
        try work.writeConfiguration()
        let made = try work.rdo(["run"], set: ["passes=[sft]", "sft.steps=1", "sft.batch_size=8"])
        try #require(made.status == 0, "\(made.error)")
        let model = work.path("run/sft/model")
        try damage(model + "/model.safetensors")
        let blame = "row 2 of \(Self.tensor) in \(model) holds a number that is not finite"

        let probed = try CommandRunner.run(
            "rdo", ["logprobs", "--model", model, "--data", work.path("train.jsonl"), "--out", work.path("lp.h5")])
        #expect(probed.status == 5 && probed.error.contains(blame), "\(probed.error)")
        #expect(probed.error.contains("data row 0"))
        for ranks in [1, 2] {
            let trained = try work.rdo(
                ["train", "difference"], output: "on-\(ranks)", ranks: ranks,
                set: ["difference.model=\(model)", "difference.steps=2"])
            #expect(trained.status == 5 && trained.error.contains(blame), "\(trained.error)")
            #expect(trained.error.components(separatedBy: "rdo: error:").count == 2, "\(trained.error)")
        }
    }
}
