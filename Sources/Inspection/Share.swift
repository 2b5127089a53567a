import Foundation

/// A share of some cases, with the interval in which the share of all such cases lies with 95 % (Wilson 1927).
package struct Share: Encodable, Sendable, Equatable {
    package let share: Double
    package let low: Double
    package let high: Double
    package let count: Int

    /// Nil when there is no case.
    package init?(of hits: Int, among count: Int) {
        guard count > 0 else { return nil }
        let (n, p, z) = (Double(count), Double(hits) / Double(count), 1.959963984540054)
        let centre = (p + z * z / (2 * n)) / (1 + z * z / n)
        let half = z / (1 + z * z / n) * (p * (1 - p) / n + z * z / (4 * n * n)).squareRoot()
        (share, low, high, self.count) = (p, max(0, centre - half), min(1, centre + half), count)
    }

    package init?(_ cases: some Collection<Bool>) { self.init(of: cases.count { $0 }, among: cases.count) }

    var text: String {
        func short(_ value: Double) -> String { String(format: "%.3f", value) }
        return "\(rounded(share)) (\(short(low)) to \(short(high)), \(count) pairs)"
    }
}
