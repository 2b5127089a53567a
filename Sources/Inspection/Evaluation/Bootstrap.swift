import Tensors

/// A figure of a sample with the interval of the percentile bootstrap.
package struct Interval: Codable, Sendable, Equatable {
    package let value: Double
    package let low: Double
    package let high: Double

    package init(value: Double, low: Double, high: Double) { (self.value, self.low, self.high) = (value, low, high) }
}

/// The percentile bootstrap (Efron 1979): units are drawn again, with replacement, as many as there are, and the figure is
/// computed of each such sample. What is drawn follows from the seed and the number of units alone, so figures of the same
/// units are compared on the same samples.
package struct Bootstrap: Sendable {
    package let resamples: Int
    /// The share of the resamples that the interval holds.
    package let level: Double
    private let random: KeyedRandom

    /// Sets this stream of random numbers apart from those of other uses of the seed.
    private static let stream: UInt64 = 0xB007

    /// - Precondition: `resamples` is positive, `level` between 0 and 1.
    package init(resamples: Int, level: Double = 0.95, seed: UInt64) {
        precondition(resamples > 0 && level > 0 && level < 1, "a bootstrap needs resamples and a level below 1")
        (self.resamples, self.level) = (resamples, level)
        random = KeyedRandom(seed: seed, stream: Self.stream)
    }

    /// - Parameter statistic: the figure of some units, by their places; nil where they do not determine it. Such resamples
    ///   are left out.
    /// - Returns: nil where there are no units, or all of them do not determine the figure.
    package func interval(ofUnits count: Int, _ statistic: ([Int]) -> Double?) -> Interval? {
        guard count > 0, let value = statistic(Array(0..<count)) else { return nil }
        var drawn = [Int](repeating: 0, count: count)
        var values: [Double] = []
        values.reserveCapacity(resamples)
        for resample in 0..<resamples {
            for place in 0..<count {
                let bits = random.bits(at: UInt64(resample * count + place))
                drawn[place] = Int(bits.multipliedFullWidth(by: UInt64(count)).high)
            }
            if let figure = statistic(drawn) { values.append(figure) }
        }
        guard !values.isEmpty else { return nil }
        values.sort()
        let tail = (1 - level) / 2
        return Interval(
            value: value, low: Quantiles.quantile(tail, ofSorted: values),
            high: Quantiles.quantile(1 - tail, ofSorted: values))
    }

    /// Of the mean of a number for each unit; nil when there are none.
    package func interval(ofMean values: [Double]) -> Interval? {
        interval(ofUnits: values.count) { drawn in
            drawn.reduce(0.0) { $0 + values[$1] } / Double(values.count)
        }
    }

    /// Of a sum over another, such as log-probabilities by tokens.
    ///
    /// - Parameter transform: of the quotient.
    /// - Precondition: as many parts as wholes, none of these negative.
    package func interval(
        ofRatio parts: [Double], to wholes: [Double], _ transform: (Double) -> Double = { $0 }
    ) -> Interval? {
        precondition(parts.count == wholes.count, "one part for each whole")
        return interval(ofUnits: parts.count) { drawn in
            var (part, whole) = (0.0, 0.0)
            for unit in drawn { (part, whole) = (part + parts[unit], whole + wholes[unit]) }
            return whole > 0 ? transform(part / whole) : nil
        }
    }
}
