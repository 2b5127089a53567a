import Coding
import Columns
import Diagnostics
import Inspection
import Methods
import Preferences
import Settings
import Storage
import Transformer

/// Log-probabilities of the policies' models, beside those of the reference: on the held-out data, on the policies' own
/// responses and on texts out of the domain.
struct PolicyLikelihoods {
    /// Texts under one name.
    struct Corpus {
        let name: String
        let examples: Rows<TokenizedExample>
    }

    /// A policy's responses as its model made them.
    struct OwnResponses {
        let policy: String
        let examples: Rows<TokenizedExample>
        /// For each query the responses among the example's, as often as they were given.
        let places: [[Int]]
    }

    let session: Session
    private let reading: ModelReading
    /// Directories by policy, in order.
    let models: [(name: String, path: String)]
    let reference: (name: String, path: String)
    let heldOut: DataSet?
    let corpora: [Corpus]
    let own: [OwnResponses]
    let bootstrap: Bootstrap

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
        session.say(reading)
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
                    try TextCorpus.examples(of: $0, reading.plan, session.configuration.data.rowRules)
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

    func heldOutMeasurement(_ model: String) throws -> Measurement? {
        // No policy has a name with a dot.
        try heldOut.map { try measurement(model, "data.test", $0.examples) }
    }

    func corpusMeasurement(_ model: String, _ corpus: Corpus) throws -> Measurement {
        try measurement(model, "out_of_domain.\(corpus.name)", corpus.examples)
    }

    func ownMeasurement(_ model: String, _ own: OwnResponses) throws -> Measurement {
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
}
