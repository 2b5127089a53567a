import Foundation
import Storage

/// Which pairs a training pass learned, and when: those whose margin is positive from some visit to the last one.
package struct LedgerLearning: Encodable, Sendable {
    /// Right at their last visit.
    package let learned: Int
    /// Wrong or undecided at every visit.
    package let neverLearned: Int
    /// Right once, and wrong or undecided at the last visit.
    package let forgotten: Int
    /// Pairs that were right at their first visit, before anything was learned of them.
    package let rightFromTheStart: Int
    /// Of the pairs that were learned: the step from which their margin stayed positive.
    package let learningSteps: Quantiles
    /// Wrong at their first visit and right the earliest, of several the surest at the end.
    package let first: [LedgerSummary.Pair]
    /// Never learned, those that took most of the gradient first.
    package let never: [LedgerSummary.Pair]

    /// - Parameters:
    ///   - histories: the visits of each pair in their order, with their steps.
    ///   - pair: describes a pair by its place.
    init(_ histories: [[(step: Int, visit: PairVisit)]], pairs listed: Int, _ pair: (Int) -> LedgerSummary.Pair) {
        let learnedAt = histories.map(Self.learningStep)
        let isEverRight = histories.map { $0.contains { $0.visit.margin > 0 } }
        let pairs = histories.indices
        learned = learnedAt.count { $0 != nil }
        neverLearned = isEverRight.count { !$0 }
        forgotten = pairs.count { isEverRight[$0] && learnedAt[$0] == nil }
        rightFromTheStart = histories.count { $0[0].visit.margin > 0 }
        learningSteps = Quantiles(of: learnedAt.compactMap { $0.map(Double.init) }, named: "step")
        func lastMargin(_ pair: Int) -> Double { histories[pair][histories[pair].count - 1].visit.margin }
        func scale(_ pair: Int) -> Double { histories[pair].reduce(0) { $0 + $1.visit.gradientScale } }
        first = pairs.filter { learnedAt[$0] != nil && histories[$0][0].visit.margin <= 0 }.sorted {
            (learnedAt[$0] ?? 0, -lastMargin($0), $0) < (learnedAt[$1] ?? 0, -lastMargin($1), $1)
        }.prefix(listed).map(pair)
        never = pairs.filter { !isEverRight[$0] }.sorted { (-scale($0), $0) < (-scale($1), $1) }.prefix(listed).map(
            pair)
    }

    /// The step of the first visit from which on the margin is positive at every one; nil where it is not at the last.
    private static func learningStep(_ history: [(step: Int, visit: PairVisit)]) -> Int? {
        let wrong = history.lastIndex { !($0.visit.margin > 0) }
        let next = wrong.map { $0 + 1 } ?? 0
        return next < history.count ? history[next].step : nil
    }

    var lines: [String] {
        var lines = ["", "  learning (right: margin above 0)"]
        lines += labelled([
            ("learned", String(learned)), ("right from the start", String(rightFromTheStart)),
            ("forgotten", String(forgotten)), ("never learned", String(neverLearned)),
        ])
        let steps = learningSteps.values.filter { [0, 0.25, 0.5, 0.75, 1].contains($0.share) }
        lines += labelled(steps.map { ("learned by, \($0.share)", "step \(significant($0.value))") })
        return lines + ["  pairs never learned although they took gradient may be labelled wrong, or weigh too little"]
    }
}

/// Whether the gradient came from where the weights are: pairs in five parts by their coefficient.
package struct GradientByWeight: Encodable, Sendable {
    package struct Part: Encodable, Sendable {
        /// Coefficients, from the least to the greatest.
        package let from: Double
        package let to: Double
        package let pairs: Int
        /// Of all coefficients' sum, and of the gradient scale's.
        package let weightShare: Double
        package let gradientShare: Double
    }

    package let parts: [Part]
    /// Pearson's, of coefficient and gradient scale; nil where either never changes.
    package let correlation: Double?

    /// - Parameters:
    ///   - coefficients: of each pair at its last visit.
    ///   - scales: the sum over each pair's visits.
    init(coefficients: [Double], scales: [Double]) {
        correlation = coefficients.correlation(with: scales)
        let order = coefficients.indices.sorted { (coefficients[$0], $0) < (coefficients[$1], $1) }
        let (weight, gradient) = (coefficients.reduce(0, +), scales.reduce(0, +))
        parts = (0..<5).compactMap { part in
            let members = order[order.count * part / 5..<order.count * (part + 1) / 5]
            guard let first = members.first, let last = members.last else { return nil }
            func share(_ values: [Double], of sum: Double) -> Double {
                sum > 0 ? members.reduce(0) { $0 + values[$1] } / sum : 0
            }
            return Part(
                from: coefficients[first], to: coefficients[last], pairs: members.count,
                weightShare: share(coefficients, of: weight), gradientShare: share(scales, of: gradient))
        }
    }

    var lines: [String] {
        func percent(_ share: Double) -> String { String(format: "%.1f %%", 100 * share) }
        return ["", "  weight and gradient, in fifths of the pairs by weight"]
            + table(
                ["weight from", "to", "pairs", "of the weight", "of the gradient"],
                parts.map {
                    [
                        significant($0.from), significant($0.to), String($0.pairs), percent($0.weightShare),
                        percent($0.gradientShare),
                    ]
                }) + labelled([("weight and gradient, r", rounded(correlation))])
            + ["  a pair that is learned gives no gradient, however much it weighs"]
    }
}
