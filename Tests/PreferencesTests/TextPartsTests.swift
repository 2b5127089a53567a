import Coding
import Foundation
import TestSupport
import Testing

@testable import Preferences

/// A text is encoded in parts, which must give what it gives as a whole.
@Suite struct TextPartsTests {
    private func model(_ tokenizer: String) throws -> BytePairEncoding {
        try BytePairEncoding(JSONField(parsing: Array(tokenizer.utf8), file: "tokenizer.json").required("model"))
    }

    private func whole(_ model: BytePairEncoding, _ bytes: [UInt8]) -> [Int32] {
        bytes.withUnsafeBufferPointer { model.encode($0) }
    }

    private func inParts(_ model: BytePairEncoding, _ bytes: [UInt8]) -> (ids: [Int32], count: Int) {
        bytes.withUnsafeBufferPointer { text in
            let parts = model.parts(of: text)
            return (parts.flatMap { model.encode(UnsafeBufferPointer(rebasing: text[$0])) }, parts.count)
        }
    }

    /// Characters that merge, that do not, and that no vocabulary has.
    private static let alphabet = Array("▁▁▁▁tthheeallloowrdin12,!é中🙂ж")

    @Test(arguments: ["fallback", "unknown", "unfused", "bytes"]) func anyText(_ kind: String) throws {
        let decoder = #"{"type": "Fuse"}"#
        let tokenizer =
            switch kind {
            case "fallback": TokenizerFixture.pieces(decoder: decoder)
            case "unknown": TokenizerFixture.pieces(decoder: decoder, hasByteFallback: false)
            case "unfused": TokenizerFixture.pieces(decoder: decoder, hasByteFallback: false, fusesUnknown: false)
            default: TokenizerFixture.gpt2
            }
        let model = try model(tokenizer)
        var generator = SeededGenerator(seed: 21)
        var parts = 0
        for _ in 0..<2000 {
            let length = Int.random(in: 0...60, using: &generator)
            let text = String((0..<length).map { _ in Self.alphabet.randomElement(using: &generator) ?? "t" })
            let bytes = Array((kind == "bytes" ? text.replacing("▁", with: "Ġ") : text).utf8)
            let found = inParts(model, bytes)
            #expect(found.ids == whole(model, bytes), "\(text)")
            parts += found.count
        }
        #expect(parts > 10_000)
    }

    /// Where a word is taken whole before merges are asked, it has no parts.
    @Test func wordsThatAreTakenWhole() throws {
        #expect(inParts(try model(TokenizerFixture.llama3), Array("hello world".utf8)).count == 1)
    }

    /// A table of pairs finds what a dictionary finds.
    @Test func pairs() {
        var generator = SeededGenerator(seed: 22)
        var expected: [[Int32]: Int32] = [:]
        var pairs: [(left: Int32, right: Int32, value: Int32)] = []
        for value in 0..<Int32(5000) {
            let pair = (0..<2).map { _ in Int32.random(in: 0...90, using: &generator) }
            pairs.append((pair[0], pair[1], value))
            expected[pair] = value
        }
        let table = PairTable(pairs)
        for left in Int32(0)...95 {
            for right in Int32(0)...95 { #expect(table[left, right] == expected[[left, right]]) }
        }
        #expect(PairTable([])[0, 0] == nil)
    }
}
