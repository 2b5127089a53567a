/// Quantiles of a list of numbers, with linear interpolation between neighbours, as numpy computes them.
package struct Quantiles: Encodable, Sendable {
    package struct Quantile: Sendable {
        /// From 0 (minimum) to 1 (maximum).
        package let share: Double
        package let value: Double
    }

    /// What the numbers are, as JSON calls them.
    private let name: String
    /// None when there are no numbers.
    package let values: [Quantile]

    init(of numbers: [Double], named name: String) {
        self.name = name
        let sorted = numbers.sorted()
        let shares = sorted.isEmpty ? [] : [0, 0.01, 0.05, 0.25, 0.5, 0.75, 0.95, 0.99, 1]
        values = shares.map { Quantile(share: $0, value: Self.quantile($0, ofSorted: sorted)) }
    }

    /// - Precondition: there is a number.
    static func quantile(_ share: Double, ofSorted sorted: [Double]) -> Double {
        let last = sorted.count - 1
        let position = share * Double(last)
        let lower = min(Int(position), last)
        let upper = min(lower + 1, last)
        let weight = position - Double(lower)
        return sorted[lower] + weight * (sorted[upper] - sorted[lower])
    }

    package func encode(to encoder: any Encoder) throws {
        var list = encoder.singleValueContainer()
        try list.encode(values.map { ["share": $0.share, name: $0.value] })
    }
}

extension [Double] {
    /// Nil when there are none.
    package var mean: Double? { isEmpty ? nil : reduce(0, +) / Double(count) }

    /// Pearson's; nil where either side never changes.
    package func correlation(with others: [Double]) -> Double? {
        guard let own = mean, let other = others.mean else { return nil }
        var (ab, aa, bb) = (0.0, 0.0, 0.0)
        for (x, y) in zip(self, others) {
            ab += (x - own) * (y - other)
            aa += (x - own) * (x - own)
            bb += (y - other) * (y - other)
        }
        return aa > 0 && bb > 0 ? ab / (aa * bb).squareRoot() : nil
    }

    /// Spearman's; nil where either side never changes.
    package func rankCorrelation(with others: [Double]) -> Double? { ranks.correlation(with: others.ranks) }

    /// From 0; equal numbers share their mean rank.
    private var ranks: [Double] {
        let order = indices.sorted { self[$0] < self[$1] }
        var ranks = [Double](repeating: 0, count: count)
        var start = 0
        while start < order.count {
            var end = start
            while end < order.count && self[order[end]] == self[order[start]] { end += 1 }
            for index in order[start..<end] { ranks[index] = Double(start + end - 1) / 2 }
            start = end
        }
        return ranks
    }
}
