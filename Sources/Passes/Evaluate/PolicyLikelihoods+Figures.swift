import Columns
import Foundation
import Inspection
import Objectives
import Preferences
import Settings
import Storage

/// What the log-probabilities say: perplexity, the order of held-out pairs, and KL from the reference.
extension PolicyLikelihoods {
    private func values(_ measurement: Measurement) throws -> MeasuredValues {
        try MeasuredValues(of: measurement, session)
    }

    /// Adds it to what is known of a policy with a model. On rank 0.
    func add(to policy: inout Evaluation.Policy) throws {
        guard let model = models.first(where: { $0.name == policy.name }) else { return }
        policy.model = model.path
        policy.modelDigest = try session.knownDigests.digest(ofModel: model.path) {
            try ModelDirectory.open(model.path, head: .languageModel).digest()
        }
        if let heldOut, let own = try heldOutMeasurement(model.name),
            let others = try heldOutMeasurement(reference.name)
        {
            let (ours, theirs) = (try values(own), try values(others))
            policy.heldOut = try likelihood(
                of: heldOut.examples, ours, model.name == reference.name ? nil : theirs
            ) { example in
                switch example.kind {
                case .unpaired: example.label == true ? [0] : []
                // Nobody knows which response of an unscored list is better.
                case .list where example.scores == nil: []
                default: [ListRanking.best(example.listScores)]
                }
            }
            if model.name != reference.name { policy.preference = try preference(heldOut.examples, ours, theirs) }
        }
        if let responses = own.first(where: { $0.policy == model.name }), model.name != reference.name {
            policy.divergence = try divergence(
                responses, try values(ownMeasurement(model.name, responses)),
                try values(ownMeasurement(reference.name, responses)))
        }
        for corpus in corpora {
            let theirs =
                model.name == reference.name ? nil : try values(corpusMeasurement(reference.name, corpus))
            let found = try likelihood(
                of: corpus.examples, try values(corpusMeasurement(model.name, corpus)), theirs
            ) { Array($0.responses.indices) }
            if let found { policy.outOfDomain.append(.init(corpus: corpus.name, likelihood: found)) }
        }
    }

    /// The corpora and how many texts each has.
    func corpusFacts(_ settings: Named<OutOfDomainSettings>) throws -> [Evaluation.Corpus] {
        try corpora.map { corpus in
            Evaluation.Corpus(
                name: corpus.name,
                digests: try (settings[corpus.name]?.files ?? []).map { try session.knownDigests.digest(ofFile: $0) },
                texts: corpus.examples.count)
        }
    }

    /// - Parameter counted: which responses of an example count.
    private func likelihood(
        of examples: Rows<TokenizedExample>, _ ours: MeasuredValues, _ theirs: MeasuredValues?,
        counted: (TokenizedExample) -> [Int]
    ) throws -> Evaluation.Likelihood? {
        var (losses, gains, tokens): ([Double], [Double], [Double]) = ([], [], [])
        for example in examples {
            let places = counted(example)
            if places.isEmpty { continue }
            let keys = example.responseKeys
            let own = try places.reduce(0.0) { $0 + (try ours(keys[$1])[0]) }
            losses.append(-own)
            if let theirs { gains.append(try places.reduce(0.0) { $0 + (try theirs(keys[$1])[0]) } - own) }
            tokens.append(Double(places.reduce(0) { $0 + example.responses[$1].count }))
        }
        return bootstrap.interval(ofRatio: losses, to: tokens, exp).map { perplexity in
            Evaluation.Likelihood(
                tokens: Int(tokens.reduce(0, +)), perplexity: perplexity,
                ratio: theirs == nil ? nil : bootstrap.interval(ofRatio: gains, to: tokens, exp))
        }
    }

    /// Of held-out rows with responses of which one is better.
    private func preference(
        _ examples: Rows<TokenizedExample>, _ ours: MeasuredValues, _ theirs: MeasuredValues
    ) throws -> Evaluation.Preference? {
        let beta = session.configuration.evaluate.beta ?? session.configuration.dpo.beta
        var (right, margins, rightPerToken, marginsPerToken): ([Double], [Double], [Double], [Double]) = (
            [], [], [], []
        )
        var pairs = 0
        for example in examples where example.responses.count > 1 {
            let ordered = ListRanking.pairs(example.listScores)
            if ordered.isEmpty { continue }
            pairs += ordered.count
            let rewards = try example.responseKeys.map { beta * (try ours($0)[0] - theirs($0)[0]) }
            let perToken = zip(rewards, example.responses).map { $0 / Double($1.count) }
            // A list counts as much as a pair.
            func mean(_ figure: (_ better: Int, _ worse: Int) -> Double) -> Double {
                ordered.reduce(0) { $0 + figure($1.better, $1.worse) } / Double(ordered.count)
            }
            right.append(mean { rewards[$0] > rewards[$1] ? 1 : 0 })
            margins.append(mean { rewards[$0] - rewards[$1] })
            rightPerToken.append(mean { perToken[$0] > perToken[$1] ? 1 : 0 })
            marginsPerToken.append(mean { perToken[$0] - perToken[$1] })
        }
        guard let accuracy = bootstrap.interval(ofMean: right), let margin = bootstrap.interval(ofMean: margins),
            let accuracyPerToken = bootstrap.interval(ofMean: rightPerToken),
            let marginPerToken = bootstrap.interval(ofMean: marginsPerToken)
        else { return nil }
        return Evaluation.Preference(
            pairs: pairs, accuracy: accuracy, margin: margin, accuracyPerToken: accuracyPerToken,
            marginPerToken: marginPerToken)
    }

    private func divergence(
        _ responses: OwnResponses, _ ours: MeasuredValues, _ theirs: MeasuredValues
    ) throws -> Evaluation.Divergence? {
        var (ratios, counts, tokens): ([Double], [Double], [Double]) = ([], [], [])
        for (example, places) in zip(responses.examples, responses.places) where !places.isEmpty {
            let own = try example.responseKeys.map { try ours($0)[0] - theirs($0)[0] }
            ratios.append(places.reduce(0) { $0 + own[$1] })
            counts.append(Double(places.count))
            tokens.append(Double(places.reduce(0) { $0 + example.responses[$1].count }))
        }
        // Of a query the mean over its responses.
        let means = zip(ratios, counts).map { $0 / $1 }
        guard let perResponse = bootstrap.interval(ofMean: means),
            let perToken = bootstrap.interval(ofRatio: ratios, to: tokens)
        else { return nil }
        return Evaluation.Divergence(
            responses: Int(counts.reduce(0, +)), perResponse: perResponse, perToken: perToken)
    }
}
