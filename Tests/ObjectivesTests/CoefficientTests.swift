import TestSupport
import Testing

@testable import Objectives

@Suite("Coefficients") struct CoefficientTests {
    @Test(arguments: Disagreement.allCases) func alphaZeroIsTheUnweightedMethod(_ disagreement: Disagreement) {
        for symmetric in [true, false] {
            let rule = CoefficientRule(alpha: 0, symmetric: symmetric, disagreement: disagreement)
            for difference in [-1e300, -3.5, -1e-300, -0.0, 0, 1e-300, 0.25, 1, 7, 1e300] {
                for reversed in [nil, -2, 0, 2] as [Double?] {
                    let (weight, flipped) = rule.weight(RewardDifference(difference: difference, reversed: reversed))
                    #expect(weight == 1 && !flipped)
                }
            }
        }
    }

    @Test(arguments: Disagreement.allCases) func agreementIsAPowerOfR(_ disagreement: Disagreement) {
        // 1.7^α with 40 digits.
        for (alpha, expected) in [(0.5, 1.3038404810405297), (1, 1.7), (2, 2.89), (0.3, 1.172558924272542)] {
            let rule = CoefficientRule(alpha: alpha, symmetric: false, disagreement: disagreement)
            let (weight, flipped) = rule.weight(RewardDifference(difference: 1.7))
            #expect(isClose(weight, expected))
            #expect(!flipped)
        }
    }

    @Test(arguments: [
        (Disagreement.zero, 0.0, false), (.absolute, 1.3038404810405297, false), (.flip, 1.3038404810405297, true),
        (.keep, 1, false),
    ]) func disagreement(_ kind: Disagreement, _ expected: Double, _ turned: Bool) {
        let rule = CoefficientRule(alpha: 0.5, symmetric: false, disagreement: kind)
        let (weight, flipped) = rule.weight(RewardDifference(difference: -1.7))
        #expect(isClose(weight, expected, absolute: 0))
        #expect(flipped == turned)
    }

    @Test(arguments: Disagreement.allCases) func zeroDifferenceIsNoDisagreement(_ kind: Disagreement) {
        for difference in [0.0, -0.0] {
            let (weight, flipped) = CoefficientRule(alpha: 0.5, symmetric: false, disagreement: kind)
                .weight(RewardDifference(difference: difference))
            #expect(weight == 0 && !flipped)
        }
    }

    @Test func symmetricTakesBothOrders() {
        let rule = CoefficientRule(alpha: 1, symmetric: true, disagreement: .zero)
        #expect(rule.rewardDifference(RewardDifference(difference: 2, reversed: -1)) == 1.5)
        #expect(rule.weight(RewardDifference(difference: 2, reversed: -1)).weight == 1.5)
        // One order agrees with the label, both together do not.
        #expect(rule.weight(RewardDifference(difference: 1, reversed: 3)).weight == 0)
        // A position bias that both orders share goes away.
        #expect(rule.rewardDifference(RewardDifference(difference: 2 + 0.75, reversed: -2 + 0.75)) == 2)
    }

    @Test func withoutAReversedValueTheOneOrderCounts() {
        #expect(
            CoefficientRule(alpha: 1, symmetric: true, disagreement: .zero).weight(RewardDifference(difference: 2))
                .weight
                == 2)
        #expect(
            CoefficientRule(alpha: 1, symmetric: false, disagreement: .zero).weight(
                RewardDifference(difference: 2, reversed: 9)
            ).weight
                == 2)
    }

    @Test func weightsGrowWithTheDifference() {
        let rule = CoefficientRule(alpha: 0.5, symmetric: false, disagreement: .absolute)
        let weights = stride(from: 0.0, through: 20, by: 0.1).map {
            rule.weight(RewardDifference(difference: $0)).weight
        }
        #expect(zip(weights, weights.dropFirst()).allSatisfy { $0 < $1 })
        #expect(rule.weight(RewardDifference(difference: 1e4)).weight == 100)
        #expect(rule.weight(RewardDifference(difference: -1e4)).weight == 100)
    }

    @Test(arguments: Combination.allCases, Disagreement.allCases.filter { $0 != .flip })
    func oneSourceIsTheSameCombined(_ combination: Combination, _ disagreement: Disagreement) {
        var random = SeededGenerator(seed: 11)
        for alpha in [0, 0.5, 1.3] {
            let rule = CoefficientRule(alpha: alpha, symmetric: true, disagreement: disagreement)
            for _ in 0..<100 {
                let source = RewardDifference(
                    difference: .random(in: -9...9, using: &random), reversed: .random(in: -9...9, using: &random))
                #expect(rule.weight([source], combined: combination) == rule.weight(source))
            }
        }
    }

    @Test func sourcesAreAveragedBeforeThePowerOrMultipliedAfterIt() {
        let rule = CoefficientRule(alpha: 0.5, symmetric: true, disagreement: .zero)
        let sources = [
            RewardDifference(difference: 9), RewardDifference(difference: 4, reversed: -4),
            RewardDifference(difference: -1),
        ]
        #expect(rule.weight(sources, combined: .mean).weight == 2)
        #expect(rule.weight(sources, combined: .product).weight == 0)
        #expect(rule.weight(Array(sources[..<2]), combined: .product).weight == 6)
        // The mean decides on the label.
        let flip = CoefficientRule(alpha: 0.5, symmetric: true, disagreement: .flip)
        #expect(flip.weight(sources, combined: .mean) == (2, false))
        #expect(flip.weight(sources.map(\.exchanged), combined: .mean) == (2, true))
    }

    @Test(arguments: Combination.allCases) func alphaZeroIsUnweightedWhateverTheSources(_ combination: Combination) {
        for disagreement in Disagreement.allCases where disagreement != .flip || combination == .mean {
            let rule = CoefficientRule(alpha: 0, symmetric: true, disagreement: disagreement)
            let sources = [-7, 0, 3].map { RewardDifference(difference: $0) }
            #expect(rule.weight(sources, combined: combination) == (1, false))
        }
    }

    /// Whichever response is named first, a symmetric R is the same up to its sign.
    @Test func exchangingNegatesASymmetricDifference() {
        var random = SeededGenerator(seed: 12)
        let rule = CoefficientRule(alpha: 1, symmetric: true, disagreement: .zero)
        for _ in 0..<100 {
            let pair = RewardDifference(
                difference: .random(in: -9...9, using: &random),
                reversed: Bool.random(using: &random) ? .random(in: -9...9, using: &random) : nil)
            #expect(rule.rewardDifference(pair.exchanged) == -rule.rewardDifference(pair))
            #expect(pair.exchanged.exchanged == pair)
        }
        // Of one order alone, the one that has the first response first.
        let single = CoefficientRule(alpha: 1, symmetric: false, disagreement: .zero)
        #expect(single.rewardDifference(RewardDifference(difference: 2, reversed: -5).exchanged) == -5)
    }

    /// What a loss that is meant for R > 0 does with the others.
    @Test(arguments: [
        (Disagreement.zero, nil, true, false), (.absolute, 1.5, false, false), (.flip, 1.5, false, true),
        (.keep, nil, false, false),
    ]) func positiveDifferences(
        _ disagreement: Disagreement, _ difference: Double?, _ isLeftOut: Bool, _ isFlipped: Bool
    ) {
        // Whatever α is: it weights, this reads.
        for alpha in [0, 0.5] {
            let rule = CoefficientRule(alpha: alpha, symmetric: true, disagreement: disagreement)
            #expect(rule.positive(2) == (2, false, false))
            #expect(rule.positive(-1.5) == (difference, isLeftOut, isFlipped))
        }
    }
}
