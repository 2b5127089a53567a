import Objectives

/// How far the differences of a list's pairs are those of one score for each response.
package struct ListConsistency: Encodable, Sendable {
    /// Lists of three responses and more of which every pair is known.
    package let lists: Int
    package let triples: Int
    /// Triples of responses in which i is better than j, j than k, and k than i.
    package let contradictions: Int
    /// Sum of squares that the nearest scores leave of the differences, over the differences' own.
    package let residual: Double

    /// Nil when there are no lists.
    init?(of pairs: ScoredPairs) {
        var (lists, triples, contradictions) = (0, 0, 0)
        var (left, whole) = (0.0, 0.0)
        pairs.forEachList { list in
            let (count, matrix) = (list.responses.count, list.differences)
            guard count > 2 else { return }
            let scores = matrix.scores
            lists += 1
            triples += count * (count - 1) * (count - 2) / 6
            contradictions += matrix.cycles
            for i in 0..<count {
                for j in (i + 1)..<count {
                    whole += matrix[i, j] * matrix[i, j]
                    left += (matrix[i, j] - scores[i] + scores[j]) * (matrix[i, j] - scores[i] + scores[j])
                }
            }
        }
        guard lists > 0 else { return nil }
        (self.lists, self.triples, self.contradictions) = (lists, triples, contradictions)
        residual = whole > 0 ? left / whole : 0
    }
}
