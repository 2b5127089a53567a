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
        guard let places = pairs.places else { return nil }
        var (lists, triples, contradictions) = (0, 0, 0)
        var (left, whole) = (0.0, 0.0)
        var start = 0
        while start < pairs.count {
            // A list's pairs stand together.
            var end = start
            var responses: [Int32: Int] = [:]
            while end < pairs.count, places[end].query == places[start].query,
                end == start || responses[places[end].first] != nil || responses[places[end].second] != nil
            {
                for response in [places[end].first, places[end].second] where responses[response] == nil {
                    responses[response] = responses.count
                }
                end += 1
            }
            defer { start = end }
            let count = responses.count
            guard count > 2, end - start == count * (count - 1) / 2 else { continue }
            var known = [Double](repeating: 0, count: count * count)
            for pair in start..<end {
                guard let i = responses[places[pair].first], let j = responses[places[pair].second] else { continue }
                known[i * count + j] = pairs.differences[pair]
                known[j * count + i] = -pairs.differences[pair]
            }
            let matrix = DifferenceMatrix(count: count) { known[$0 * count + $1] }
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
