import Foundation

/// How often numbers fall into parts of equal width between the least and the greatest.
package struct Histogram: Encodable, Sendable {
    package let from: Double
    package let to: Double
    package let counts: [Int]

    /// Nil when there are no numbers.
    package init?(of numbers: [Double], parts: Int = 20) {
        guard let from = numbers.min(), let to = numbers.max() else { return nil }
        var counts = [Int](repeating: 0, count: parts)
        for number in numbers {
            // The greatest belongs to the last part, as numpy counts.
            let part = to > from ? Int((number - from) / (to - from) * Double(parts)) : 0
            counts[min(part, parts - 1)] += 1
        }
        (self.from, self.to, self.counts) = (from, to, counts)
    }

    /// A line for each part with a bar of up to 40 characters.
    var lines: [String] {
        let most = max(1, counts.max() ?? 1)
        let width = (to - from) / Double(counts.count)
        return counts.enumerated().map { part, count in
            let start = String(format: "%9.3f", from + width * Double(part))
            return "  \(start)  \(String(repeating: "#", count: (40 * count + most - 1) / most)) \(count)"
        }
    }
}
