/// KTO (Ethayarajh et al. 2024, eq. 7): each response is judged alone, against what the policy does on average.
///
/// Desirable: `c λ_D (1 − σ(β(ρ − z₀)))`; undesirable: `c λ_U (1 − σ(β(z₀ − ρ)))`; `ρ = ℓ − ℓ_ref`.
package struct KTOObjective: Sendable, Equatable {
    package let beta: Double
    /// λ_D and λ_U.
    package let desirableWeight: Double
    package let undesirableWeight: Double

    /// A response's loss before its coefficient and the global denominator.
    package struct Result: Sendable, Equatable {
        package let loss: Double
        /// dLoss / d(policy log-probability sum).
        package let gradient: Double
        /// `βρ`.
        package let reward: Double
    }

    /// - Precondition: β > 0, the weights are not negative.
    package init(beta: Double, desirableWeight: Double = 1, undesirableWeight: Double = 1) {
        precondition(beta > 0, "beta must be positive")
        precondition(desirableWeight >= 0 && undesirableWeight >= 0, "KTO's weights must not be negative")
        (self.beta, self.desirableWeight, self.undesirableWeight) = (beta, desirableWeight, undesirableWeight)
    }

    /// - Parameters:
    ///   - logRatio: ρ.
    ///   - baseline: z₀; no gradient flows through it.
    package func evaluate(logRatio: Double, baseline: Double, isDesirable: Bool) -> Result {
        let sign: Double = isDesirable ? 1 : -1
        let weight = isDesirable ? desirableWeight : undesirableWeight
        let value = Sigmoid(sign * beta * (logRatio - baseline))
        return Result(
            loss: weight * value.complement, gradient: -sign * weight * beta * value.slope, reward: beta * logRatio)
    }

    /// z₀, an estimate of the divergence of the policy from the reference: the mean of ρ over mismatched pairs of query
    /// and response, at least 0.
    ///
    /// - Parameters:
    ///   - sum: of ρ over `count` pairs. Without a pair there is no estimate, and z₀ is 0.
    package static func baseline(sum: Double, count: Double) -> Double {
        let mean = count > 0 ? sum / count : 0
        // Not `max`, which turns NaN into 0.
        return mean < 0 ? 0 : mean
    }

    /// `λ_D n_D / (λ_U n_U)` for a data set's numbers of desirable and undesirable responses; infinite when nothing
    /// undesirable counts, NaN when nothing counts at all.
    package func balance(desirable: Int, undesirable: Int) -> Double {
        desirableWeight * Double(desirable) / (undesirableWeight * Double(undesirable))
    }

    /// λ_D that brings the data's balance to the nearer end of the range that the authors advise (eq. 8), when it lies
    /// outside; nil when it is inside or no weight can help.
    package func advisedDesirableWeight(desirable: Int, undesirable: Int) -> Double? {
        let balance = balance(desirable: desirable, undesirable: undesirable)
        let (low, high) = (1.0, 4.0 / 3)
        // One part in a thousand of tolerance: weights are written with a few digits.
        guard balance.isFinite, balance > 0, balance < low * 0.999 || balance > high * 1.001 else { return nil }
        return desirableWeight * (balance < low ? low : high) / balance
    }
}
