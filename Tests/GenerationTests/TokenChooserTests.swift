import Foundation
import Tensors
import TestSupport
import Testing

@testable import Generation

/// Which tokens may be drawn and how often they are.
@Suite struct TokenChooserTests {
    private struct Golden: Decodable {
        struct Settings: Decodable {
            let temperature, top_p, min_p, repetition_penalty: Double?
            let top_k: Int?
        }
        let settings: Settings
        let logits: [Float]
        let seen: [Int32]
        let kept: [Int]
        let probabilities: [Double]

        var decoding: Decoding {
            var decoding = Decoding()
            decoding.strategy = .sample
            (decoding.temperature, decoding.topP) = (settings.temperature ?? 1, settings.top_p ?? 1)
            (decoding.minP, decoding.topK) = (settings.min_p ?? 0, settings.top_k)
            decoding.repetitionPenalty = settings.repetition_penalty ?? 1
            return decoding
        }
    }

    private static func goldens() throws -> [Golden] {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
            "sampling-goldens.json")
        return try JSONDecoder().decode([Golden].self, from: Data(contentsOf: file))
    }

    private static func row(_ values: [Float]) -> Matrix {
        let row = Matrix(rows: 1, columns: values.count)
        for (column, value) in values.enumerated() { row[0, column] = value }
        return row
    }

    /// `golden_sampling.py` (transformers 5.24). Among equal logits at the nucleus's edge any may be kept.
    @Test func transformersKeepsTheSame() throws {
        for (number, golden) in try Self.goldens().enumerated() {
            let (row, chooser) = (Self.row(golden.logits), TokenChooser(decoding: golden.decoding))
            chooser.penalizeRepetition(row, seen: [Array(golden.seen.prefix(4)), Array(golden.seen.dropFirst(4))])
            let kept = chooser.allowed(row) ?? Array(golden.logits.indices)
            let total = kept.reduce(0.0) { $0 + Double(row[0, $1]) }
            let found = kept.map { Double(row[0, $0]) / total }
            #expect(kept.count == golden.kept.count, "case \(number)")
            #expect(
                zip(found.sorted(), golden.probabilities.sorted()).allSatisfy { abs($0 - $1) < 1e-6 }, "case \(number)")
            let edge = found.min() ?? 0
            for (token, share) in zip(kept, found) where share > edge * 1.0001 {
                #expect(golden.kept.contains(token), "case \(number): token \(token)")
            }
        }
    }

    /// As often as their probabilities say: χ² of 20,000 draws below its 99.9 % quantile.
    @Test func drawsFollowTheProbabilities() {
        var decoding = Decoding()
        decoding.strategy = .sample
        let logits: [Float] = [0.3, -1, 2, 0, 1.5, -0.5, 0.9, -2]
        let weights = logits.map { exp(Double($0)) }
        let random = KeyedRandom(seed: 4, stream: 9)
        var counts = [Double](repeating: 0, count: logits.count)
        for draw in 0..<20_000 {
            let token = TokenChooser(decoding: decoding).drawn(
                Self.row(logits), uniform: random.uniform(at: UInt64(draw)))
            counts[Int(token)] += 1
        }
        let total = weights.reduce(0, +)
        let chiSquare = zip(counts, weights).reduce(0.0) { sum, pair in
            let expected = 20_000 * pair.1 / total
            return sum + (pair.0 - expected) * (pair.0 - expected) / expected
        }
        #expect(chiSquare < 24.3)
    }

    @Test func theEdgesOfTheUnitIntervalAreTokens() {
        var decoding = Decoding()
        decoding.strategy = .sample
        let chooser = TokenChooser(decoding: decoding)
        #expect(chooser.drawn(Self.row([-90, 0, -90]), uniform: 0) <= 1)
        #expect(chooser.drawn(Self.row([0, 0, -1000]), uniform: 1 - 0x1p-53) == 1)
    }

    @Test func theLargestAreFound() {
        var generator = SeededGenerator(seed: 5)
        for count in [1, 2, 7, 50] {
            let values = (0..<300).map { _ in Float(Int.random(in: 0..<100, using: &generator)) }
            var found = LargestValues(count)
            for (index, value) in values.enumerated() { found.offer(value, index) }
            let expected = values.enumerated().sorted {
                $0.element == $1.element ? $0.offset < $1.offset : $0.element > $1.element
            }
            #expect(found.ranked.map(\.value) == expected.prefix(count).map(\.element))
            // Of equal values the first ones.
            #expect(found.ranked.map(\.index) == expected.prefix(count).map(\.offset))
        }
    }

    @Test func aStopTextEndsAResponseBeforeIt() throws {
        var decoding = Decoding()
        (decoding.stop, decoding.maxTokens) = (["cab", "zz"], 9)
        let tokenizer = Letters()
        let stop = StopCondition(decoding, endTokens: [25], tokenizer: tokenizer)
        #expect(try stop.end(of: tokenizer.encode("abca")) == nil)
        let ids = tokenizer.encode("abcab")
        #expect(try stop.end(of: ids) == .stop)
        #expect(try stop.text(of: GeneratedResponse(ids: ids, end: .stop)) == "ab")
        #expect(try stop.end(of: tokenizer.encode("abcz")) == .eos)
        #expect(try stop.text(of: GeneratedResponse(ids: tokenizer.encode("abcz"), end: .eos)) == "abc")
        #expect(try stop.end(of: tokenizer.encode("abababcdd")) == .length)
    }
}
