/// Which response of a list is better than which, from one score for each.
package enum ListRanking {
    /// All (better, worse) with `scores[better] > scores[worse]`; equal scores give no pair.
    package static func pairs(_ scores: [Double]) -> [(better: Int, worse: Int)] {
        scores.indices.flatMap { better in
            scores.indices.filter { scores[better] > scores[$0] }.map { (better, $0) }
        }
    }

    /// The first of the responses with the greatest score.
    ///
    /// - Precondition: there is a score, and none is NaN.
    package static func best(_ scores: [Double]) -> Int {
        precondition(!scores.isEmpty, "a list has responses")
        return scores.indices.dropFirst().reduce(0) { scores[$1] > scores[$0] ? $1 : $0 }
    }
}

/// The reward differences of all ordered pairs of a list's responses, `R_ij = −R_ji`.
package struct DifferenceMatrix: Sendable, Equatable {
    package let count: Int
    private let values: [Double]

    /// - Parameter difference: R of response `i` over response `j`; called once for each `i < j`.
    package init(count: Int, difference: (_ i: Int, _ j: Int) -> Double) {
        var values = [Double](repeating: 0, count: count * count)
        for i in 0..<count {
            for j in (i + 1)..<count {
                let value = difference(i, j)
                values[i * count + j] = value
                values[j * count + i] = -value
            }
        }
        (self.count, self.values) = (count, values)
    }

    package subscript(i: Int, j: Int) -> Double { values[i * count + j] }

    /// One score for each response: the scores of sum 0 whose differences are nearest to the matrix in the sum of
    /// squares `Σ_{i<j} (s_i − s_j − R_ij)²`. With every pair compared these are the means of the rows.
    package var scores: [Double] { (0..<count).map { i in (0..<count).reduce(0) { $0 + self[i, $1] } / Double(count) } }

    /// How many triples of responses contradict each other: i better than j, j than k, and k than i. No scores can
    /// reproduce them.
    package var cycles: Int {
        var found = 0
        for i in 0..<count {
            for j in (i + 1)..<count {
                for k in (j + 1)..<count {
                    let (ij, jk, ki) = (self[i, j], self[j, k], self[k, i])
                    if ij > 0 && jk > 0 && ki > 0 || ij < 0 && jk < 0 && ki < 0 { found += 1 }
                }
            }
        }
        return found
    }
}
