import TestSupport
import Testing

@testable import Objectives

/// Golden values with 40 digits (mpmath): binary cross-entropy from probabilities, squares for the rules.
@Suite("Difference and reward losses") struct DifferenceTests {
    @Test func agreesWithThePlainFormula() {
        let objective = DifferenceObjective(lambdaDuplication: 0.5, lambdaReverse: 0.25)
        let first = objective.evaluate(main: 1.25, duplication: -0.5, reverse: -0.875, firstIsPreferred: true)
        #expect(isClose(first.lossMain, 0.2519290813453729))
        #expect(first.lossDuplication == 0.25)
        #expect(first.lossReverse == 0.140625)
        #expect(isClose(first.loss, 0.4120853313453729))
        #expect(isClose(first.gradientMain, -0.03520013882530885))
        #expect(isClose(first.gradientDuplication, -0.5))
        #expect(isClose(first.gradientReverse, 0.1875))

        let second = objective.evaluate(main: 1.25, duplication: -0.5, reverse: -0.875, firstIsPreferred: false)
        #expect(isClose(second.lossMain, 1.5019290813453729))
        #expect(isClose(second.loss, 1.6620853313453729))
        #expect(isClose(second.gradientMain, 0.9647998611746911))
    }

    @Test func bothOrdersAgreeWithThePlainFormula() {
        let objective = DifferenceObjective(lambdaDuplication: 0.5, lambdaReverse: 0.25, bothOrders: true)
        let first = objective.evaluate(main: 1.25, duplication: -0.5, reverse: -0.875, firstIsPreferred: true)
        #expect(isClose(first.lossMain, 0.300186831175214301))
        #expect(isClose(first.loss, 0.460343081175214301))
        #expect(isClose(first.gradientMain, 0.0761499305873455735))
        #expect(isClose(first.gradientReverse, 0.334607486081494387))
        let second = objective.evaluate(main: 1.25, duplication: -0.5, reverse: -0.875, firstIsPreferred: false)
        #expect(isClose(second.lossMain, 1.3626868311752143))
        #expect(isClose(second.gradientMain, 0.576149930587345573))
        #expect(isClose(second.gradientReverse, -0.165392513918505613))
        // Which order comes first does not matter.
        let exchanged = objective.evaluate(main: -0.875, duplication: -0.5, reverse: 1.25, firstIsPreferred: false)
        #expect(exchanged.loss == first.loss)
        #expect(exchanged.gradientMain == first.gradientReverse && exchanged.gradientReverse == first.gradientMain)
    }

    @Test(arguments: [false, true]) func gradientsAreTheSlopes(_ bothOrders: Bool) {
        var random = SeededGenerator(seed: 20)
        for _ in 0..<1000 {
            let objective = DifferenceObjective(
                lambdaDuplication: .random(in: 0...2, using: &random),
                lambdaReverse: .random(in: 0...2, using: &random), bothOrders: bothOrders)
            let (d, same, back) = (
                Double.random(in: -8...8, using: &random), Double.random(in: -3...3, using: &random),
                Double.random(in: -8...8, using: &random)
            )
            let first = Bool.random(using: &random)
            func loss(_ main: Double, _ duplication: Double, _ reverse: Double) -> Double {
                objective.evaluate(
                    main: d + main, duplication: same + duplication, reverse: back + reverse, firstIsPreferred: first
                ).loss
            }
            let result = objective.evaluate(main: d, duplication: same, reverse: back, firstIsPreferred: first)
            #expect(isClose(result.gradientMain, slope { loss($0, 0, 0) }, relative: 1e-6, absolute: 1e-6))
            #expect(isClose(result.gradientDuplication, slope { loss(0, $0, 0) }, relative: 1e-6, absolute: 1e-6))
            #expect(isClose(result.gradientReverse, slope { loss(0, 0, $0) }, relative: 1e-6, absolute: 1e-6))
        }
    }

    /// A model that keeps both rules pays the cross-entropy alone.
    @Test func perfectRulesCostNothing() {
        let objective = DifferenceObjective(lambdaDuplication: 3, lambdaReverse: 5)
        let result = objective.evaluate(main: 2, duplication: 0, reverse: -2, firstIsPreferred: true)
        #expect(result.loss == result.lossMain)
        #expect(result.gradientDuplication == 0 && result.gradientReverse == 0)
    }

    @Test func swappingLabelAndSignIsTheSame() {
        let objective = DifferenceObjective(lambdaDuplication: 0.5, lambdaReverse: 0.5)
        for d in stride(from: -9.0, through: 9, by: 0.7) {
            let one = objective.evaluate(main: d, duplication: 0.25, reverse: -d / 2, firstIsPreferred: true)
            let other = objective.evaluate(main: -d, duplication: 0.25, reverse: d / 2, firstIsPreferred: false)
            #expect(one.loss == other.loss)
            #expect(one.gradientMain == -other.gradientMain)
        }
    }

    @Test func extremesAreFiniteAndExact() {
        let objective = DifferenceObjective(lambdaDuplication: 0.5, lambdaReverse: 0.5)
        let wrong = objective.evaluate(main: -1e4, duplication: 0, reverse: 1e4, firstIsPreferred: true)
        #expect(wrong.loss == 1e4)
        #expect(wrong.gradientMain == -1)
        let right = objective.evaluate(main: 1e4, duplication: 0, reverse: -1e4, firstIsPreferred: true)
        #expect(right.loss == 0)
        #expect(right.gradientMain == 0)
    }

    @Test func rewardAgreesWithThePlainFormula() {
        let result = RewardObjective.evaluate(chosen: 0.625, rejected: -1.5)
        #expect(isClose(result.loss, 0.11282227877146927))
        #expect(isClose(result.gradientChosen, -0.10669059394565119))
        #expect(result.gradientRejected == -result.gradientChosen)
    }

    @Test func rewardGradientsAreTheSlopes() {
        var random = SeededGenerator(seed: 21)
        for _ in 0..<500 {
            let (a, b) = (Double.random(in: -10...10, using: &random), Double.random(in: -10...10, using: &random))
            let result = RewardObjective.evaluate(chosen: a, rejected: b)
            let chosen = slope { RewardObjective.evaluate(chosen: a + $0, rejected: b).loss }
            let rejected = slope { RewardObjective.evaluate(chosen: a, rejected: b + $0).loss }
            #expect(isClose(result.gradientChosen, chosen, relative: 1e-6, absolute: 1e-7))
            #expect(isClose(result.gradientRejected, rejected, relative: 1e-6, absolute: 1e-7))
        }
    }

    @Test func rewardExtremesAreExact() {
        #expect(RewardObjective.evaluate(chosen: 1e4, rejected: 0).loss == 0)
        #expect(RewardObjective.evaluate(chosen: 0, rejected: 1e4).loss == 1e4)
        #expect(RewardObjective.evaluate(chosen: 0, rejected: 1e4).gradientChosen == -1)
        #expect(RewardObjective.evaluate(chosen: 3, rejected: 3).gradientChosen == -0.5)
    }

    @Test func supervisedIsTheMeanTokenLoss() {
        // Two responses of 3 and 5 tokens: the summed losses over 8 tokens.
        let loss = (SupervisedObjective.loss(logProbability: -6) + SupervisedObjective.loss(logProbability: -10)) / 8
        #expect(loss == 2)
        #expect(SupervisedObjective.gradient(totalTokens: 8) == -0.125)
    }
}
