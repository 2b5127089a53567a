import Foundation

/// The pairwise losses that take a coefficient.
public enum PairwiseVariant: String, Sendable, Codable, CaseIterable {
    case dpo, ipo
    case ipoMean = "ipo_mean"
    case hinge, simpo, robust

    /// SimPO alone compares the policy with no reference.
    public var needsReference: Bool { self != .simpo }
    /// Whether the loss knows label smoothing.
    public var takesLabelSmoothing: Bool { self == .dpo || self == .robust }
}

/// Log-probability sums of a pair's responses under policy and reference, and the responses' lengths.
public struct PairLogProbabilities: Sendable, Equatable {
    public var policyChosen: Double
    public var policyRejected: Double
    public var referenceChosen: Double
    public var referenceRejected: Double
    /// Tokens, EOS included.
    public var chosenTokens: Int
    public var rejectedTokens: Int

    public init(
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
public struct PairwiseResult: Sendable, Equatable {
    public let loss: Double
    /// dLoss / d(policy log-probability sum).
    public let gradientChosen: Double
    public let gradientRejected: Double
    /// `h = (ℓ_w − ℓ_ref,w) − (ℓ_l − ℓ_ref,l)`, summed over tokens, whatever the variant: 0 where policy and reference agree.
    public let margin: Double
    /// The variant's implicit reward of each response: `β (ℓ − ℓ_ref)`, for `ipo_mean` per token, for `simpo` `β ℓ / ∣y∣`.
    public let rewardChosen: Double
    public let rewardRejected: Double
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
public struct PairwiseObjective: Sendable, Equatable {
    public let variant: PairwiseVariant
    public let beta: Double
    public let labelSmoothing: Double
    public let simpoGamma: Double

    /// - Precondition: β > 0, 0 ≤ ε < ½.
    public init(variant: PairwiseVariant, beta: Double, labelSmoothing: Double = 0, simpoGamma: Double = 0) {
        precondition(beta > 0, "beta must be positive")
        precondition(labelSmoothing >= 0 && labelSmoothing < 0.5, "label smoothing must be in [0, 1/2)")
        self.variant = variant
        self.beta = beta
        self.labelSmoothing = labelSmoothing
        self.simpoGamma = simpoGamma
    }

    public func evaluate(_ pair: PairLogProbabilities) -> PairwiseResult {
        let chosenRatio = pair.policyChosen - pair.referenceChosen
        let rejectedRatio = pair.policyRejected - pair.referenceRejected
        // The variants differ in how they score a response and in the loss as a function of the scores' difference.
        let isAveraged = variant == .ipoMean || variant == .simpo
        let chosenScale = isAveraged ? 1 / Double(pair.chosenTokens) : 1
        let rejectedScale = isAveraged ? 1 / Double(pair.rejectedTokens) : 1
        let chosenScore = chosenScale * (variant == .simpo ? pair.policyChosen : chosenRatio)
        let rejectedScore = rejectedScale * (variant == .simpo ? pair.policyRejected : rejectedRatio)
        let (loss, slope) = lossAndSlope(chosenScore - rejectedScore)
        return PairwiseResult(
            loss: loss, gradientChosen: slope * chosenScale, gradientRejected: -slope * rejectedScale,
            margin: chosenRatio - rejectedRatio, rewardChosen: beta * chosenScore, rewardRejected: beta * rejectedScore)
    }

    /// The loss as a function of the scores' difference `h`, and its derivative.
    private func lossAndSlope(_ h: Double) -> (loss: Double, slope: Double) {
        let epsilon = labelSmoothing
        let z = beta * h
        switch variant {
        case .dpo:
            return (
                -(1 - epsilon) * logSigmoid(z) - epsilon * logSigmoid(-z),
                beta * (epsilon * sigmoid(z) - (1 - epsilon) * sigmoid(-z))
            )
        case .ipo, .ipoMean:
            let distance = h - 1 / (2 * beta)
            return (distance * distance, 2 * distance)
        case .hinge:
            return (max(0, 1 - z), z < 1 ? -beta : 0)
        case .simpo:
            return (-logSigmoid(z - simpoGamma), -beta * sigmoid(simpoGamma - z))
        case .robust:
            let scale = 1 / (1 - 2 * epsilon)
            return (
                scale * (epsilon * logSigmoid(-z) - (1 - epsilon) * logSigmoid(z)),
                -scale * beta * (epsilon * sigmoid(z) + (1 - epsilon) * sigmoid(-z))
            )
        }
    }
}
