import Diagnostics
import Foundation

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
        PairwiseLoss("hinge", .logRatio) { pair in ScoreLoss(max(0, 1 - pair.z), slope: pair.z < 1 ? -pair.beta : 0) },
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
        // Losses of how much better a response is: rivals of the weight c, on the same coefficient files.
        // −log σ(βh − a log R). Amini et al. 2024 (arXiv 2402.10571), with their choice of f.
        PairwiseLoss("odpo", .logRatio, reading: .positive, [.offsetScale]) { pair in
            offset(pair, pair.difference.map { log($0) })
        },
        // −log σ(βh − a R). The same, f the identity.
        PairwiseLoss("odpo_linear", .logRatio, reading: .positive, [.offsetScale]) { pair in
            offset(pair, pair.difference)
        },
        // −σ(R/T) log σ(βh) − σ(−R/T) log σ(−βh): cross-entropy with the scorer's own probability as label.
        PairwiseLoss("soft", .logRatio, reading: .signed, [.temperature]) { pair in
            let label = Sigmoid((pair.difference ?? 0) / pair[.temperature])
            return ScoreLoss(
                -label.value * logSigmoid(pair.z) - label.complement * logSigmoid(-pair.z),
                slope: pair.beta * (label.complement * sigmoid(pair.z) - label.value * sigmoid(-pair.z)))
        },
        // (βh − ηR)². Fisch et al. 2024 (arXiv 2405.19316); NeMo-Aligner's rpo_sq.
        PairwiseLoss("distill", .logRatio, reading: .signed, [.rewardScale]) { pair in
            let distance = pair.z - pair[.rewardScale] * (pair.difference ?? 0)
            return ScoreLoss(distance * distance, slope: 2 * pair.beta * distance)
        },
        // KL(Bernoulli σ(ηR) ∥ Bernoulli σ(βh)). arXiv 2502.00203; NeMo-Aligner's rpo_bwd_kl.
        PairwiseLoss("rpo_bwd", .logRatio, reading: .signed, [.rewardScale]) { pair in
            let target = pair[.rewardScale] * (pair.difference ?? 0)
            let (q, p) = (Sigmoid(target), Sigmoid(pair.z))
            return ScoreLoss(divergence(q, target, from: pair.z), slope: pair.beta * (p.value - q.value))
        },
        // KL(Bernoulli σ(βh) ∥ Bernoulli σ(ηR)). The same sources, rpo_fwd_kl.
        PairwiseLoss("rpo_fwd", .logRatio, reading: .signed, [.rewardScale]) { pair in
            let target = pair[.rewardScale] * (pair.difference ?? 0)
            let p = Sigmoid(pair.z)
            return ScoreLoss(divergence(p, pair.z, from: target), slope: pair.beta * p.slope * (pair.z - target))
        },
    ]

    /// −log σ(βh − a f); without f plain DPO.
    private static func offset(_ pair: ScoredPair, _ f: Double?) -> ScoreLoss {
        let z = pair.z - (f.map { pair[.offsetScale] * $0 } ?? 0)
        return ScoreLoss(-logSigmoid(z), slope: -pair.beta * sigmoid(-z))
    }

    /// The divergence of σ(b) from σ(a), given σ(a) = `p`: Σ p (log p − log σ(b)).
    private static func divergence(_ p: Sigmoid, _ a: Double, from b: Double) -> Double {
        p.value * (logSigmoid(a) - logSigmoid(b)) + p.complement * (logSigmoid(-a) - logSigmoid(-b))
    }

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
    package static let simpoGamma = LossParameter("simpo_gamma", standard: 1, .atLeast(0), "SimPO's target margin.")
    package static let offsetScale = LossParameter(
        "offset_scale", standard: 1, .atLeast(0), "The margin asked for is so many times log R, or R.")
    package static let temperature = LossParameter(
        "temperature", standard: 1, .above(0), "The label is the probability σ(R / temperature).")
    package static let rewardScale = LossParameter(
        "reward_scale", standard: 1, .atLeast(0), "η, what R is multiplied by.")
}
