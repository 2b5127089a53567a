import Foundation

/// Whether a scorer is right as often as it says.
package struct Calibration: Sendable {
    /// Pairs whose better response the scorer gives the probability σ(|R|) from `from` to below `to`.
    package struct Bin: Encodable, Sendable {
        package let from: Double
        package let to: Double
        package let count: Int
        package let confidence: Double
        package let accuracy: Double
    }

    /// In ten parts of 0.5 to 1; those without a pair are left out.
    package let bins: [Bin]
    /// Mean distance of confidence and accuracy over the bins, each by its share of the pairs (expected calibration error).
    package let error: Double

    /// - Parameter pairs: |R|, and 1 where the scorer is right and 0 where it is not, or the probability that it is.
    package init(of pairs: [(sureness: Double, right: Double)]) {
        var sums = [(count: Int, confidence: Double, right: Double)](repeating: (0, 0, 0), count: 10)
        for (sureness, right) in pairs {
            let confidence = 1 / (1 + exp(-sureness))
            let bin = min(9, Int((confidence - 0.5) * 20))
            sums[bin].count += 1
            sums[bin].confidence += confidence
            sums[bin].right += right
        }
        bins = sums.enumerated().filter { $1.count > 0 }.map { bin, sum in
            Bin(
                from: 0.5 + Double(bin) / 20, to: 0.55 + Double(bin) / 20, count: sum.count,
                confidence: sum.confidence / Double(sum.count), accuracy: sum.right / Double(sum.count))
        }
        error = bins.reduce(0) { sum, bin in
            sum + abs(bin.confidence - bin.accuracy) * Double(bin.count) / Double(pairs.count)
        }
    }
}
