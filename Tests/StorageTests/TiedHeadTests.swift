import Diagnostics
import Foundation
import Testing
import Transformer

@testable import Storage

/// A tied model whose files hold a head all the same.
@Suite("Heads of tied models") struct TiedHeadTests {
    /// The tiny model with an `lm_head.weight`, made of the embedding.
    private func model(_ scratch: Scratch, head: ([Float]) -> [Float]) throws -> ModelDirectory {
        try TinyModel.write(to: scratch.file("m"))
        let configuration = try TinyModel.configuration()
        var tensors: [(String, [Int], [Float])] = []
        for (index, spec) in ParameterLayout(configuration, head: .languageModel).specs.enumerated() {
            let values = TinyModel.values(spec, index)
            tensors.append((spec.name, spec.shape, values))
            if spec.role == .embedding {
                tensors.append(("lm_head.weight", [head(values).count / 8, 8], head(values)))
            }
        }
        _ = try scratch.writeSafetensors("m/model.safetensors", type: .f32, tensors)
        return try ModelDirectory.open(scratch.file("m"), head: .languageModel)
    }

    @Test func theEmbeddingAgain() throws {
        let scratch = try Scratch()
        try model(scratch) { $0 }.requireTiedHead()
    }

    @Test func noneAtAll() throws {
        let scratch = try Scratch()
        try TinyModel.write(to: scratch.file("m"))
        try ModelDirectory.open(scratch.file("m"), head: .languageModel).requireTiedHead()
    }

    /// One bit of the last value is enough.
    @Test func anotherMatrix() throws {
        let scratch = try Scratch()
        for change: @Sendable ([Float]) -> [Float] in [
            { $0.dropLast() + [$0[$0.count - 1].nextUp] }, { $0.reversed() },
        ] {
            let directory = try model(scratch, head: change)
            let error = artefactError { try directory.requireTiedHead() }
            #expect(
                error?.what == "tie_word_embeddings is true, and lm_head.weight is another matrix than the embedding")
            #expect(error?.place == scratch.file("m"))
        }
    }

    @Test func anotherShape() throws {
        let scratch = try Scratch()
        let directory = try model(scratch) { Array($0.dropLast(8)) }
        #expect(artefactError { try directory.requireTiedHead() }?.what.contains("has shape [9, 8]") == true)
    }

    /// Where the configuration says that it is not tied, the head is the head.
    @Test func anUntiedModelHasItsOwn() throws {
        let scratch = try Scratch()
        _ = try model(scratch) { $0.reversed() }
        try scratch.write(
            Data(TinyModel.json.replacingOccurrences(of: "true", with: "false").utf8), to: "m/config.json")
        try ModelDirectory.open(scratch.file("m"), head: .languageModel).requireTiedHead()
    }
}
