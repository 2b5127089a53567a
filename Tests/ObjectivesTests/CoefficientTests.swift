import Testing

@testable import Objectives

@Suite("Coefficients") struct CoefficientTests {
    @Test(arguments: Disagreement.allCases) func alphaZeroIsTheUnweightedMethod(_ disagreement: Disagreement) {
        for symmetric in [true, false] {
            let rule = CoefficientRule(alpha: 0, symmetric: symmetric, disagreement: disagreement)
            for difference in [-1e300, -3.5, -1e-300, -0.0, 0, 1e-300, 0.25, 1, 7, 1e300] {
                for reversed in [nil, -2, 0, 2] as [Double?] {
                    let (weight, flipped) = rule.weight(difference: difference, reversed: reversed)
                    #expect(weight == 1 && !flipped)
                }
            }
        }
    }

    @Test(arguments: Disagreement.allCases) func agreementIsAPowerOfR(_ disagreement: Disagreement) {
        // 1.7^α with 40 digits.
        for (alpha, expected) in [(0.5, 1.3038404810405297), (1, 1.7), (2, 2.89), (0.3, 1.172558924272542)] {
            let rule = CoefficientRule(alpha: alpha, symmetric: false, disagreement: disagreement)
            let (weight, flipped) = rule.weight(difference: 1.7, reversed: nil)
            #expect(isClose(weight, expected))
            #expect(!flipped)
        }
    }

    @Test(arguments: [
        (Disagreement.zero, 0.0, false), (.absolute, 1.3038404810405297, false), (.flip, 1.3038404810405297, true),
        (.keep, 1, false),
    ]) func disagreement(_ kind: Disagreement, _ expected: Double, _ turned: Bool) {
        let rule = CoefficientRule(alpha: 0.5, symmetric: false, disagreement: kind)
        let (weight, flipped) = rule.weight(difference: -1.7, reversed: nil)
        #expect(isClose(weight, expected, absolute: 0))
        #expect(flipped == turned)
    }

    @Test(arguments: Disagreement.allCases) func zeroDifferenceIsNoDisagreement(_ kind: Disagreement) {
        for difference in [0.0, -0.0] {
            let (weight, flipped) = CoefficientRule(alpha: 0.5, symmetric: false, disagreement: kind)
                .weight(difference: difference, reversed: nil)
            #expect(weight == 0 && !flipped)
        }
    }

    @Test func symmetricTakesBothOrders() {
        let rule = CoefficientRule(alpha: 1, symmetric: true, disagreement: .zero)
        #expect(rule.rewardDifference(difference: 2, reversed: -1) == 1.5)
        #expect(rule.weight(difference: 2, reversed: -1).weight == 1.5)
        // One order agrees with the label, both together do not.
        #expect(rule.weight(difference: 1, reversed: 3).weight == 0)
        // A position bias that both orders share goes away.
        #expect(rule.rewardDifference(difference: 2 + 0.75, reversed: -2 + 0.75) == 2)
    }

    @Test func withoutAReversedValueTheOneOrderCounts() {
        #expect(
            CoefficientRule(alpha: 1, symmetric: true, disagreement: .zero).weight(difference: 2, reversed: nil).weight
                == 2)
        #expect(
            CoefficientRule(alpha: 1, symmetric: false, disagreement: .zero).weight(difference: 2, reversed: 9).weight
                == 2)
    }

    @Test func weightsGrowWithTheDifference() {
        let rule = CoefficientRule(alpha: 0.5, symmetric: false, disagreement: .absolute)
        let weights = stride(from: 0.0, through: 20, by: 0.1).map { rule.weight(difference: $0, reversed: nil).weight }
        #expect(zip(weights, weights.dropFirst()).allSatisfy { $0 < $1 })
        #expect(rule.weight(difference: 1e4, reversed: nil).weight == 100)
        #expect(rule.weight(difference: -1e4, reversed: nil).weight == 100)
    }
}
