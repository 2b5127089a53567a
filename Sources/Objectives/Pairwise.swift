import Foundation

/// The pairwise losses that take a coefficient.
package enum PairwiseVariant: String, Sendable, Codable, CaseIterable {
    case dpo, ipo
    case ipoMean = "ipo_mean"
    case hinge, simpo, robust, orpo
    case apoZero = "apo_zero"
    case apoDown = "apo_down"

    /// SimPO and ORPO compare the policy with no reference.
    package var needsReference: Bool { self != .simpo && self != .orpo }
    /// Whether the loss knows label smoothing.
    package var takesLabelSmoothing: Bool { self == .dpo || self == .robust }
}

/// Log-probability sums of a pair's responses under policy and reference, and the responses' lengths.
package struct PairLogProbabilities: Sendable, Equatable {
    package var policyChosen: Double
    package var policyRejected: Double
    package var referenceChosen: Double
    package var referenceRejected: Double
    /// Tokens, EOS included.
    package var chosenTokens: Int
    package var rejectedTokens: Int

    package init(
        policyChosen: Double, policyRejected: Double, referenceChosen: Double, referenceRejected: Double,
        chosenTokens: Int, rejectedTokens: Int
    ) {
        self.policyChosen = policyChosen
        self.policyRejected = policyRejected
        self.referenceChosen = referenceChosen
        self.referenceRejected = referenceRejected
        self.chosenTokens = chosenTokens
        self.rejectedTokens = rejectedTokens
    }
}

/// A pair's loss before its coefficient and the global denominator, and its gradients.
package struct PairwiseResult: Sendable, Equatable {
    package let loss: Double
    /// dLoss / d(policy log-probability sum).
    package let gradientChosen: Double
    package let gradientRejected: Double
    /// `h = (ℓ_w − ℓ_ref,w) − (ℓ_l − ℓ_ref,l)`, summed over tokens, whatever the variant: 0 where policy and reference agree.
    package let margin: Double
    /// The variant's implicit reward of each response: `β (ℓ − ℓ_ref)`, for `ipo_mean` per token, for `simpo` and
    /// `orpo` `β ℓ / ∣y∣`.
    package let rewardChosen: Double
    package let rewardRejected: Double
}

/// DPO and its relatives as functions of a pair's log-probabilities.
///
/// | variant | loss | source |
/// |---|---|---|
/// | `dpo` | `−(1 − ε) log σ(βh) − ε log σ(−βh)` | Rafailov et al. 2023, eq. 7; ε > 0 is conservative DPO (Mitchell 2023) |
/// | `ipo` | `(h − 1/(2β))²`, h of sums | Azar et al. 2023, eq. 17 |
/// | `ipo_mean` | the same with h of per-token means | as TRL computes it |
/// | `hinge` | `max(0, 1 − βh)` | Zhao et al. 2023 (SLiC) |
/// | `simpo` | `−log σ(β(ℓ_w/∣y_w∣ − ℓ_l/∣y_l∣) − γ)`, no reference | Meng et al. 2024, eq. 6 |
/// | `robust` | `(−(1 − ε) log σ(βh) + ε log σ(−βh)) / (1 − 2ε)` | Chowdhury et al. 2024, eq. 12 |
/// | `orpo` | `−p_w − β log σ(o(p_w) − o(p_l))`, `p = ℓ/∣y∣`, `o(p) = p − log(1 − e^p)`, no reference | Hong et al. 2024, eq. 6 and 7 |
/// | `apo_zero` | `1 − σ(βρ_w) + σ(βρ_l)`, `ρ = ℓ − ℓ_ref` | D'Oosterlinck et al. 2024, eq. 7 |
/// | `apo_down` | `σ(βρ_w) + 1 − σ(β(ρ_w − ρ_l))` | the same, eq. 8 |
package struct PairwiseObjective: Sendable, Equatable {
    package let variant: PairwiseVariant
    package let beta: Double
    package let labelSmoothing: Double
    package let simpoGamma: Double

    /// - Precondition: β > 0, 0 ≤ ε < ½.
    package init(variant: PairwiseVariant, beta: Double, labelSmoothing: Double = 0, simpoGamma: Double = 0) {
        precondition(beta > 0, "beta must be positive")
        precondition(labelSmoothing >= 0 && labelSmoothing < 0.5, "label smoothing must be in [0, 1/2)")
        self.variant = variant
        self.beta = beta
        self.labelSmoothing = labelSmoothing
        self.simpoGamma = simpoGamma
    }

    package func evaluate(_ pair: PairLogProbabilities) -> PairwiseResult {
        let chosenRatio = pair.policyChosen - pair.referenceChosen
        let rejectedRatio = pair.policyRejected - pair.referenceRejected
        // The variants differ in how they score a response and in the loss as a function of both scores.
        let isAveraged = [.ipoMean, .simpo, .orpo].contains(variant)
        let chosenScale = isAveraged ? 1 / Double(pair.chosenTokens) : 1
        let rejectedScale = isAveraged ? 1 / Double(pair.rejectedTokens) : 1
        let chosenScore = chosenScale * (variant.needsReference ? chosenRatio : pair.policyChosen)
        let rejectedScore = rejectedScale * (variant.needsReference ? rejectedRatio : pair.policyRejected)
        let (loss, chosenSlope, rejectedSlope) = lossAndSlopes(chosenScore, rejectedScore)
        return PairwiseResult(
            loss: loss, gradientChosen: chosenSlope * chosenScale, gradientRejected: rejectedSlope * rejectedScale,
            margin: chosenRatio - rejectedRatio, rewardChosen: beta * chosenScore, rewardRejected: beta * rejectedScore)
    }

    /// The loss as a function of the two scores, and its derivatives.
    private func lossAndSlopes(_ chosen: Double, _ rejected: Double) -> (loss: Double, Double, Double) {
        /// A loss of the scores' difference alone pulls both responses equally.
        func symmetric(_ loss: Double, slope: Double) -> (Double, Double, Double) { (loss, slope, -slope) }
        let epsilon = labelSmoothing
        let h = chosen - rejected
        let z = beta * h
        switch variant {
        case .dpo:
            return symmetric(
                -(1 - epsilon) * logSigmoid(z) - epsilon * logSigmoid(-z),
                slope: beta * (epsilon * sigmoid(z) - (1 - epsilon) * sigmoid(-z)))
        case .ipo, .ipoMean:
            let distance = h - 1 / (2 * beta)
            return symmetric(distance * distance, slope: 2 * distance)
        case .hinge:
            return symmetric(max(0, 1 - z), slope: z < 1 ? -beta : 0)
        case .simpo:
            return symmetric(-logSigmoid(z - simpoGamma), slope: -beta * sigmoid(simpoGamma - z))
        case .robust:
            let scale = 1 / (1 - 2 * epsilon)
            return symmetric(
                scale * (epsilon * logSigmoid(-z) - (1 - epsilon) * logSigmoid(z)),
                slope: -scale * beta * (epsilon * sigmoid(z) + (1 - epsilon) * sigmoid(-z)))
        case .orpo:
            let (better, worse) = (LogOdds(chosen), LogOdds(rejected))
            let pull = beta * sigmoid(worse.value - better.value)
            return (
                -chosen - beta * logSigmoid(better.value - worse.value), -1 - pull * better.slope, pull * worse.slope
            )
        case .apoZero:
            let (better, worse) = (Sigmoid(beta * chosen), Sigmoid(beta * rejected))
            return (better.complement + worse.value, -beta * better.slope, beta * worse.slope)
        case .apoDown:
            let (better, both) = (Sigmoid(beta * chosen), Sigmoid(z))
            return (better.value + both.complement, beta * (better.slope - both.slope), beta * both.slope)
        }
    }
}
