import TestSupport
import Testing

@testable import Objectives

@Suite("Corrections of a scorer") struct ScoreCorrectionTests {
    private static let margins = [2.5, -0.75, 1.25, 0.5, -1.5, 3, 0.25, -0.125, 4, 1]

    /// The root of the derivative with 40 digits (mpmath).
    @Test func temperatureIsTheBest() throws {
        let found = try #require(ScoreFit.temperature(of: Self.margins))
        #expect(isClose(found, 1.26993346100398829))
        func loss(_ temperature: Double) -> Double { Self.margins.reduce(0) { $0 - logSigmoid($1 / temperature) } }
        for factor in [0.5, 0.9, 0.999, 1.001, 1.1, 2] { #expect(loss(found) < loss(factor * found)) }
        #expect(abs(slope { loss(found + $0) }) < 1e-9)
    }

    @Test func temperatureHasTheScaleOfR() throws {
        let found = try #require(ScoreFit.temperature(of: Self.margins))
        for scale in [1e-200, 1e-9, 0.25, 7, 1e9, 1e200] {
            let scaled = try #require(ScoreFit.temperature(of: Self.margins.map { scale * $0 }))
            #expect(isClose(scaled / scale, found, relative: 1e-12))
        }
        // Few and small errors make it small, errors nearly as large as what is right make it large.
        let sure = try #require(ScoreFit.temperature(of: [Double](repeating: 1, count: 9999) + [-1e-6]))
        #expect(sure > 0 && sure < 0.1)
        let unsure = try #require(ScoreFit.temperature(of: [1, -1 + 1e-9]))
        #expect(unsure > 1e8 && unsure.isFinite)
    }

    /// Never wrong: the smaller the better. As good as chance or worse: none is as good as ∞.
    @Test(arguments: [[], [0.5, 2], [0, 1], [0, 0], [1, -1], [-1, -2], [1, -3]]) func noTemperatureFits(
        _ margins: [Double]
    ) {
        #expect(ScoreFit.temperature(of: margins) == nil)
    }

    /// numpy.linalg.lstsq(excess[:, None], differences).
    @Test func slopeIsThatOfLeastSquares() throws {
        let slope = try #require(ScoreFit.lengthSlope(differences: [1, -2, 0.5, 3], excess: [2, -1, 0, 5]))
        #expect(isClose(slope, 19.0 / 30))
        #expect(ScoreFit.lengthSlope(differences: [1, 2], excess: [0, 0]) == nil)
        // Pairs the other way round are the same pairs.
        #expect(ScoreFit.lengthSlope(differences: [1, 2, 0.5, -3], excess: [2, 1, 0, -5]) == slope)
    }

    @Test func correctedOrdersStayTheSamePair() {
        let correction = ScoreCorrection(lengthSlope: 0.25, temperature: 2)
        let stored = RewardDifference(difference: 3, reversed: -1)
        let corrected = correction.corrected(stored, excess: 4)
        #expect(corrected == RewardDifference(difference: 1, reversed: 0))
        #expect(correction.corrected(stored.exchanged, excess: -4) == corrected.exchanged)
        let rule = CoefficientRule(alpha: 1, symmetric: true, disagreement: .absolute)
        #expect(rule.rewardDifference(corrected) == (rule.rewardDifference(stored) - 0.25 * 4) / 2)
        #expect(correction.corrected(RewardDifference(difference: 3), excess: 0) == RewardDifference(difference: 1.5))
    }
}
