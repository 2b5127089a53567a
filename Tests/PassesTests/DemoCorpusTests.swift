import Foundation
import Passes
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

    @Test func filesHoldTheTruth() throws {
        let directory = FileManager.default.temporaryDirectory.appendingPathComponent("corpus-\(UUID())").path
        defer { try? FileManager.default.removeItem(atPath: directory) }
        try Self.corpus.write(to: directory)
        let lines = try String(contentsOfFile: directory + "/train.jsonl", encoding: .utf8).split(separator: "\n")
        #expect(lines.count == 2000)
        let row = try #require(try JSONSerialization.jsonObject(with: Data(lines[0].utf8)) as? [String: Any])
        let pair = Self.corpus.train[0]
        #expect(row["chosen"] as? String == pair.chosen && row["flipped"] as? Bool == pair.isFlipped)
        let difference = (row["quality_chosen"] as? Double ?? 0) - (row["quality_rejected"] as? Double ?? 0)
        #expect(difference == pair.trueDifference)
    }
}
