import Foundation
import TestSupport
import Testing

@testable import Objectives

@Suite("RRHF") struct RRHFTests {
    /// The paper's formula as plainly as it can be written.
    static func plain(
        _ list: ListLogProbabilities, scores: [Double], coefficient: (Int, Int) -> Double, w: Double, gamma: Double,
        length: LengthRule
    ) -> Double {
        func n(_ i: Int) -> Double {
            length == .tokens
                ? Double(list.tokens[i]) : Double(list.queryTokens + list.tokens.sorted()[list.tokens.count - 1])
        }
        func p(_ i: Int) -> Double { list.policy[i] / pow(n(i), gamma) }
        var loss = 0.0
        for i in scores.indices {
            for j in scores.indices where scores[i] > scores[j] { loss += w * coefficient(i, j) * max(0, p(j) - p(i)) }
        }
        let best = scores.firstIndex(of: scores.sorted()[scores.count - 1]) ?? 0
        return loss - list.policy[best] / n(best)
    }

    static func randomList(_ count: Int, using random: inout SeededGenerator) -> ListLogProbabilities {
        ListLogProbabilities(
            policy: (0..<count).map { _ in .random(in: -60...0, using: &random) },
            tokens: (0..<count).map { _ in .random(in: 1...40, using: &random) },
            queryTokens: .random(in: 1...50, using: &random))
    }

    @Test(arguments: LengthRule.allCases, 2...9) func agreesWithThePaper(_ length: LengthRule, _ count: Int) {
        var random = SeededGenerator(seed: 2)
        for _ in 0..<100 {
            let list = Self.randomList(count, using: &random)
            // Few different scores, so that some are equal.
            let scores = (0..<count).map { _ in Double(Int.random(in: 0...4, using: &random)) }
            let coefficients = (0..<(count * count)).map { _ in
                Bool.random(using: &random) ? Double.random(in: 0...3, using: &random) : 0
            }
            func coefficient(_ i: Int, _ j: Int) -> Double { coefficients[i * count + j] }
            let (w, gamma) = (Double.random(in: 0...5, using: &random), Double.random(in: 0...1.5, using: &random))
            let objective = RRHFObjective(rankingWeight: w, lengthExponent: gamma, length: length)
            let pairs = ListRanking.pairs(scores).map {
                RankedPair(better: $0.better, worse: $0.worse, weight: coefficient($0.better, $0.worse))
            }
            let result = objective.evaluate(list, pairs: pairs, best: ListRanking.best(scores))
            func plain(_ list: ListLogProbabilities) -> Double {
                Self.plain(list, scores: scores, coefficient: coefficient, w: w, gamma: gamma, length: length)
            }
            #expect(isClose(result.loss, plain(list), relative: 1e-12))
            #expect(isClose(result.loss, w * result.lossRanking + result.lossSupervised))
            // No derivative where two responses are as good as equal: the loss has a kink there.
            let margins = objective.terms(list, pairs: pairs).map(\.margin)
            for index in 0..<count where margins.allSatisfy({ abs($0) > 2e-5 }) {
                let expected = slope { step in
                    var moved = list
                    moved.policy[index] += step
                    return plain(moved)
                }
                #expect(isClose(result.gradients[index], expected, relative: 1e-6, absolute: 1e-7))
            }
        }
    }

    struct Released: Sendable {
        var gamma: Double
        var w: Double
        var loss: Double
        var gradients: [Double]
    }

    /// Computed with the loss functions of GanjinZero/RRHF, train.py at commit 026adca, torch 2.15.0 in double precision:
    /// 4 responses of 3, 6, 2 and 5 tokens to a query of 4, the first and the last equally good.
    @Test(arguments: [
        Released(gamma: 1, w: 1, loss: 5.538358994011914, gradients: [0, -0.4, 0.3, 0]),
        Released(gamma: 1, w: 100, loss: 381.6428321280292, gradients: [0, -30.1, 30, 0]),
        Released(
            gamma: 0.7, w: 2, loss: 16.89946697721437, gradients: [0, -1.2971573889813282, 1.197157388981328, 0]),
    ]) func paddedIsTheReleasedCode(_ released: Released) {
        let list = ListLogProbabilities(
            policy: [-6.268669061515944, -17.39323911850124, -4.729788844628603, -11.329825115474002],
            tokens: [3, 6, 2, 5], queryTokens: 4)
        let scores = [0.2, 1.5, -0.3, 0.2]
        let result = RRHFObjective(rankingWeight: released.w, lengthExponent: released.gamma, length: .padded).evaluate(
            list, pairs: ListRanking.pairs(scores).map { RankedPair(better: $0.better, worse: $0.worse) }, best: 1)
        #expect(isClose(result.loss, released.loss))
        for (gradient, expected) in zip(result.gradients, released.gradients) {
            #expect(isClose(gradient, expected, absolute: 1e-12))
        }
    }

    /// The same operations, not only the same value.
    @Test func weightsOfOneAreTheUnweightedMethod() {
        var random = SeededGenerator(seed: 3)
        for _ in 0..<200 {
            let list = Self.randomList(6, using: &random)
            let order = ListRanking.pairs((0..<6).map { _ in Double(Int.random(in: 0...3, using: &random)) })
            let objective = RRHFObjective(rankingWeight: 0.7)
            let rule = CoefficientRule(alpha: 0, symmetric: true, disagreement: .zero)
            let weighted = order.map { pair in
                let (weight, _) = rule.weight(RewardDifference(difference: .random(in: -5...5, using: &random)))
                return RankedPair(better: pair.better, worse: pair.worse, weight: weight)
            }
            let plain = order.map { RankedPair(better: $0.better, worse: $0.worse) }
            #expect(
                objective.evaluate(list, pairs: weighted, best: 0) == objective.evaluate(list, pairs: plain, best: 0))
        }
    }

    @Test func twoResponsesByHand() {
        let list = ListLogProbabilities(policy: [-6, -2], tokens: [3, 4], queryTokens: 9)
        let objective = RRHFObjective(rankingWeight: 2)
        let wrong = objective.evaluate(list, pairs: [RankedPair(better: 0, worse: 1, weight: 3)], best: 0)
        // p = −2 and −0.5.
        #expect(wrong.lossRanking == 4.5 && wrong.lossSupervised == 2 && wrong.loss == 11 && wrong.correctPairs == 0)
        #expect(isClose(wrong.gradients[0], -7.0 / 3) && wrong.gradients[1] == 1.5)
        let right = objective.evaluate(list, pairs: [RankedPair(better: 1, worse: 0, weight: 3)], best: 1)
        #expect(right.lossRanking == 0 && right.loss == 0.5 && right.correctPairs == 1)
        #expect(right.gradients == [0, -0.25])
    }

    /// Equally good responses, or weights of 0, leave the supervised term alone.
    @Test func nothingToRank() {
        let list = ListLogProbabilities(policy: [-6, -2, -9], tokens: [3, 4, 1], queryTokens: 2)
        let none = RRHFObjective().evaluate(list, pairs: [], best: 0)
        #expect(none.loss == 2 && none.lossRanking == 0 && none.gradients == [-1.0 / 3, 0, 0])
        let pairs = ListRanking.pairs([3, 2, 1]).map { RankedPair(better: $0.better, worse: $0.worse, weight: 0) }
        let weightless = RRHFObjective().evaluate(list, pairs: pairs, best: 0)
        #expect(weightless.loss == 2 && weightless.gradients == none.gradients && weightless.correctPairs == 2)
    }

    /// There is no margin: equal scores cost nothing and pull at nothing.
    @Test func equalScoresCostNothing() {
        let list = ListLogProbabilities(policy: [-6, -8], tokens: [3, 4], queryTokens: 2)
        let result = RRHFObjective().evaluate(list, pairs: [RankedPair(better: 0, worse: 1)], best: 0)
        #expect(result.lossRanking == 0 && result.gradients[1] == 0 && result.correctPairs == 0)
    }
}

@Suite("RRHF pair by pair") struct RRHFTermTests {
    /// The terms add up to the ranking loss and, with the supervised term, to its gradient.
    @Test(arguments: LengthRule.allCases) func addUp(_ length: LengthRule) {
        var random = SeededGenerator(seed: 4)
        for _ in 0..<200 {
            let list = RRHFTests.randomList(5, using: &random)
            let pairs = ListRanking.pairs((0..<5).map { _ in Double(Int.random(in: 0...3, using: &random)) }).map {
                RankedPair(better: $0.better, worse: $0.worse, weight: .random(in: 0...2, using: &random))
            }
            let objective = RRHFObjective(rankingWeight: 1.7, lengthExponent: 0.8, length: length)
            let whole = objective.evaluate(list, pairs: pairs, best: 2)
            let terms = objective.terms(list, pairs: pairs)
            #expect(abs(terms.reduce(0) { $0 + $1.loss } - 1.7 * whole.lossRanking) < 1e-12)
            #expect(terms.count { $0.margin > 0 } == whole.correctPairs)
            var gradients = objective.evaluate(list, pairs: [], best: 2).gradients
            for (pair, term) in zip(pairs, terms) {
                gradients[pair.better] += term.gradientBetter
                gradients[pair.worse] += term.gradientWorse
            }
            #expect(zip(gradients, whole.gradients).allSatisfy { abs($0 - $1) < 1e-12 })
        }
    }
}
