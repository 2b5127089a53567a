import Foundation
import Objectives

/// The win rate that would be left if the responses of both policies were equally long: a logistic regression of the outcome
/// on the difference in length, read at the difference 0 (Dubois, Galambosi, Liang and Hashimoto 2024, "Length-Controlled
/// AlpacaEval", their model without the term for the difficulty of an instruction, which takes the outcomes of many policies):
///
///     P(win) = σ(θ + φ tanh(Δ / sd(Δ))),  length-controlled win rate = σ(θ)
package struct LengthControl: Sendable {
    /// What a fit of some comparisons found.
    package struct Fit: Sendable, Equatable {
        /// θ.
        package let intercept: Double
        /// φ; nil where all responses are equally long.
        package let slope: Double?

        package var winRate: Double { sigmoid(intercept) }
    }

    private let outcomes: [Double]
    /// tanh(Δ / sd(Δ)); nil where no response is longer than the other.
    private let lengths: [Double]?

    /// Beyond these log-odds the likelihood has no maximum that the data determine: every comparison is won, or all longer ones.
    private static let greatestLogOdds = 30.0

    /// - Parameters:
    ///   - outcomes: of each comparison 1 for a win, ½ for a tie, 0 for a loss.
    ///   - lengthDifferences: Δ, tokens of the first policy's response less those of the second's; sd is of all of them.
    /// - Precondition: as many of both.
    package init(outcomes: [Double], lengthDifferences: [Double]) {
        precondition(outcomes.count == lengthDifferences.count, "one difference in length for each outcome")
        self.outcomes = outcomes
        let mean = lengthDifferences.mean ?? 0
        let variance = lengthDifferences.map { ($0 - mean) * ($0 - mean) }.mean ?? 0
        if lengthDifferences.allSatisfy({ $0 == 0 }) {
            lengths = nil
        } else {
            // Differences that are all the same say nothing about length; the fit then finds that out.
            let deviation = variance > 0 ? variance.squareRoot() : abs(mean)
            lengths = lengthDifferences.map { tanh($0 / deviation) }
        }
    }

    /// Of all comparisons.
    package var fit: Fit? { fit(of: Array(outcomes.indices)) }

    /// The greatest likelihood by Newton's method; nil where some comparisons do not determine it.
    package func fit(of places: [Int]) -> Fit? {
        let count = Double(places.count)
        guard count > 0 else { return nil }
        guard let lengths, places.contains(where: { lengths[$0] != 0 }) else {
            let rate = places.reduce(0) { $0 + outcomes[$1] } / count
            return rate > 0 && rate < 1 ? Fit(intercept: log(rate / (1 - rate)), slope: nil) : nil
        }
        var (theta, phi) = (0.0, 0.0)
        for _ in 0..<100 {
            // Gradient and curvature of the log-likelihood.
            var (g0, g1, h00, h01, h11) = (0.0, 0.0, 0.0, 0.0, 0.0)
            for place in places {
                let t = lengths[place]
                let p = sigmoid(theta + phi * t)
                let (rest, weight) = (outcomes[place] - p, p * (1 - p))
                g0 += rest
                g1 += rest * t
                h00 += weight
                h01 += weight * t
                h11 += weight * t * t
            }
            let determinant = h00 * h11 - h01 * h01
            guard determinant > 1e-12 * h00 * h11, determinant > 0 else { return nil }
            let steps = ((h11 * g0 - h01 * g1) / determinant, (h00 * g1 - h01 * g0) / determinant)
            // A long step, where the likelihood is all but flat, could lead far past its maximum.
            let scale = min(1, 4 / max(abs(steps.0), abs(steps.1)))
            theta += scale * steps.0
            phi += scale * steps.1
            guard abs(theta) < Self.greatestLogOdds, abs(phi) < Self.greatestLogOdds else { return nil }
            if max(abs(steps.0), abs(steps.1)) < 1e-10 * max(1, abs(theta), abs(phi)) {
                return Fit(intercept: theta, slope: phi)
            }
        }
        return nil
    }
}
