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
        let cases = pairs.map { (confidence: 1 / (1 + exp(-$0.sureness)), right: $0.right) }
        let binned = Dictionary(grouping: cases) { min(9, Int(($0.confidence - 0.5) * 20)) }
        bins = binned.sorted { $0.key < $1.key }.map { bin, members in
            Bin(
                from: 0.5 + Double(bin) / 20, to: 0.55 + Double(bin) / 20, count: members.count,
                confidence: members.reduce(0) { $0 + $1.confidence } / Double(members.count),
                accuracy: members.reduce(0) { $0 + $1.right } / Double(members.count))
        }
        error = bins.reduce(0) { sum, bin in
            sum + abs(bin.confidence - bin.accuracy) * Double(bin.count) / Double(pairs.count)
        }
    }
}
