import Foundation
import TestSupport
import Testing

@testable import Objectives

@Suite("KTO") struct KTOTests {
    /// The paper's eq. 7 and 8 as plainly as they can be written.
    static func plain(_ o: KTOObjective, rho: Double, z0: Double, isDesirable: Bool) -> Double {
        func sigma(_ x: Double) -> Double { 1 / (1 + exp(-x)) }
        return isDesirable
            ? o.desirableWeight - o.desirableWeight * sigma(o.beta * (rho - z0))
            : o.undesirableWeight - o.undesirableWeight * sigma(o.beta * (z0 - rho))
    }

    @Test(arguments: [true, false]) func agreesWithThePaper(_ isDesirable: Bool) {
        var random = SeededGenerator(seed: 5)
        for _ in 0..<1000 {
            let objective = KTOObjective(
                beta: .random(in: 0.02...2, using: &random), desirableWeight: .random(in: 0...3, using: &random),
                undesirableWeight: .random(in: 0...3, using: &random))
            let (rho, z0) = (Double.random(in: -10...10, using: &random), Double.random(in: 0...4, using: &random))
            let result = objective.evaluate(logRatio: rho, baseline: z0, isDesirable: isDesirable)
            let plain = Self.plain(objective, rho: rho, z0: z0, isDesirable: isDesirable)
            #expect(isClose(result.loss, plain, relative: 1e-9, absolute: 1e-12))
            let expected = slope { Self.plain(objective, rho: rho + $0, z0: z0, isDesirable: isDesirable) }
            #expect(isClose(result.gradient, expected, relative: 1e-6, absolute: 1e-8))
            #expect(result.reward == objective.beta * rho)
        }
    }

    struct Golden: Sendable {
        var desirable: Double
        var undesirable: Double
        /// Log-ratios of the mismatched pairs.
        var mismatched: [Double]
        var baseline: Double
        var loss: Double
        var gradients: [Double]
    }

    /// TRL 1.16.0 with torch 2.15.0 in double precision, β = 0.3, a batch of four, desirable and undesirable in turn.
    @Test(arguments: [
        Golden(
            desirable: 1, undesirable: 1, mismatched: [1.25, 0.5, -0.75, 2], baseline: 0.75, loss: 0.3998953873981882,
            gradients: [-0.01851468330495415, 0.017341692102305625, -0.01872365751205456, 0.014915401143707813]),
        Golden(
            desirable: 1.3, undesirable: 0.7, mismatched: [1.25, 0.5, -0.75, 2], baseline: 0.75,
            loss: 0.4243358699788191,
            gradients: [-0.024069088296440395, 0.012139184471613938, -0.02434075476567093, 0.010440780800595467]),
        Golden(
            desirable: 1.3, undesirable: 0.7, mismatched: [-1.25, -0.5, 0.75, -2], baseline: 0,
            loss: 0.4058942316585673,
            gradients: [-0.023181498591335108, 0.012758227797022355, -0.02423840315106044, 0.011439487172495235]),
    ]) func agreesWithTRL(_ golden: Golden) {
        let policy = [-12.5, -17.25, -9.0, -30.5]
        let reference = [-14, -16.125, -9.5, -28]
        let objective = KTOObjective(
            beta: 0.3, desirableWeight: golden.desirable, undesirableWeight: golden.undesirable)
        let baseline = KTOObjective.baseline(
            sum: golden.mismatched.reduce(0, +), count: Double(golden.mismatched.count))
        #expect(baseline == golden.baseline)
        let results = (0..<4).map {
            objective.evaluate(logRatio: policy[$0] - reference[$0], baseline: baseline, isDesirable: $0 % 2 == 0)
        }
        #expect(isClose(results.reduce(0) { $0 + $1.loss } / 4, golden.loss))
        for (result, gradient) in zip(results, golden.gradients) { #expect(isClose(result.gradient / 4, gradient)) }
    }

    @Test func theBaselineIsNotNegative() {
        #expect(KTOObjective.baseline(sum: 6, count: 4) == 1.5)
        #expect(KTOObjective.baseline(sum: -6, count: 4) == 0)
        #expect(KTOObjective.baseline(sum: 0, count: 0) == 0)
        #expect(KTOObjective.baseline(sum: .nan, count: 3).isNaN, "a numerical failure must not look like agreement")
    }

    @Test func saturatedLossesAreExact() {
        let objective = KTOObjective(beta: 0.1, desirableWeight: 2, undesirableWeight: 3)
        for (rho, isDesirable, loss) in [(1e5, true, 0.0), (-1e5, true, 2), (1e5, false, 3), (-1e5, false, 0)] {
            let result = objective.evaluate(logRatio: rho, baseline: 1, isDesirable: isDesirable)
            #expect(result.loss == loss && result.gradient == 0)
        }
        // Policy and reference equal: half of each weight, and the steepest slope.
        let start = objective.evaluate(logRatio: 0, baseline: 0, isDesirable: true)
        #expect(start.loss == 1 && isClose(start.gradient, -0.05))
        // Near the upper end 1 − σ would lose its digits.
        let sure = objective.evaluate(logRatio: 400, baseline: 0, isDesirable: true)
        #expect(isClose(sure.loss, 2 * exp(-40), relative: 1e-12, absolute: 0))
        #expect(isClose(sure.gradient, -0.2 * exp(-40), relative: 1e-12, absolute: 0))
    }

    @Test func balanceIsCheckedAgainstTheAdvice() {
        var random = SeededGenerator(seed: 6)
        let plain = KTOObjective(beta: 0.1)
        #expect(plain.balance(desirable: 30, undesirable: 20) == 1.5)
        #expect(plain.advisedDesirableWeight(desirable: 20, undesirable: 20) == nil)
        #expect(plain.advisedDesirableWeight(desirable: 4000, undesirable: 3000) == nil)
        #expect(isClose(plain.advisedDesirableWeight(desirable: 30, undesirable: 20) ?? 0, 8.0 / 9))
        #expect(plain.advisedDesirableWeight(desirable: 10, undesirable: 20) == 2)
        // 1.33 is 4/3 to the digits that people write.
        #expect(
            KTOObjective(beta: 0.1, desirableWeight: 1.334).advisedDesirableWeight(desirable: 9, undesirable: 9) == nil)
        for (desirable, undesirable) in [(0, 7), (7, 0), (0, 0)] {
            #expect(plain.advisedDesirableWeight(desirable: desirable, undesirable: undesirable) == nil)
        }
        // The weight advised makes the advice come true.
        for _ in 0..<100 {
            let (n, m) = (Int.random(in: 1...1000, using: &random), Int.random(in: 1...1000, using: &random))
            let weight = plain.advisedDesirableWeight(desirable: n, undesirable: m) ?? 1
            let advised = KTOObjective(beta: 0.1, desirableWeight: weight)
            #expect(advised.advisedDesirableWeight(desirable: n, undesirable: m) == nil)
        }
    }
}
