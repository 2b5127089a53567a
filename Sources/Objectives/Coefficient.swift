import Foundation

/// What to do with a pair whose scorer disagrees with its label (R < 0).
public enum Disagreement: String, Sendable, Codable, CaseIterable {
    /// Weight 0: the pair is left out.
    case zero
    /// Weight |R|^α, the label stands.
    case absolute
    /// Weight |R|^α and the label is turned round.
    case flip
    /// Weight 1, the label stands.
    case keep
}

/// What the summed weighted loss is divided by.
public enum Denominator: String, Sendable, Codable, CaseIterable {
    /// The number of pairs, as in the paper.
    case pairs
    /// The sum of the weights.
    case weights
}

/// From stored reward differences to the weight of a pair's loss, `c = R^α` (arXiv 2408.09385, section 3).
public struct CoefficientRule: Sendable, Equatable {
    public let alpha: Double
    /// Average both orders of the responses: `R = ½ (d(a, b) − d(b, a))`.
    public let symmetric: Bool
    public let disagreement: Disagreement

    /// - Precondition: `alpha` is finite and not negative.
    public init(alpha: Double, symmetric: Bool, disagreement: Disagreement) {
        precondition(alpha >= 0 && alpha.isFinite, "alpha must not be negative")
        self.alpha = alpha
        self.symmetric = symmetric
        self.disagreement = disagreement
    }

    /// The reward difference R. Without a reversed value (a pointwise scorer, a file of another program) it is
    /// `difference` itself.
    public func rewardDifference(difference: Double, reversed: Double?) -> Double {
        guard symmetric, let reversed else { return difference }
        return 0.5 * (difference - reversed)
    }

    /// The weight, and whether the pair's label is to be turned round.
    ///
    /// α = 0 gives exactly 1 and no turn for every pair, so that it reproduces the unweighted method bit for bit.
    public func weight(difference: Double, reversed: Double?) -> (weight: Double, flipped: Bool) {
        if alpha == 0 { return (1, false) }
        let r = rewardDifference(difference: difference, reversed: reversed)
        if r >= 0 { return (pow(r, alpha), false) }
        switch disagreement {
        case .zero: return (0, false)
        case .absolute: return (pow(-r, alpha), false)
        case .flip: return (pow(-r, alpha), true)
        case .keep: return (1, false)
        }
    }
}
