import Foundation

/// What to do with a pair whose scorer disagrees with its label (R < 0).
package enum Disagreement: String, Sendable, Codable, CaseIterable {
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
package enum Denominator: String, Sendable, Codable, CaseIterable {
    /// The number of pairs, as in the paper.
    case pairs
    /// The sum of the weights.
    case weights
}

/// How several sources of reward differences make one weight.
package enum Combination: String, Sendable, Codable, CaseIterable {
    /// The weight of the mean reward difference.
    case mean
    /// The product of the sources' weights.
    case product
}

/// What one source says of a pair, as it is stored.
package struct RewardDifference: Sendable, Equatable {
    /// d(x, first, second).
    package var difference: Double
    /// d(x, second, first); nil when the source is pointwise or does not say.
    package var reversed: Double?

    package init(difference: Double, reversed: Double? = nil) {
        (self.difference, self.reversed) = (difference, reversed)
    }

    /// The same comparison with first and second exchanged.
    package var exchanged: RewardDifference {
        if let reversed { return RewardDifference(difference: reversed, reversed: difference) }
        return RewardDifference(difference: -difference)
    }
}

/// From stored reward differences to the weight of a pair's loss, `c = R^α` (arXiv 2408.09385, section 3).
package struct CoefficientRule: Sendable, Equatable {
    package let alpha: Double
    /// Average both orders of the responses: `R = ½ (d(a, b) − d(b, a))`.
    package let symmetric: Bool
    package let disagreement: Disagreement

    /// - Precondition: `alpha` is finite and not negative.
    package init(alpha: Double, symmetric: Bool, disagreement: Disagreement) {
        precondition(alpha >= 0 && alpha.isFinite, "alpha must not be negative")
        (self.alpha, self.symmetric, self.disagreement) = (alpha, symmetric, disagreement)
    }

    /// The reward difference R. Without a reversed value (a pointwise scorer, a file of another program) it is
    /// `difference` itself.
    package func rewardDifference(_ stored: RewardDifference) -> Double {
        guard symmetric, let reversed = stored.reversed else { return stored.difference }
        return 0.5 * (stored.difference - reversed)
    }

    /// The mean R of several sources.
    package func rewardDifference(_ sources: [RewardDifference]) -> Double {
        sources.reduce(0) { $0 + rewardDifference($1) } / Double(sources.count)
    }

    /// The weight, and whether the pair's label is to be turned round.
    ///
    /// α = 0 gives exactly 1 and no turn for every pair, so that it reproduces the unweighted method bit for bit.
    package func weight(_ stored: RewardDifference) -> (weight: Double, flipped: Bool) {
        weight(rewardDifference: rewardDifference(stored))
    }

    /// One weight from what several sources say of a pair. One source alone gives the same weight either way.
    ///
    /// - Precondition: there is a source; a product of several is not asked to turn labels round, because its sources
    ///   may disagree on that.
    package func weight(_ sources: [RewardDifference], combined: Combination) -> (weight: Double, flipped: Bool) {
        precondition(!sources.isEmpty, "a weight needs a source")
        if sources.count == 1 { return weight(sources[0]) }
        switch combined {
        case .mean: return weight(rewardDifference: rewardDifference(sources))
        case .product:
            precondition(disagreement != .flip, "a product of weights has no label to turn round")
            return (sources.reduce(1) { $0 * weight($1).weight }, false)
        }
    }

    /// What a loss that is meant for R > 0 does with a pair, whatever α is.
    ///
    /// - Returns: R as the loss reads it, nil for none; whether the pair is left out; whether its label is turned round.
    package func positive(_ r: Double) -> (difference: Double?, isLeftOut: Bool, isFlipped: Bool) {
        if r > 0 { return (r, false, false) }
        return switch disagreement {
        case .zero: (nil, true, false)
        case .absolute: (-r, false, false)
        case .flip: (-r, false, true)
        case .keep: (nil, false, false)
        }
    }

    private func weight(rewardDifference r: Double) -> (weight: Double, flipped: Bool) {
        if alpha == 0 { return (1, false) }
        if r >= 0 { return (pow(r, alpha), false) }
        switch disagreement {
        case .zero: return (0, false)
        case .absolute: return (pow(-r, alpha), false)
        case .flip: return (pow(-r, alpha), true)
        case .keep: return (1, false)
        }
    }
}
