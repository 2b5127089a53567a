import Objectives

/// The weights that training would give the labelled pairs, for some powers α.
package struct WeightForecast: Encodable, Sendable {
    package struct Row: Encodable, Sendable {
        package let alpha: Double
        package let mean: Double
        package let zeroShare: Double
        /// How many pairs of equal weight would say as much: (Σc)² / Σc² (Kish 1965).
        package let effectivePairs: Double
    }

    package let disagreement: String
    package let pairs: Int
    package let rows: [Row]

    /// Nil when no pair has a label.
    init?(of pairs: ScoredPairs, disagreement: Disagreement) {
        let labelled = pairs.labelled
        guard !labelled.isEmpty else { return nil }
        (self.disagreement, self.pairs) = (disagreement.rawValue, labelled.count)
        rows = [0, 0.25, 0.5, 1, 2].map { alpha in
            let rule = CoefficientRule(alpha: alpha, symmetric: true, disagreement: disagreement)
            var (sum, squares, zeros) = (0.0, 0.0, 0)
            for pair in labelled {
                let weight = pairs.weight(pair, by: rule)
                sum += weight
                squares += weight * weight
                zeros += weight == 0 ? 1 : 0
            }
            let count = Double(labelled.count)
            return Row(
                alpha: alpha, mean: sum / count, zeroShare: Double(zeros) / count,
                effectivePairs: squares > 0 ? sum * sum / squares : 0)
        }
    }
}
