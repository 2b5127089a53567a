import Foundation
import Tools
import Testing

@Suite struct DemoCorpusTests {
    private static let corpus = DemoCorpus(seed: 7, trainPairs: 2000, testPairs: 300, flipShare: 0.2)

    @Test func theSameSeedGivesTheSameTexts() {
        let again = DemoCorpus(seed: 7, trainPairs: 2000, testPairs: 300, flipShare: 0.2)
        #expect(again.train == Self.corpus.train && again.test == Self.corpus.test)
        #expect(DemoCorpus(seed: 8, trainPairs: 2000, testPairs: 300, flipShare: 0.2).train != Self.corpus.train)
    }

    @Test func labelsAreFlippedAsStated() {
        let flipped = Self.corpus.train.count { $0.isFlipped }
        // Three standard deviations of a binomial around 400.
        #expect(abs(flipped - 400) < 54)
        #expect(Self.corpus.test.allSatisfy { !$0.isFlipped })
        for pair in Self.corpus.train + Self.corpus.test { #expect((pair.trueDifference < 0) == pair.isFlipped) }
    }

    @Test func qualityIsReadOffTheText() {
        #expect(
            DemoCorpus.quality(of: " the tea is fresh, bland and lovely.", to: "review the tea:") == 2 + 2 - 0.5 + 2.5)
        #expect(DemoCorpus.quality(of: " the inn is fresh, bland and lovely.", to: "review the tea:") == 2 - 0.5 + 2.5)
        #expect(DemoCorpus.quality(of: " the inn is awful, poor and weak.", to: "review the inn:") == 2 - 3 - 2 - 1.5)
    }

    @Test func pairsDifferByVaryingAmounts() {
        let pairs = Self.corpus.train + Self.corpus.test + Self.corpus.supervised
        for pair in pairs { #expect(pair.chosen != pair.rejected && pair.trueDifference != 0) }
        let sizes = pairs.map { abs($0.trueDifference) }
        #expect(sizes.count { $0 <= 1 } > sizes.count / 10)
        #expect(sizes.count { $0 >= 5 } > sizes.count / 10)
    }

    /// Whatever its size: only then does the difference model have to find the flipped labels itself.
    @Test func flipsDoNotDependOnTheDifference() {
        for range in [0.0..<2, 2..<4, 4..<20] {
            let within = Self.corpus.train.filter { range.contains(abs($0.trueDifference)) }
            let flipped = Double(within.count { $0.isFlipped })
            let expected = 0.2 * Double(within.count)
            // Four standard deviations.
            #expect(abs(flipped - expected) < 4 * (expected * 0.8).squareRoot())
        }
    }

    @Test func heldOutPairsAreNew() {
        func key(_ pair: DemoCorpus.Pair) -> [String] { [pair.prompt] + [pair.chosen, pair.rejected].sorted() }
        let seen = Set(Self.corpus.train.map(key))
        #expect(Self.corpus.test.allSatisfy { !seen.contains(key($0)) })
    }

    @Test func filesHoldTheTruth() throws {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("corpus-\(UUID())").path
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try Self.corpus.write(to: directory)
        for (name, pairs) in [("train", Self.corpus.train), ("test", Self.corpus.test)] {
            let lines = try String(contentsOfFile: directory + "/\(name).jsonl", encoding: .utf8).split(separator: "\n")
            #expect(lines.count == pairs.count)
            for (line, pair) in zip(lines, pairs) {
                let row = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
                let texts = try ["prompt", "chosen", "rejected"].map { try #require(row[$0] as? String) }
                #expect(texts == [pair.prompt, pair.chosen, pair.rejected])
                #expect(row["flipped"] as? Bool == pair.isFlipped)
                #expect(row["quality_chosen"] as? Double == DemoCorpus.quality(of: texts[1], to: texts[0]))
                #expect(row["quality_rejected"] as? Double == DemoCorpus.quality(of: texts[2], to: texts[0]))
            }
        }
    }
}
