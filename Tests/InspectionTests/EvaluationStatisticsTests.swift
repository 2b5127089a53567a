import Foundation
import Testing

@testable import Inspection

/// The statistics of an evaluation equal numpy's and statsmodels' (`Tests/scripts/golden_evaluation.py`).
@Suite struct EvaluationStatisticsTests {
    private struct Golden: Decodable {
        struct Control: Decodable {
            let theta, phi: Double
            let rate: [Double]
        }
        struct Judged: Decodable {
            let win, tie, lose, rate, margin: [Double]
            let correlation: Double
            let control: Control
        }
        let draws: [[Int]]
        let mean, ratio: [Double]
        let exact, loose: Judged
    }

    private static func golden() throws -> Golden {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
            "evaluation-goldens.json")
        return try JSONDecoder().decode(Golden.self, from: Data(contentsOf: file))
    }

    // The formulas of the script.
    private static let rows = 0..<120
    private static let scores = rows.map { Double($0 * 7919 % 1009) / 128 - 3.5 }
    private static let margins = rows.map { row -> Double in
        if row % 10 == 0 { return 0 }
        let other = Double(row * 104729 % 257) / 64 - 2
        return ((scores[row] - other) * 4).rounded(.toNearestOrEven) / 4
    }
    private static let longer = rows.map { row -> Double in
        let sign: Double = margins[row] == 0 ? 0 : margins[row] > 0 ? 1 : -1
        return Double(row * 37 % 50 - 20) + 4 * sign * Double(row % 3)
    }
    private static let bootstrap = Bootstrap(resamples: 400, seed: 7)

    private func isNear(_ a: Double?, _ b: Double) -> Bool { a.map { abs($0 - b) < 1e-9 * max(1, abs(b)) } ?? false }

    private func same(_ interval: Interval?, _ golden: [Double]) -> Bool {
        isNear(interval?.value, golden[0]) && isNear(interval?.low, golden[1]) && isNear(interval?.high, golden[2])
    }

    @Test func intervals() throws {
        let golden = try Self.golden()
        var drawn: [[Int]] = []
        _ = Self.bootstrap.interval(ofUnits: Self.rows.count) { places in
            drawn.append(Array(places.prefix(10)))
            return 0
        }
        // The first call is for the sample itself.
        #expect(Array(drawn[1...2]) == golden.draws)
        #expect(same(Self.bootstrap.interval(ofMean: Self.scores), golden.mean))
        let tokens = Self.rows.map { Double(5 + $0 * 53 % 60) }
        let losses = Self.rows.map { 2 + Double($0 * 31 % 17) / 8 * tokens[$0] / 20 }
        #expect(same(Self.bootstrap.interval(ofRatio: losses, to: tokens, exp), golden.ratio))
        #expect(Self.bootstrap.interval(ofMean: []) == nil)
        #expect(Self.bootstrap.interval(ofMean: [2, 2]) == Interval(value: 2, low: 2, high: 2))
    }

    /// Resamples that do not determine a figure are left out, and so is a figure that all units do not determine.
    @Test func undeterminedResamples() {
        let bootstrap = Bootstrap(resamples: 200, seed: 1)
        let found = bootstrap.interval(ofUnits: 2) { $0[0] == $0[1] ? nil : 1 }
        #expect(found == Interval(value: 1, low: 1, high: 1))
        #expect(bootstrap.interval(ofUnits: 2) { _ in nil } == nil)
    }

    @Test(arguments: [0.0, 1.0]) func judgements(tieMargin: Double) throws {
        let golden = tieMargin == 0 ? try Self.golden().exact : try Self.golden().loose
        let found = try #require(
            Evaluation.Judgement(
                scorer: "s", margins: Self.margins, tieMargin: tieMargin, lengthDifferences: Self.longer,
                Self.bootstrap))
        #expect(same(found.win, golden.win) && same(found.tie, golden.tie) && same(found.lose, golden.lose))
        #expect(same(found.winRate, golden.rate) && same(found.margin, golden.margin))
        #expect(isNear(found.lengthCorrelation, golden.correlation))
        #expect(same(found.lengthControlledWinRate, golden.control.rate))
        let outcomes = Self.margins.map { abs($0) <= tieMargin ? 0.5 : $0 > 0 ? 1 : 0 }
        let fit = try #require(LengthControl(outcomes: outcomes, lengthDifferences: Self.longer).fit)
        #expect(isNear(fit.intercept, golden.control.theta) && isNear(fit.slope, golden.control.phi))
    }

    /// A policy compared with itself.
    @Test func equalPoliciesTie() throws {
        let zeros = [Double](repeating: 0, count: 9)
        let found = try #require(
            Evaluation.Judgement(scorer: "s", margins: zeros, tieMargin: 0, lengthDifferences: zeros, Self.bootstrap))
        let (none, all, half) = (
            Interval(value: 0, low: 0, high: 0), Interval(value: 1, low: 1, high: 1),
            Interval(value: 0.5, low: 0.5, high: 0.5)
        )
        #expect(found.win == none && found.lose == none && found.tie == all && found.margin == none)
        #expect(found.winRate == half && found.lengthControlledWinRate == half && found.lengthCorrelation == nil)
        #expect(
            Evaluation.Judgement(scorer: "s", margins: [], tieMargin: 0, lengthDifferences: [], Self.bootstrap) == nil)
    }

    @Test func lengthAloneIsTakenOut() throws {
        // The longer response nearly always wins, and both are longer equally often.
        let longer = (0..<200).map { Double($0 % 2 == 0 ? 10 : -10) }
        let outcomes = (0..<200).map { row -> Double in
            row % 20 < 2 ? (longer[row] > 0 ? 0 : 1) : longer[row] > 0 ? 1 : 0
        }
        let fit = try #require(LengthControl(outcomes: outcomes, lengthDifferences: longer).fit)
        #expect(isNear(fit.winRate, 0.5) && fit.slope ?? 0 > 2)
    }

    /// Where the greatest likelihood lies at infinity there is no figure.
    @Test func whatOutcomesDoNotDetermine() {
        func fit(_ outcomes: [Double], _ longer: [Double]) -> LengthControl.Fit? {
            LengthControl(outcomes: outcomes, lengthDifferences: longer).fit
        }
        #expect(fit([1, 1, 1], [0, 0, 0]) == nil)
        #expect(fit([1, 1, 1], [1, 2, -3]) == nil)
        #expect(fit([1, 0, 1, 0], [5, -5, 5, -5]) == nil)
        // Always by as many tokens: length and policy cannot be told apart.
        #expect(fit([1, 0, 1, 1], [4, 4, 4, 4]) == nil)
        #expect(fit([], []) == nil)
    }
}
