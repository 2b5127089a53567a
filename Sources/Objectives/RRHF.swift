import Foundation

/// What the log-probability of a list's response is divided by before responses are compared.
package enum LengthRule: String, Sendable, Codable, CaseIterable {
    /// `∣y∣^γ`, the response's own tokens: the published formula.
    case tokens
    /// The width to which the released code pads all sequences of a list, `∣x∣ + max ∣y∣`: its mask is overwritten
    /// before it is counted. The same width divides the supervised term, and γ acts on the ranking alone.
    case padded
}

/// Log-probability sums of a list's responses under the policy.
package struct ListLogProbabilities: Sendable, Equatable {
    package var policy: [Double]
    /// Tokens of each response, EOS included.
    package var tokens: [Int]
    /// Tokens of the query, BOS included.
    package var queryTokens: Int

    package init(policy: [Double], tokens: [Int], queryTokens: Int) {
        (self.policy, self.tokens, self.queryTokens) = (policy, tokens, queryTokens)
    }
}

/// One ordered pair of a list's responses.
package struct RankedPair: Sendable, Equatable, BitwiseCopyable {
    /// Index of the response that should be more probable.
    package var better: Int
    package var worse: Int
    /// `f(R)^α`; 1 without coefficients.
    package var weight: Double

    package init(better: Int, worse: Int, weight: Double = 1) {
        (self.better, self.worse, self.weight) = (better, worse, weight)
    }
}

/// RRHF (Yuan et al. 2023, section 3.1), each ordered pair weighted by its coefficient (arXiv 2408.09385):
/// `w Σ c_ij max(0, p_j − p_i) + L_sft(y_best)` over the pairs with i better than j, `p = ℓ / ∣y∣^γ`, and `L_sft` the mean
/// token loss of the best response. No margin; the sum is not divided by the number of pairs.
package struct RRHFObjective: Sendable, Equatable {
    /// w, the weight of the ranking term.
    package let rankingWeight: Double
    /// γ.
    package let lengthExponent: Double
    package let length: LengthRule

    /// A list's loss before the global denominator.
    package struct Result: Sendable, Equatable {
        package let loss: Double
        /// `Σ c_ij max(0, p_j − p_i)`, without w.
        package let lossRanking: Double
        package let lossSupervised: Double
        /// dLoss / d(log-probability sum) of each response.
        package let gradients: [Double]
        /// Pairs whose order the policy has right: p_i > p_j.
        package let correctPairs: Int
    }

    /// What one pair contributes to a list's loss: `w c max(0, −margin)`.
    package struct Term: Sendable, Equatable {
        /// `p_i − p_j`: positive when the policy has the order right.
        package let margin: Double
        package let loss: Double
        /// dLoss / d(log-probability sum) of the better and of the worse response.
        package let gradientBetter: Double
        package let gradientWorse: Double
    }

    /// - Precondition: w ≥ 0.
    package init(rankingWeight: Double = 1, lengthExponent: Double = 1, length: LengthRule = .tokens) {
        precondition(rankingWeight >= 0, "the ranking weight must not be negative")
        (self.rankingWeight, self.lengthExponent, self.length) = (rankingWeight, lengthExponent, length)
    }

    /// - Parameters:
    ///   - pairs: the ordered pairs; none when all responses are equally good.
    ///   - best: the response that the supervised term learns.
    package func evaluate(_ list: ListLogProbabilities, pairs: [RankedPair], best: Int) -> Result {
        precondition(list.policy.count == list.tokens.count, "one length for each response")
        let (lengths, scales, scores) = normalized(list)
        var gradients = [Double](repeating: 0, count: scores.count)
        var lossRanking = 0.0
        for pair in pairs where scores[pair.worse] > scores[pair.better] {
            lossRanking += pair.weight * (scores[pair.worse] - scores[pair.better])
            gradients[pair.worse] += rankingWeight * pair.weight * scales[pair.worse]
            gradients[pair.better] -= rankingWeight * pair.weight * scales[pair.better]
        }
        gradients[best] -= 1 / lengths[best]
        let lossSupervised = -list.policy[best] / lengths[best]
        return Result(
            loss: rankingWeight * lossRanking + lossSupervised, lossRanking: lossRanking,
            lossSupervised: lossSupervised, gradients: gradients,
            correctPairs: pairs.count { scores[$0.better] > scores[$0.worse] })
    }

    /// The ranking loss pair by pair.
    package func terms(_ list: ListLogProbabilities, pairs: [RankedPair]) -> [Term] {
        let (_, scales, scores) = normalized(list)
        return pairs.map { pair in
            let margin = scores[pair.better] - scores[pair.worse]
            guard margin < 0 else { return Term(margin: margin, loss: 0, gradientBetter: 0, gradientWorse: 0) }
            let pull = rankingWeight * pair.weight
            return Term(
                margin: margin, loss: pull * -margin, gradientBetter: -pull * scales[pair.better],
                gradientWorse: pull * scales[pair.worse])
        }
    }

    /// What each response is divided by, dp / dℓ and p.
    private func normalized(_ list: ListLogProbabilities) -> (lengths: [Double], scales: [Double], scores: [Double]) {
        let width = list.queryTokens + (list.tokens.max() ?? 0)
        let lengths = list.tokens.map { Double(length == .tokens ? $0 : width) }
        let scales = lengths.map { 1 / pow($0, lengthExponent) }
        return (lengths, scales, zip(list.policy, scales).map { $0 * $1 })
    }
}
