import Foundation

/// An evaluation as tables for a terminal.
extension Evaluation {
    package var text: String {
        let blocks = [scoreTable] + comparisons.map(comparisonTable) + [preferenceTable, likelihoodTable]
        let heads = [
            "\(queries) queries, \(policies.count) policies, \(scorers.count) scorers; "
                + "in brackets \(Self.short(100 * level)) % of \(resamples) bootstrap resamples"
        ]
        return (heads + blocks.filter { !$0.isEmpty }.flatMap { [""] + $0 }).joined(separator: "\n") + "\n"
    }

    private var scoreTable: [String] {
        let answered = policies.filter { $0.lengths != nil }
        guard !answered.isEmpty else { return [] }
        // A difference model has scores of single responses where there is a baseline.
        let known = scorers.filter { scorer in answered.contains { $0.score(by: scorer.name) != nil } }
        let hasLimit = answered.contains { $0.lengths?.atLimit != nil }
        let rows = answered.map { policy in
            [policy.name] + known.map { Self.shown(policy.score(by: $0.name)) }
                + [Self.shown(policy.lengths?.tokens, digits: 1)]
                + (hasLimit ? [policy.lengths?.atLimit.map { Self.percent($0) } ?? "–"] : [])
        }
        return ["mean score of a response, and its length in tokens"]
            + table(
                ["policy"] + known.map { $0.kind == "difference" ? "\($0.name) over \(baseline ?? "")" : $0.name }
                    + ["tokens"] + (hasLimit ? ["at the limit"] : []), rows,
                isText: [true] + known.map { _ in false } + [false] + (hasLimit ? [false] : []))
    }

    private func comparisonTable(_ comparison: Comparison) -> [String] {
        let rows = comparison.judgements.map { judgement in
            [
                judgement.scorer,
                [judgement.win, judgement.tie, judgement.lose].map { Self.percent($0.value) }.joined(separator: " / "),
                Self.shown(judgement.winRate), Self.shown(judgement.lengthControlledWinRate),
                Self.shown(judgement.margin), judgement.lengthCorrelation.map { Self.fixed($0) } ?? "–",
            ]
        }
        return [
            "\(comparison.policy) against \(comparison.against), "
                + "\(Self.shown(comparison.lengthDifference, digits: 1)) tokens longer"
        ]
            + table(
                [
                    "scorer", "win / tie / lose", "win rate", "at equal length", "score difference",
                    "correlation with length",
                ], rows, isText: [true, false, false, false, false, false])
    }

    private var preferenceTable: [String] {
        let rows = policies.compactMap { policy in
            policy.preference.map {
                [
                    policy.name, Self.shown($0.accuracy), Self.shown($0.margin), Self.shown($0.accuracyPerToken),
                    Self.shown($0.marginPerToken, digits: 5),
                ]
            }
        }
        guard let reference, !rows.isEmpty else { return [] }
        let pairs = policies.compactMap { $0.preference?.pairs }.first ?? 0
        return ["\(pairs) held-out pairs by implicit reward, \(Self.short(beta)) × log-ratio with \(reference)"]
            + table(
                ["policy", "accuracy", "margin", "accuracy per token", "margin per token"], rows,
                isText: [true, false, false, false, false])
    }

    private var likelihoodTable: [String] {
        let models = policies.filter { $0.model != nil }
        let hasHeldOut = models.contains { $0.heldOut != nil }
        let hasDivergence = models.contains { $0.divergence != nil }
        guard hasHeldOut || hasDivergence || !corpora.isEmpty else { return [] }
        let rows = models.map { policy in
            [policy.name] + (hasHeldOut ? [Self.shown(policy.heldOut)] : [])
                + corpora.map { corpus in
                    Self.shown(policy.outOfDomain.first { $0.corpus == corpus.name }?.likelihood)
                }
                + (hasDivergence
                    ? [Self.shown(policy.divergence?.perResponse), Self.shown(policy.divergence?.perToken, digits: 5)]
                    : [])
        }
        let header =
            ["policy"] + (hasHeldOut ? ["chosen responses"] : []) + corpora.map(\.name)
            + (hasDivergence ? ["KL a response", "KL a token"] : [])
        return [
            "perplexity" + (reference.map { ", × that of \($0)" } ?? "")
                + (hasDivergence ? "; KL from it on the policy's own responses (Monte Carlo, nats)" : "")
        ] + table(header, rows, isText: header.indices.map { $0 == 0 })
    }

    private static func shown(_ likelihood: Likelihood?) -> String {
        guard let likelihood else { return "–" }
        return shown(likelihood.perplexity) + (likelihood.ratio.map { " × \(shown($0))" } ?? "")
    }

    private static func shown(_ interval: Interval?, digits: Int = 3) -> String {
        guard let interval else { return "–" }
        let numbers = [interval.value, interval.low, interval.high].map { fixed($0, digits) }
        return "\(numbers[0]) (\(numbers[1]) to \(numbers[2]))"
    }

    /// Without a sign where it rounds to zero.
    private static func fixed(_ value: Double, _ digits: Int = 3) -> String {
        let text = String(format: "%.\(digits)f", value)
        return text.hasPrefix("-") && text.allSatisfy({ "-0.".contains($0) }) ? String(text.dropFirst()) : text
    }

    private static func short(_ value: Double) -> String { String(format: "%g", value) }

    private static func percent(_ share: Double) -> String { String(format: "%.1f %%", 100 * share) }
}

extension Evaluation.Policy {
    /// The mean score; nil where the scorer has none for single responses.
    package func score(by scorer: String) -> Interval? { scores.first { $0.scorer == scorer }?.mean }
}
