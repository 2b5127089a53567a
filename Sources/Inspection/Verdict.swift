import Foundation

/// Whether there is something to weight by. The bounds are rules of thumb, and each check says its figure.
package struct Verdict: Encodable, Sendable {
    package struct Check: Encodable, Sendable {
        package let what: String
        package let holds: Bool
        package let figure: String
    }

    package let checks: [Check]
    package let isWorthTrying: Bool

    /// Nil without labels.
    init?(_ reliability: Reliability?, _ length: LengthBias?, _ weights: WeightForecast?) {
        guard let reliability, let weights, let surest = reliability.deciles.last?.accuracy,
            let unsurest = reliability.deciles.first?.accuracy
        else { return nil }
        func short(_ value: Double) -> String { String(format: "%.3f", value) }
        var checks = [
            Check(
                what: "the surest tenth is right more often than the least sure", holds: surest.low > unsurest.high,
                figure: "\(short(surest.share)) and \(short(unsurest.share))"),
            Check(
                what: "differences are calibrated", holds: reliability.calibrationError <= 0.1,
                figure: "ECE \(short(reliability.calibrationError))"),
        ]
        if let scorer = length?.scorer, let longer = length?.longerIsBetter {
            checks.append(
                Check(
                    what: "the scorer knows more than length", holds: scorer.low > max(longer.share, 1 - longer.share),
                    figure: "right \(short(scorer.share)), length \(short(max(longer.share, 1 - longer.share)))"))
        }
        if let linear = weights.rows.first(where: { $0.alpha == 1 }) {
            let share = linear.effectivePairs / Double(weights.pairs)
            checks.append(
                Check(
                    what: "enough pairs decide at α = 1", holds: share >= 0.2,
                    figure: String(format: "%.1f %% effective", 100 * share)))
        }
        (self.checks, isWorthTrying) = (checks, checks.allSatisfy(\.holds))
    }

    var lines: [String] {
        ["  verdict: " + (isWorthTrying ? "there is something to weight by" : "weighting may not help here")]
            + checks.map { "    \($0.holds ? "yes" : "no ")  \($0.what) (\($0.figure))" }
    }
}
