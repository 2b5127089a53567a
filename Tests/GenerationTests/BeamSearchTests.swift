import Foundation
import Preferences
import Tensors
import TestSupport
import Testing

@testable import Generation

/// Beam search over a table of next-token probabilities, against the best of all sequences.
@Suite struct BeamSearchTests {
    private static let vocabulary = 5
    /// The last id ends a response.
    private static let end: Int32 = 4

    /// Log-probabilities after `ids`, the same whenever they are asked for.
    private static func distribution(after ids: [Int32], seed: UInt64) -> [Float] {
        var generator = SeededGenerator(seed: ids.reduce(seed) { $0 &* 31 &+ UInt64($1) &+ 7 })
        let logits = (0..<vocabulary).map { _ in Double.random(in: -2...2, using: &generator) }
        let normalizer = log(logits.reduce(0) { $0 + exp($1) })
        return logits.map { Float($0 - normalizer) }
    }

    private func search(_ decoding: Decoding, seed: UInt64) throws -> [GeneratedResponse] {
        let stop = StopCondition(decoding, endTokens: [Self.end], tokenizer: Letters())
        var search = BeamSearch(GenerationQuery(number: 0, prompt: [0]), decoding, stop)
        while !search.open.isEmpty {
            let logits = Matrix(rows: search.open.count, columns: Self.vocabulary)
            for (row, response) in search.open.enumerated() {
                for (column, value) in Self.distribution(after: response.ids, seed: seed).enumerated() {
                    logits[row, column] = value
                }
            }
            try search.advance(logits)
        }
        return search.responses
    }

    /// Every sequence up to the longest length with its score.
    private func all(_ decoding: Decoding, seed: UInt64) -> [(ids: [Int32], score: Double)] {
        var (open, finished) = ([([Int32](), 0.0)], [([Int32], Double)]())
        while let (ids, sum) = open.popLast() {
            for (token, value) in Self.distribution(after: ids, seed: seed).enumerated() {
                let longer = ids + [Int32(token)]
                let total = sum + Double(value)
                if Int32(token) == Self.end || longer.count == decoding.maxTokens {
                    finished.append((longer, total / pow(Double(longer.count), decoding.lengthPenalty)))
                } else {
                    open.append((longer, total))
                }
            }
        }
        return finished.sorted { $0.1 > $1.1 }.map { (ids: $0.0, score: $0.1) }
    }

    /// With a beam that holds everything nothing is missed, when lengths do not count: then no longer sequence can be better
    /// than its beginning.
    @Test(arguments: 1...20 as ClosedRange<UInt64>) func aWideBeamFindsTheBest(_ seed: UInt64) throws {
        var decoding = Decoding()
        (decoding.strategy, decoding.beams, decoding.responses) = (.beam, 300, 5)
        (decoding.maxTokens, decoding.lengthPenalty) = (4, 0)
        #expect(try search(decoding, seed: seed).map(\.ids) == all(decoding, seed: seed).prefix(5).map(\.ids))
    }

    @Test(arguments: 1...20 as ClosedRange<UInt64>) func whatIsFoundExists(_ seed: UInt64) throws {
        for (groups, beams) in [(1, 2), (2, 4), (4, 4)] {
            var decoding = Decoding()
            decoding.strategy = groups > 1 ? .diverseBeam : .beam
            (decoding.beams, decoding.groups, decoding.responses, decoding.maxTokens) = (beams, groups, 2, 6)
            decoding.diversityPenalty = groups > 1 ? 0.5 : 0
            let found = try search(decoding, seed: seed)
            #expect(found.count == 2)
            for response in found {
                #expect(response.ids.count <= 6 && !response.ids.dropLast().contains(Self.end))
                #expect((response.end == .eos) == (response.ids.last == Self.end))
            }
            // One group's responses are in the order of their scores, and all differ.
            guard groups == 1 else { continue }
            let scores = found.map { response in
                all(decoding, seed: seed).first { $0.ids == response.ids }?.score ?? .nan
            }
            #expect(scores[0] > scores[1])
        }
    }

    /// A penalty above all differences makes every group begin otherwise; that a response ends at once is open to all.
    @Test func groupsAvoidEachOther() throws {
        var decoding = Decoding()
        (decoding.strategy, decoding.beams, decoding.groups, decoding.responses) = (.diverseBeam, 4, 4, 4)
        (decoding.maxTokens, decoding.diversityPenalty) = (5, 100)
        let found = try search(decoding, seed: 3)
        let begun = found.compactMap(\.ids.first).filter { $0 != Self.end }
        #expect(begun.count >= 2 && Set(begun).count == begun.count)
        decoding.diversityPenalty = 0
        #expect(Set(try search(decoding, seed: 3).map(\.ids)).count == 1)
    }
}

/// One letter for each id.
struct Letters: Tokenizer {
    func encode(_ text: String) -> [Int32] { text.utf8.map { Int32($0) - 97 } }
    func decode(_ ids: [Int32]) -> String { String(decoding: ids.map { UInt8($0 + 97) }, as: UTF8.self) }
    var vocabularySize: Int { 26 }
    var bosTokenID: Int32? { nil }
    var digest: String { "letters" }
    func id(of token: String) -> Int32? { encode(token).first }
}
