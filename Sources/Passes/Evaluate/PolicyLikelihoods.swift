import Coding
import Columns
import Diagnostics
import Foundation
import Inspection
import Methods
import Objectives
import Preferences
import Settings
import Storage
import Transformer

/// Log-probabilities of the policies' models, beside those of the reference: on the held-out data, on the policies' own
/// responses and on texts out of the domain.
struct PolicyLikelihoods {
    /// Texts under one name.
    private struct Corpus {
        let name: String
        let examples: Rows<TokenizedExample>
    }

    /// A policy's responses as its model made them.
    private struct OwnResponses {
        let policy: String
        let examples: Rows<TokenizedExample>
        /// For each query the responses among the example's, as often as they were given.
        let places: [[Int]]
    }

    private let session: Session
    private let reading: ModelReading
    /// Directories by policy, in order.
    private let models: [(name: String, path: String)]
    private let reference: (name: String, path: String)
    private let heldOut: DataSet?
    private let corpora: [Corpus]
    private let own: [OwnResponses]
    private let bootstrap: Bootstrap

    /// Collective: reads the data. Nil where no policy has a model.
    ///
    /// - Throws: `RDOError.artefact` when a model cannot be read or has another tokenizer than the reference.
    init?(_ answers: PolicyAnswers, _ bootstrap: Bootstrap, _ session: Session) throws {
        let settings = session.configuration.evaluate
        models = settings.policies.entries.compactMap { entry in entry.part.model.map { (entry.name, $0) } }
        guard let reference = models.first(where: { $0.name == settings.referenceName }) else { return nil }
        (self.session, self.bootstrap, self.reference) = (session, bootstrap, reference)
        let world = session.world
        // All read what the reference reads: log-ratios are of the same tokens.
        let reading = try world.collectively { try ModelReading(of: reference.path, session.configuration) }
        self.reading = reading
        try world.collectively { [models] in
            for model in models {
                try session.requireTokenizer(of: model.path, toBe: reading.conventions.tokenizer)
            }
        }
        heldOut = try session.heldOutData(as: reading)
        if heldOut == nil {
            session.log.info("evaluate: data.test is empty: no accuracy and perplexity on held-out data")
        }
        corpora = try world.collectively {
            try settings.outOfDomain.entries.map { entry in
                let examples = try entry.part.files.flatMap {
                    try TextCorpus.examples(of: $0, reading.plan, format: session.configuration.data.format)
                }
                return Corpus(name: entry.name, examples: Rows(examples))
            }
        }
        own = try world.collectively { [models] in
            try models.compactMap { model in
                guard let policy = answers[model.name], settings.policies[model.name]?.isChosen == nil else {
                    return nil
                }
                return try Self.own(policy, answers.queries.count, reading)
            }
        }
    }

    private static func own(
        _ policy: PolicyAnswers.Policy, _ queryCount: Int, _ reading: ModelReading
    ) throws -> OwnResponses {
        var places: [[Int]] = []
        let examples = try (0..<queryCount).map { query -> TokenizedExample in
            let texts = policy.texts(query)
            let record = policy.record(query, texts)
            var example = try required { () throws(BadRow) in try reading.plan.forPolicies.example(of: record) }
            for (place, answer) in policy.answers[query].enumerated() {
                // What the limit or a stop string ended has no EOS, which the plan has put there.
                let isOpen = answer.end == .length || answer.end == .stop
                if isOpen && !example.truncatedResponses[place] { example.responses[place].removeLast() }
            }
            // A response without a token was no decision of the policy's.
            let known = texts.indices.filter { !example.responses[$0].isEmpty }
            var kept: [Int] = []
            places.append(
                known.map { place in
                    if let same = kept.firstIndex(where: { example.responses[$0] == example.responses[place] }) {
                        return same
                    }
                    kept.append(place)
                    return kept.count - 1
                })
            return example.keeping(responses: kept)
        }
        return OwnResponses(policy: policy.name, examples: Rows(examples), places: places)
    }

    // MARK: - Measuring

    private func measurement(_ model: String, _ of: String, _ examples: Rows<TokenizedExample>) throws -> Measurement {
        try Measurement("logprob.\(model).\(of)", .logprob, of: examples)
    }

    private func heldOutMeasurement(_ model: String) throws -> Measurement? {
        // No policy has a name with a dot.
        try heldOut.map { try measurement(model, "data.test", $0.examples) }
    }

    private func corpusMeasurement(_ model: String, _ corpus: Corpus) throws -> Measurement {
        try measurement(model, "out_of_domain.\(corpus.name)", corpus.examples)
    }

    private func ownMeasurement(_ model: String, _ own: OwnResponses) throws -> Measurement {
        try measurement(model, own.policy, own.examples)
    }

    /// Collective: computes what is not there yet.
    func measure() throws {
        for model in models {
            let measurements = try session.world.collectively {
                try [heldOutMeasurement(model.name)].compactMap { $0 }
                    + corpora.map { try corpusMeasurement(model.name, $0) }
                    + own.filter { model.name == reference.name || $0.policy == model.name }.map {
                        try ownMeasurement(model.name, $0)
                    }
            }
            try Measurement.run(
                measurements, model: model.path, head: .languageModel, reading.conventions, session)
        }
    }

    // MARK: - What was found

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
