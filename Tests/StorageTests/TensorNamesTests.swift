import Diagnostics
import Foundation
import Testing
import Transformer

@testable import Storage

/// Weights under the names of other programs, and numbers that are none.
@Suite struct TensorNamesTests {
    let scratch: Scratch

    init() throws { scratch = try Scratch() }

    /// The tiny model's tensors under other names, and more of them.
    private func write(
        _ name: String, head: HeadKind = .languageModel, adding more: [(String, [Int], [Float])] = [],
        renamed: (String) -> String = { $0 }
    ) throws -> ModelDirectory {
        try FileManager.default.createDirectory(atPath: scratch.file(name), withIntermediateDirectories: true)
        try scratch.write(Data(TinyModel.json.utf8), to: name + "/config.json")
        let specs = ParameterLayout(try TinyModel.configuration(), head: head).specs
        _ = try scratch.writeSafetensors(
            name + "/model.safetensors", type: .f32,
            specs.enumerated().map { (renamed($1.name), $1.shape, TinyModel.values($1, $0)) } + more)
        return try ModelDirectory.open(scratch.file(name), head: head)
    }

    private func floats(_ directory: ModelDirectory, _ name: String, rows: Int, columns: Int) throws -> [Float] {
        var values = [Float](repeating: .nan, count: rows * columns)
        try values.withUnsafeMutableBufferPointer { buffer in
            if let start = buffer.baseAddress { try directory.read(name, rows: 0..<rows, into: start) }
        }
        return values
    }

    @Test func aBodyThatWasSavedAlone() throws {
        let usual = try write("usual")
        let alone = try write("alone") { $0.replacing("model.", with: "", maxReplacements: 1) }
        #expect(try alone.digest() == usual.digest())
        #expect(alone.unusedTensors(head: .languageModel) == [])
        let name = "model.layers.1.mlp.down_proj.weight"
        #expect(try floats(alone, name, rows: 8, columns: 6) == floats(usual, name, rows: 8, columns: 6))
    }

    @Test(arguments: [
        "value_head.weight", "v_head.weight", "v_head.summary.weight", "reward_head.weight", "rm_head.weight",
    ]) func aScalarHead(_ name: String) throws {
        let other = try write("r", head: .scalar) { $0 == "score.weight" ? name : $0 }
        #expect(other.contains("score.weight") && !other.contains(name) && other.scalarHeadName == name)
        let usual = try write("usual", head: .scalar)
        #expect(usual.scalarHeadName == nil)
        #expect(
            try floats(other, "score.weight", rows: 1, columns: 8) == floats(usual, "score.weight", rows: 1, columns: 8)
        )
    }

    /// Which of two is meant nobody can know; its bias is named.
    @Test func twoHeadsAndABias() throws {
        let zeros = [Float](repeating: 0, count: 8)
        let two = try write("two", adding: [("v_head.weight", [1, 8], zeros), ("value_head.weight", [1, 8], zeros)])
        #expect(!two.contains("score.weight"))
        #expect(two.unusedTensors(head: .scalar) == ["v_head.weight", "value_head.weight"])
        let biased = try write("b", adding: [("v_head.weight", [1, 8], zeros), ("v_head.bias", [1], [0.5])])
        #expect(biased.contains("score.weight") && biased.unusedTensors(head: .scalar) == ["v_head.bias"])
    }

    @Test func theWeightThatIsNoNumberIsFound() throws {
        try TinyModel.write(to: scratch.file("m")) { spec, values in
            if spec.name == "model.layers.1.mlp.down_proj.weight" { values[13] = .nan }
        }
        let damaged = try ModelDirectory.open(scratch.file("m"), head: .languageModel).firstNonFinite()
        #expect(damaged?.tensor == "model.layers.1.mlp.down_proj.weight" && damaged?.row == 2)
        #expect(try write("whole").firstNonFinite() == nil)
    }
}
