import Foundation

/// What is done to a scorer's differences on request before training reads them: what is linear in the difference of the
/// responses' lengths is taken away, and the rest divided by a temperature, `R' = (R − s (|y1| − |y2|)) / T`.
package struct ScoreCorrection: Sendable, Equatable {
    /// s: R for each token that the first response has more than the second; 0 takes nothing away.
    package let lengthSlope: Double
    /// T; 1 leaves R as it is.
    package let temperature: Double

    /// - Precondition: `temperature` is above 0, and both are finite.
    package init(lengthSlope: Double, temperature: Double) {
        precondition(temperature > 0 && temperature.isFinite && lengthSlope.isFinite, "a correction is a finite number")
        (self.lengthSlope, self.temperature) = (lengthSlope, temperature)
    }

    /// - Parameter excess: tokens of the first response less those of the second.
    package func corrected(_ stored: RewardDifference, excess: Int) -> RewardDifference {
        let length = lengthSlope * Double(excess)
        return RewardDifference(
            difference: (stored.difference - length) / temperature,
            reversed: stored.reversed.map { ($0 + length) / temperature })
    }
}

/// What corrects a scorer, fitted on pairs.
package enum ScoreFit {
    /// The T > 0 for which σ(R / T) is the best probability of the label: the least mean of `−log σ(m / T)`, temperature
    /// scaling (Guo et al. 2017, arXiv 1706.04599, section 4.2) of a binary classifier.
    ///
    /// In 1/T the loss is convex: Newton's steps, kept within an interval that its slope says holds the minimum.
    /// - Parameter margins: R towards each pair's label.
    /// - Returns: nil where no T > 0 is best: every margin is right, so that the smaller the better, or they are not right
    ///   on average, so that none is as good as ∞.
    package static func temperature(of margins: [Double]) -> Double? {
        guard margins.contains(where: { $0 < 0 }), margins.reduce(0, +) > 0 else { return nil }
        let scale = margins.reduce(0) { $0 + abs($1) } / Double(margins.count)
        let scaled = margins.map { $0 / scale }
        /// First and second derivative by the inverse temperature.
        func slopes(_ inverse: Double) -> (first: Double, second: Double) {
            scaled.reduce((0, 0)) { sums, margin in
                let wrong = sigmoid(-inverse * margin)
                return (sums.0 - margin * wrong, sums.1 + margin * margin * wrong * (1 - wrong))
            }
        }
        var (low, high) = (0.0, 1.0)
        while slopes(high).first < 0 {
            (low, high) = (high, 2 * high)
            if !high.isFinite { return nil }
        }
        var inverse = (low + high) / 2
        // Halving alone would be done in a hundred.
        for _ in 0..<200 {
            let (first, second) = slopes(inverse)
            if first < 0 { low = inverse } else { high = inverse }
            let step = inverse - first / second
            let next = step > low && step < high ? step : (low + high) / 2
            let isThere = abs(next - inverse) <= 1e-14 * inverse
            inverse = next
            if isThere { break }
        }
        let temperature = scale / inverse
        return temperature.isFinite && temperature > 0 ? temperature : nil
    }

    /// R for each token that the first response has more than the second: the least-squares slope `Σ R Δ / Σ Δ²`, through
    /// the origin, because exchanging the responses changes the sign of both and must not change the slope.
    ///
    /// - Returns: nil where no two responses differ in length.
    package static func lengthSlope(differences: [Double], excess: [Int]) -> Double? {
        precondition(differences.count == excess.count, "a length for each difference")
        let squares = excess.reduce(0.0) { $0 + Double($1) * Double($1) }
        guard squares > 0 else { return nil }
        return zip(differences, excess).reduce(0) { $0 + $1.0 * Double($1.1) } / squares
    }
}
