import Diagnostics

/// DPO and its relatives: every pairwise loss is one entry here (and one row of docs/objectives.md).
extension PairwiseLoss {
    package static let allCases: [PairwiseLoss] = [
        // −(1 − ε) log σ(βh) − ε log σ(−βh). Rafailov et al. 2023, eq. 7; ε > 0 is conservative DPO (Mitchell 2023).
        PairwiseLoss("dpo", .logRatio, [.labelSmoothing]) { pair in
            let (epsilon, z) = (pair[.labelSmoothing], pair.z)
            return ScoreLoss(
                -(1 - epsilon) * logSigmoid(z) - epsilon * logSigmoid(-z),
                slope: pair.beta * (epsilon * sigmoid(z) - (1 - epsilon) * sigmoid(-z)))
        },
        // (h − 1/(2β))², h of sums. Azar et al. 2023, eq. 17.
        PairwiseLoss("ipo", .logRatio, [], squaredDistance),
        // The same with h of per-token means, as TRL computes it.
        PairwiseLoss("ipo_mean", .meanLogRatio, [], squaredDistance),
        // max(0, 1 − βh). SLiC, Zhao et al. 2023.
        PairwiseLoss("hinge", .logRatio) { pair in
            ScoreLoss(max(0, 1 - pair.z), slope: pair.z < 1 ? -pair.beta : 0)
        },
        // −log σ(β(ℓ_w/∣y_w∣ − ℓ_l/∣y_l∣) − γ). Meng et al. 2024, eq. 6.
        PairwiseLoss("simpo", .meanLogProbability, [.simpoGamma]) { pair in
            let (gamma, z) = (pair[.simpoGamma], pair.z)
            return ScoreLoss(-logSigmoid(z - gamma), slope: -pair.beta * sigmoid(gamma - z))
        },
        // (−(1 − ε) log σ(βh) + ε log σ(−βh)) / (1 − 2ε). Chowdhury et al. 2024, eq. 12.
        PairwiseLoss("robust", .logRatio, [.labelSmoothing]) { pair in
            let (epsilon, z) = (pair[.labelSmoothing], pair.z)
            let scale = 1 / (1 - 2 * epsilon)
            return ScoreLoss(
                scale * (epsilon * logSigmoid(-z) - (1 - epsilon) * logSigmoid(z)),
                slope: -scale * pair.beta * (epsilon * sigmoid(z) + (1 - epsilon) * sigmoid(-z)))
        },
        // −p_w − β log σ(o(p_w) − o(p_l)), p = ℓ/∣y∣, o(p) = p − log(1 − e^p). Hong et al. 2024, eq. 6 and 7.
        PairwiseLoss("orpo", .meanLogProbability) { pair in
            let (better, worse) = (LogOdds(pair.chosen), LogOdds(pair.rejected))
            let pull = pair.beta * sigmoid(worse.value - better.value)
            return ScoreLoss(
                -pair.chosen - pair.beta * logSigmoid(better.value - worse.value),
                chosenSlope: -1 - pull * better.slope, rejectedSlope: pull * worse.slope)
        },
        // 1 − σ(βρ_w) + σ(βρ_l). D'Oosterlinck et al. 2024, eq. 7.
        PairwiseLoss("apo_zero", .logRatio) { pair in
            let (better, worse) = (Sigmoid(pair.beta * pair.chosen), Sigmoid(pair.beta * pair.rejected))
            return ScoreLoss(
                better.complement + worse.value, chosenSlope: -pair.beta * better.slope,
                rejectedSlope: pair.beta * worse.slope)
        },
        // σ(βρ_w) + 1 − σ(β(ρ_w − ρ_l)). The same, eq. 8.
        PairwiseLoss("apo_down", .logRatio) { pair in
            let (better, both) = (Sigmoid(pair.beta * pair.chosen), Sigmoid(pair.z))
            return ScoreLoss(
                better.value + both.complement, chosenSlope: pair.beta * (better.slope - both.slope),
                rejectedSlope: pair.beta * both.slope)
        },
    ]

    /// The first of them, and the default.
    package static var dpo: PairwiseLoss { allCases[0] }

    private static func squaredDistance(_ pair: ScoredPair) -> ScoreLoss {
        let distance = pair.h - 1 / (2 * pair.beta)
        return ScoreLoss(distance * distance, slope: 2 * distance)
    }
}

extension LossParameter {
    package static let labelSmoothing = LossParameter(
        "label_smoothing", standard: 0, .below(0, 0.5), neutral: 0, "Assumed share of wrong labels.")
    package static let simpoGamma = LossParameter(
        "simpo_gamma", standard: 1, .atLeast(0), "SimPO's target margin.")
}
