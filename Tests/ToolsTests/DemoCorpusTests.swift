import Diagnostics
import Foundation
import TestSupport
import Testing

@testable import Tools

@Suite struct DemoCorpusTests {
    private static func corpus(_ kind: DemoCorpus.Kind, seed: UInt64 = 7) -> DemoCorpus {
        DemoCorpus(DemoLabels(kind), seed: seed, trainPairs: 6000, testPairs: 300)
    }

    private static let corpora = Dictionary(
        uniqueKeysWithValues: DemoCorpus.Kind.allCases.map { ($0, corpus($0)) })

    private func corpus(_ kind: DemoCorpus.Kind) throws -> DemoCorpus { try #require(Self.corpora[kind]) }

    @Test(arguments: DemoCorpus.Kind.allCases) func theSeedDecides(_ kind: DemoCorpus.Kind) throws {
        let (own, again) = (try corpus(kind), Self.corpus(kind))
        #expect(again.train == own.train && again.test == own.test && again.supervised == own.supervised)
        #expect(Self.corpus(kind, seed: 8).train != own.train)
    }

    @Test func differencesAreReadOffTheTexts() {
        func difference(_ a: String, _ b: String) -> Double { DemoTruth.difference(of: a, over: b, to: "review tea:") }
        #expect(difference(" fresh, bland tea.", " awful, neat tea.") == (2 - 1 + 2) - (-3 + 1 + 2))
        #expect(difference(" fresh, bland tea.", " fresh, bland inn.") == 2)
        #expect(difference(" nasty, slow boat.", " superb, fine tea.") == (-3 - 1) - (3 + 1 + 2))
        // Grand outdoes quick, quick outdoes cheap, cheap outdoes grand.
        #expect(difference(" vast tea.", " quick tea.") == 1 + 5)
        #expect(difference(" quick tea.", " modest tea.") == 1 + 5)
        #expect(difference(" modest tea.", " vast tea.") == -2 + 5)
        #expect(difference(" rapid inn.", " cheap tea.") == 1 - 2 + 5)
        #expect(difference(" rapid inn.", " huge tea.") == -1 - 2 - 5)
        #expect(difference(" rapid tea.", " brisk tea.") == 0)
    }

    @Test(arguments: DemoCorpus.Kind.allCases) func exchangingResponsesChangesTheSign(_ kind: DemoCorpus.Kind) throws {
        let own = try corpus(kind)
        for pair in own.train + own.test + own.supervised {
            let difference = DemoTruth.difference(of: pair.chosen, over: pair.rejected, to: pair.prompt)
            #expect(difference == pair.trueDifference && difference != 0)
            #expect(difference == -DemoTruth.difference(of: pair.rejected, over: pair.chosen, to: pair.prompt))
        }
    }

    /// How often a label is wrong, for every size of the true difference.
    @Test(arguments: DemoCorpus.Kind.allCases) func labelsErrAsStated(_ kind: DemoCorpus.Kind) throws {
        let own = try corpus(kind)
        let bySize = Dictionary(grouping: own.train) { abs($0.trueDifference) }
        #expect(bySize.count >= 4)
        for (size, pairs) in bySize {
            let expected = kind == .flips ? 0.2 : 1 / (1 + exp(size / 2))
            #expect(
                abs(own.labels.probability(-size) - expected) < 1e-12
                    && abs(own.labels.probability(size) + expected - 1) < 1e-12)
            let wrong = Double(pairs.count { $0.trueDifference < 0 })
            // Four standard deviations of a binomial, and one pair where few are expected.
            let deviation = (expected * (1 - expected) * Double(pairs.count)).squareRoot()
            #expect(abs(wrong - expected * Double(pairs.count)) <= 4 * deviation + 1)
        }
        #expect(own.test.allSatisfy { $0.trueDifference > 0 })
        // Of the supervised pairs none is preferred.
        let better = Double(own.supervised.count { $0.trueDifference > 0 })
        let count = Double(own.supervised.count)
        #expect(abs(better - count / 2) < 2 * count.squareRoot())
    }

    /// Another share of wrong labels is that of the same pairs in the same order; none errs at 0.
    @Test func flipShareTurnsLabelsRound() throws {
        func train(_ share: Double) -> [DemoCorpus.Pair] {
            var labels = DemoLabels(.flips)
            labels.flipShare = share
            return DemoCorpus(labels, seed: 7, trainPairs: 6000, testPairs: 300).train
        }
        let (none, standard, many) = (train(0), train(DemoLabels.standardFlipShare), train(0.4))
        #expect(none.allSatisfy { $0.trueDifference > 0 })
        #expect(try standard == corpus(.flips).train)
        #expect(zip(none, many).allSatisfy { $0.prompt == $1.prompt && $0.trueDifference == abs($1.trueDifference) })
        // Four standard deviations of a binomial.
        #expect(abs(many.count { $0.trueDifference < 0 } - 2400) < 152)
    }

    /// A fifth of the labels, more or less, errs in each: what sets the corpora apart is which.
    @Test func closePairsErrInBradleyTerryAlone() throws {
        func wrongShare(_ kind: DemoCorpus.Kind, _ sizes: Range<Double>) throws -> Double {
            let pairs = try corpus(kind).train.filter { sizes.contains(abs($0.trueDifference)) }
            return Double(pairs.count { $0.trueDifference < 0 }) / Double(pairs.count)
        }
        #expect(try wrongShare(.bradleyTerry, 1..<3) > 0.25)
        #expect(try wrongShare(.bradleyTerry, 6..<99) < 0.05)
        #expect(try abs(wrongShare(.flips, 1..<3) - wrongShare(.flips, 6..<99)) < 0.04)
    }

    @Test(arguments: DemoCorpus.Kind.allCases) func heldOutPairsAreNew(_ kind: DemoCorpus.Kind) throws {
        let own = try corpus(kind)
        func key(_ pair: DemoCorpus.Pair) -> [String] { [pair.prompt] + [pair.chosen, pair.rejected].sorted() }
        let seen = Set(own.train.map(key))
        #expect(own.test.allSatisfy { !seen.contains(key($0)) })
        #expect(own.train.count == 6000 && own.test.count == 300 && own.supervised.count == 3000)
    }

    /// All 720 orders of the six kinds of response of the comparative corpus: none gets more than 11 of 15 pairs right,
    /// while the difference itself gets all.
    @Test func noScoreOfSingleResponsesOrdersComparisons() throws {
        let own = try corpus(.comparative)
        // A kind, by what the difference to every response is.
        let prompt = "review tea:"
        let texts = Set((own.train + own.test).filter { $0.prompt == prompt }.flatMap { [$0.chosen, $0.rejected] })
        let kinds = Dictionary(grouping: texts.sorted()) { text in
            texts.sorted().map { DemoTruth.difference(of: text, over: $0, to: prompt) }
        }
        let responses = kinds.values.compactMap(\.first).sorted()
        #expect(texts.count == 72 && kinds.values.map(\.count).sorted() == [3, 3, 3, 21, 21, 21])
        func isBetter(_ a: Int, _ b: Int) -> Bool {
            DemoTruth.difference(of: responses[a], over: responses[b], to: prompt) > 0
        }
        func orders(_ rest: [Int]) -> [[Int]] {
            rest.isEmpty ? [[]] : rest.flatMap { first in orders(rest.filter { $0 != first }).map { [first] + $0 } }
        }
        let rights = orders(Array(0..<6)).map { order in
            (0..<6).reduce(0) { sum, better in
                sum + (better + 1..<6).count { isBetter(order[better], order[$0]) }
            }
        }
        #expect(rights.count == 720 && rights.max() == 11)
        #expect(abs(PointwiseCeiling.comparative.accuracy - 11.0 / 15) < 1e-12)
        // Turned round, an order gets the others right.
        #expect(rights.min() == 4)
    }

    /// Every two of the six kinds meet equally often, and those of one kind never: the pairs of the ceiling.
    @Test func heldOutComparisonsAreOfAllKinds() throws {
        let pairs = DemoCorpus(DemoLabels(.comparative), seed: 7, trainPairs: 1, testPairs: 1000).test
        func kind(_ response: String, _ pair: DemoCorpus.Pair) throws -> Int {
            let words = response.split { !$0.isLetter }.map(String.init)
            let claim = try #require(DemoTruth.claims.firstIndex { $0.words.contains(words[0]) })
            return 2 * claim + (pair.prompt == "review \(words[1]):" ? 1 : 0)
        }
        let meetings = try pairs.map { try Set([kind($0.chosen, $0), kind($0.rejected, $0)]) }
        let counts = Dictionary(grouping: meetings) { $0 }.mapValues(\.count)
        #expect(counts.count == 15 && counts.keys.allSatisfy { $0.count == 2 })
        // Four standard deviations of a binomial around 1000 / 15.
        #expect(counts.values.allSatisfy { abs(Double($0) - 1000.0 / 15) < 4 * 7.9 })
    }

    @Test func aScoreHasNoCeiling() {
        #expect(PointwiseCeiling(kinds: 7) { $0 > $1 }.accuracy == 1)
        // Stone, paper, scissors.
        #expect(abs(PointwiseCeiling(kinds: 3) { ($1 - $0 + 3) % 3 == 1 }.accuracy - 2.0 / 3) < 1e-12)
    }

    @Test(arguments: DemoCorpus.Kind.allCases) func filesHoldTheTruth(_ kind: DemoCorpus.Kind) throws {
        let directory = try TemporaryDirectory()
        let own = try corpus(kind)
        try own.write(to: directory.path)
        for (name, pairs) in [("train", own.train), ("test", own.test), ("sft", own.supervised)] {
            let text = try String(contentsOfFile: directory.path + "/\(name).jsonl", encoding: .utf8)
            let lines = text.split(separator: "\n")
            #expect(lines.count == pairs.count)
            for (line, pair) in zip(lines, pairs) {
                let row = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
                #expect(
                    ["prompt", "chosen", "rejected"].map { row[$0] as? String } == [
                        pair.prompt, pair.chosen, pair.rejected,
                    ])
                #expect(row["true_difference"] as? Double == pair.trueDifference)
            }
        }
        // Its own files it writes again, others it leaves.
        try own.write(to: directory.path)
        for content in [#"{"prompt": "a", "chosen": "b", "rejected": "c"}"#, ""] {
            let path = try directory.write(content, to: "test.jsonl")
            #expect(throws: RDOError.self) { try own.write(to: directory.path) }
            #expect(try String(contentsOfFile: path, encoding: .utf8) == content)
        }
    }
}
