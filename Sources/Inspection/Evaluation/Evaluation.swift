/// What `rdo evaluate` found (`evaluation.json`, `rdo.evaluation/1`). Every interval holds 95 % of the resamples of its units:
/// queries, held-out rows or texts.
package struct Evaluation: Codable, Sendable {
    package static let schema = "rdo.evaluation/1"

    package var schema = Self.schema
    package let software: String
    /// The effective configuration, YAML.
    package let config: String
    /// Different queries that all policies answered; 0 where no policy has responses.
    package let queries: Int
    package let resamples: Int
    package let level: Double
    /// Of implicit rewards.
    package let beta: Double
    /// A difference of scores up to which neither response wins.
    package let tieMargin: Double
    /// Whose model log-probabilities are compared with.
    package let reference: String?
    /// Whose responses a difference model compares with for a score of single responses.
    package let baseline: String?
    package let scorers: [Scorer]
    package let policies: [Policy]
    package let comparisons: [Comparison]
    package let corpora: [Corpus]

    package init(
        software: String, config: String, queries: Int, resamples: Int, level: Double, beta: Double,
        tieMargin: Double, reference: String?, baseline: String?, scorers: [Scorer], policies: [Policy],
        comparisons: [Comparison], corpora: [Corpus]
    ) {
        (self.software, self.config, self.queries) = (software, config, queries)
        (self.resamples, self.level, self.beta, self.tieMargin) = (resamples, level, beta, tieMargin)
        (self.reference, self.baseline, self.scorers) = (reference, baseline, scorers)
        (self.policies, self.comparisons, self.corpora) = (policies, comparisons, corpora)
    }

    package struct Scorer: Codable, Sendable {
        package let name: String
        package let model: String
        package let modelDigest: String
        /// `reward` or `difference`.
        package let kind: String

        package init(name: String, model: String, modelDigest: String, kind: String) {
            (self.name, self.model, self.modelDigest, self.kind) = (name, model, modelDigest, kind)
        }
    }

    /// Texts out of the domain of training.
    package struct Corpus: Codable, Sendable {
        package let name: String
        package let digests: [String]
        package let texts: Int

        package init(name: String, digests: [String], texts: Int) {
            (self.name, self.digests, self.texts) = (name, digests, texts)
        }
    }

    package struct Policy: Codable, Sendable {
        package let name: String
        /// A file, `chosen` or `rejected`.
        package var responses: String?
        package var responsesDigest: String?
        package var model: String?
        package var modelDigest: String?
        package var lengths: Lengths?
        /// Mean scores, one for each scorer that has one.
        package var scores: [Score] = []
        package var preference: Preference?
        package var divergence: Divergence?
        /// On the chosen responses of the held-out data.
        package var heldOut: Likelihood?
        package var outOfDomain: [CorpusLikelihood] = []

        package init(name: String) { self.name = name }
    }

    package struct Lengths: Codable, Sendable {
        package let responses: Int
        /// Tokens of a response without EOS, the mean over queries.
        package let tokens: Interval
        /// Share of the responses that ended at the limit of tokens; nil where the file does not say how they ended.
        package let atLimit: Double?

        package init(responses: Int, tokens: Interval, atLimit: Double?) {
            (self.responses, self.tokens, self.atLimit) = (responses, tokens, atLimit)
        }
    }

    package struct Score: Codable, Sendable {
        package let scorer: String
        /// Over queries; of a query the mean over its responses.
        package let mean: Interval

        package init(scorer: String, mean: Interval) { (self.scorer, self.mean) = (scorer, mean) }
    }

    /// How the policy orders held-out pairs, by implicit rewards β (log π − log π_ref).
    package struct Preference: Codable, Sendable {
        package let pairs: Int
        package let accuracy: Interval
        package let margin: Interval
        /// With log-ratios divided by the tokens of the response.
        package let accuracyPerToken: Interval
        package let marginPerToken: Interval

        package init(
            pairs: Int, accuracy: Interval, margin: Interval, accuracyPerToken: Interval, marginPerToken: Interval
        ) {
            (self.pairs, self.accuracy, self.margin) = (pairs, accuracy, margin)
            (self.accuracyPerToken, self.marginPerToken) = (accuracyPerToken, marginPerToken)
        }
    }

    /// A Monte Carlo estimate of KL(π ‖ π_ref) from the policy's own responses, in nats.
    package struct Divergence: Codable, Sendable {
        package let responses: Int
        package let perResponse: Interval
        package let perToken: Interval

        package init(responses: Int, perResponse: Interval, perToken: Interval) {
            (self.responses, self.perResponse, self.perToken) = (responses, perResponse, perToken)
        }
    }

    package struct Likelihood: Codable, Sendable {
        package let tokens: Int
        package let perplexity: Interval
        /// The reference model's perplexity is divided by: above 1 the policy's is higher. Nil for the reference.
        package let ratio: Interval?

        package init(tokens: Int, perplexity: Interval, ratio: Interval?) {
            (self.tokens, self.perplexity, self.ratio) = (tokens, perplexity, ratio)
        }
    }

    package struct CorpusLikelihood: Codable, Sendable {
        package let corpus: String
        package let likelihood: Likelihood

        package init(corpus: String, likelihood: Likelihood) { (self.corpus, self.likelihood) = (corpus, likelihood) }
    }

    package struct Comparison: Codable, Sendable {
        package let policy: String
        package let against: String
        /// Tokens of the policy's responses less those of the other's, the mean over queries.
        package let lengthDifference: Interval
        package let judgements: [Judgement]

        package init(policy: String, against: String, lengthDifference: Interval, judgements: [Judgement]) {
            (self.policy, self.against) = (policy, against)
            (self.lengthDifference, self.judgements) = (lengthDifference, judgements)
        }
    }
}
