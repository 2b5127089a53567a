import Diagnostics
import Settings

/// What is compared, by whom and on what.
package struct EvaluateSettings: ConfigurationSection {
    package var policies = Named<EvaluatedPolicySettings>()
    package var compare: [NamePair]?
    package var scorers = Named<EvaluationScorerSettings>()
    package var baseline: String?
    package var tieMargin = 0.0
    package var reference: String?
    package var beta: Double?
    package var outOfDomain = Named<OutOfDomainSettings>()
    package var bootstrap = 1000
    package var chunk = 8

    package init() {}

    package static var fields: [Field<Self>] {
        [
            .named(\.policies, "policies", "What is compared, under names of your own."),
            .value(
                \.compare, "compare",
                "Policies of which the first is compared with the second; by default every one with the first that has responses."
            ),
            .named(\.scorers, "scorers", "Who scores the responses, under names of your own."),
            .value(
                \.baseline, "baseline",
                "The policy whose first response to a query a difference model compares every response with, which gives a "
                    + "score of single responses (arXiv 2408.09385, limitations)."),
            .value(
                \.tieMargin, "tie_margin", .atLeast(0),
                "A difference of scores that is no greater is a tie."),
            .value(
                \.reference, "reference",
                "The policy whose model the others are compared with; by default the first that has a model."),
            .value(\.beta, "beta", .above(0), "Scale of implicit rewards; by default dpo.beta."),
            .named(\.outOfDomain, "out_of_domain", "Texts for perplexity out of the domain, under names of your own."),
            .value(\.bootstrap, "bootstrap", .within(1, 1_000_000), "Resamples of the bootstrap intervals."),
            .value(\.chunk, "chunk", .atLeast(1), "Responses or pairs per forward pass and durable unit of work.")
                .cosmetic,
        ]
    }

    /// Names that have responses, in order.
    var answered: [String] { policies.entries.filter { $0.part.responses != nil }.map(\.name) }

    /// Names that have a model, in order.
    var modelled: [String] { policies.entries.filter { $0.part.model != nil }.map(\.name) }

    /// Who is compared with whom.
    var comparisons: [NamePair] { compare ?? answered.dropFirst().map { NamePair($0, answered[0]) } }

    /// Whose model the others are compared with.
    var referenceName: String? { reference ?? modelled.first }

    /// - Throws: what `fail` makes of what is wrong and what can be done.
    func validate(_ fail: (String, String?) -> RDOError) throws {
        for (name, policy) in policies.entries.map({ ($0.name, $0.part) })
        where policy.responses == nil && policy.model == nil {
            throw fail("evaluate.policies.\(name) has neither responses nor a model", "give it one of them")
        }
        for (name, scorer) in scorers.entries.map({ ($0.name, $0.part) }) where scorer.model == nil {
            throw fail("evaluate.scorers.\(name) has no model", "name its directory")
        }
        for (name, texts) in outOfDomain.entries.map({ ($0.name, $0.part) }) where texts.files.isEmpty {
            throw fail("evaluate.out_of_domain.\(name) has no files", "name one")
        }
        func require(_ name: String, _ key: String, among names: [String], with what: String) throws {
            guard !names.contains(name) else { return }
            throw fail(
                "evaluate.\(key) names \(name), which is no policy with \(what)",
                names.isEmpty ? "give a policy \(what)" : "policies with \(what): \(names.joined(separator: ", "))")
        }
        for pair in compare ?? [] {
            for name in [pair.first, pair.second] {
                try require(name, "compare", among: answered, with: "responses")
            }
        }
        if let baseline { try require(baseline, "baseline", among: answered, with: "responses") }
        if let reference { try require(reference, "reference", among: modelled, with: "a model") }
        if !scorers.isEmpty && answered.isEmpty {
            throw fail("evaluate.scorers have nothing to score: no policy has responses", "name response files")
        }
        if scorers.isEmpty && (baseline != nil || tieMargin > 0) {
            throw fail(
                "evaluate.\(baseline != nil ? "baseline" : "tie_margin") has no effect without evaluate.scorers",
                "name a scorer, or remove it")
        }
        if !outOfDomain.isEmpty && modelled.isEmpty {
            throw fail("evaluate.out_of_domain has no effect: no policy has a model", "name a model, or remove it")
        }
    }
}

package struct EvaluatedPolicySettings: ConfigurationSection {
    /// `responses` for those of the held-out data.
    static let chosen = "chosen"
    static let rejected = "rejected"

    package var responses: String?
    package var model: String?

    package init() {}

    package static var shortForm: String? { "responses" }

    package static var fields: [Field<Self>] {
        [
            .value(
                \.responses, "responses",
                "Its responses: a file (docs/evaluating.md), or `chosen` or `rejected` for those of data.test. A name's value alone stands for this key."
            ),
            .value(
                \.model, "model",
                "Directory of its model: for perplexity, KL from the reference, and accuracy on data.test."),
        ]
    }

    /// Whether they are those that data.test prefers, or those that it does not; nil for a file.
    var isChosen: Bool? { responses == Self.chosen ? true : responses == Self.rejected ? false : nil }

    /// The file that they stand in; nil for those of the held-out data.
    var responseFile: String? { isChosen == nil ? responses : nil }
}

package struct EvaluationScorerSettings: ConfigurationSection {
    package enum Kind: String, SettingChoice { case auto, reward, difference }

    package var model: String?
    package var kind = Kind.auto

    package init() {}

    package static var shortForm: String? { "model" }

    package static var fields: [Field<Self>] {
        [
            .value(
                \.model, "model",
                "Directory of a reward or difference model, with a tokenizer of its own. A name's value alone stands for this key."
            ),
            .value(
                \.kind, "kind",
                "What it is; auto goes by rdo.json in the directory, and takes a directory of other programs for a reward model."
            ),
        ]
    }
}

package struct OutOfDomainSettings: ConfigurationSection {
    package var files: [String] = []

    package init() {}

    package static var shortForm: String? { "files" }

    package static var fields: [Field<Self>] {
        [
            .value(
                \.files, "files",
                "JSONL with a text in each row, or preference data, whose chosen responses count. A name's value alone stands for this key."
            )
        ]
    }
}
