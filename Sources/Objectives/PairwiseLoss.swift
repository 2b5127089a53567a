import Diagnostics

/// One pairwise loss: how it scores a response, the parameters it has beside β, and the loss as a function of the scores.
///
/// All of them stand in `PairwiseLosses.swift`, the one place where a loss is added.
package struct PairwiseLoss: Sendable {
    /// What stands for a response in the loss.
    package enum Score: Sendable {
        /// `ρ = ℓ − ℓ_ref`, summed over tokens.
        case logRatio
        /// `ρ / ∣y∣`.
        case meanLogRatio
        /// `ℓ / ∣y∣`: the policy alone, without a reference.
        case meanLogProbability
    }

    /// What a loss makes of the pair's raw reward difference R, beside its weight.
    package enum Reading: Sendable {
        case nothing
        /// R, whatever its sign.
        case signed
        /// R > 0: of the others `disagreement` says what becomes of them.
        case positive
    }

    /// `dpo.variant`.
    package let name: String
    let score: Score
    package let reading: Reading
    package let parameters: [LossParameter]
    let function: @Sendable (ScoredPair) -> ScoreLoss

    init(
        _ name: String, _ score: Score, reading: Reading = .nothing, _ parameters: [LossParameter] = [],
        _ function: @escaping @Sendable (ScoredPair) -> ScoreLoss
    ) {
        (self.name, self.score, self.reading) = (name, score, reading)
        (self.parameters, self.function) = (parameters, function)
    }

    package var needsReference: Bool { score != .meanLogProbability }
    package func takes(_ parameter: LossParameter) -> Bool { parameters.contains(parameter) }
}

extension PairwiseLoss: RawRepresentable, CaseIterable, Equatable, CustomStringConvertible {
    package var rawValue: String { name }
    package var description: String { name }

    package init?(rawValue: String) {
        guard let loss = Self.allCases.first(where: { $0.name == rawValue }) else { return nil }
        self = loss
    }

    package static func == (a: PairwiseLoss, b: PairwiseLoss) -> Bool { a.name == b.name }
}

/// A parameter that some losses have beside β: a key below `dpo`, an error for the other losses.
package struct LossParameter: Hashable, Sendable {
    /// Its key below `dpo`.
    package let key: String
    package let standard: Double
    package let bounds: Bounds
    package let help: String
    /// The value that says "none", allowed for every loss.
    package let neutral: Double?

    init(_ key: String, standard: Double, _ bounds: Bounds, neutral: Double? = nil, _ help: String) {
        (self.key, self.standard, self.bounds, self.neutral, self.help) = (key, standard, bounds, neutral, help)
    }

    /// Those of all losses, each once.
    package static let all: [LossParameter] = PairwiseLoss.allCases.flatMap(\.parameters).reduce(into: []) {
        if !$0.contains($1) { $0.append($1) }
    }
}

/// A pair as a loss sees it.
struct ScoredPair {
    let chosen: Double
    let rejected: Double
    let beta: Double
    /// R of the better response over the worse; nil where the loss is to do without.
    let difference: Double?
    fileprivate let given: [LossParameter: Double]

    /// `h`, the difference of the scores, and `βh`.
    var h: Double { chosen - rejected }
    var z: Double { beta * h }

    subscript(parameter: LossParameter) -> Double { given[parameter] ?? parameter.standard }
}

/// A loss and its derivatives by the two scores.
struct ScoreLoss {
    let loss: Double
    let chosenSlope: Double
    let rejectedSlope: Double

    init(_ loss: Double, chosenSlope: Double, rejectedSlope: Double) {
        (self.loss, self.chosenSlope, self.rejectedSlope) = (loss, chosenSlope, rejectedSlope)
    }

    /// A loss of the scores' difference alone: it pulls both responses equally.
    init(_ loss: Double, slope: Double) { self.init(loss, chosenSlope: slope, rejectedSlope: -slope) }
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
        (self.policyChosen, self.policyRejected) = (policyChosen, policyRejected)
        (self.referenceChosen, self.referenceRejected) = (referenceChosen, referenceRejected)
        (self.chosenTokens, self.rejectedTokens) = (chosenTokens, rejectedTokens)
    }
}

/// A pair's loss before its coefficient and the global denominator, and its gradients.
package struct PairwiseResult: Sendable, Equatable {
    package let loss: Double
    /// dLoss / d(policy log-probability sum).
    package let gradientChosen: Double
    package let gradientRejected: Double
    /// `h = (ℓ_w − ℓ_ref,w) − (ℓ_l − ℓ_ref,l)`, summed over tokens, whatever the loss: 0 where policy and reference agree.
    package let margin: Double
    /// β times the score that the loss gives each response.
    package let rewardChosen: Double
    package let rewardRejected: Double
}

/// A pairwise loss with its constants, as a function of a pair's log-probabilities.
package struct PairwiseObjective: Sendable {
    package let variant: PairwiseLoss
    package let beta: Double
    private let parameters: [LossParameter: Double]

    /// - Parameter parameters: those that are given; the others have their standard values.
    /// - Precondition: β > 0, every parameter is within its bounds.
    package init(_ variant: PairwiseLoss, beta: Double, _ parameters: [LossParameter: Double] = [:]) {
        precondition(beta > 0, "beta must be positive")
        for (parameter, value) in parameters {
            precondition(parameter.bounds.contains(value), "\(parameter.key) is out of bounds")
        }
        (self.variant, self.beta, self.parameters) = (variant, beta, parameters)
    }

    /// - Parameter difference: R of the chosen response over the rejected, for a loss that reads it.
    package func evaluate(_ pair: PairLogProbabilities, difference: Double? = nil) -> PairwiseResult {
        let chosenRatio = pair.policyChosen - pair.referenceChosen
        let rejectedRatio = pair.policyRejected - pair.referenceRejected
        let isMean = variant.score != .logRatio
        let chosenScale = isMean ? 1 / Double(pair.chosenTokens) : 1
        let rejectedScale = isMean ? 1 / Double(pair.rejectedTokens) : 1
        let scored = ScoredPair(
            chosen: chosenScale * (variant.needsReference ? chosenRatio : pair.policyChosen),
            rejected: rejectedScale * (variant.needsReference ? rejectedRatio : pair.policyRejected), beta: beta,
            difference: difference, given: parameters)
        let result = variant.function(scored)
        return PairwiseResult(
            loss: result.loss, gradientChosen: result.chosenSlope * chosenScale,
            gradientRejected: result.rejectedSlope * rejectedScale, margin: chosenRatio - rejectedRatio,
            rewardChosen: beta * scored.chosen, rewardRejected: beta * scored.rejected)
    }
}
