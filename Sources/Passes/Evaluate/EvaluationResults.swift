import Coding
import Diagnostics
import Foundation
import Inspection
import Preferences
import Settings
import Storage
import Tensors

/// What the figures say, gathered on rank 0.
struct EvaluationResults {
    private let answers: PolicyAnswers
    private let scored: [(scoring: PolicyScoring, scores: PolicyScoring.Scores)]
    private let configuration: Configuration
    /// By policy, of each query the mean number of tokens of its responses.
    private let lengths: [String: [Double]]
    let evaluation: Evaluation

    init(
        _ answers: PolicyAnswers, _ scored: [(PolicyScoring, PolicyScoring.Scores)], _ likelihoods: PolicyLikelihoods?,
        _ bootstrap: Bootstrap, _ session: Session
    ) throws {
        let configuration = session.configuration
        let settings = configuration.evaluate
        (self.answers, self.scored, self.configuration) = (answers, scored, configuration)
        let tokenizer = try TokenizerLoader.load(configuration.tokenizerSource(model: configuration.baseModel))
        let lengths = Dictionary(
            uniqueKeysWithValues: try answers.policies.map { policy in
                (
                    policy.name,
                    try policy.answers.map { own in
                        try own.map { Double(try tokenizer.encode($0.text).count) }.orderlessMean
                    }
                )
            })
        self.lengths = lengths
        let policies = try settings.policies.entries.map { entry in
            var policy = Evaluation.Policy(name: entry.name)
            policy.responses = entry.part.responses
            policy.responsesDigest = try entry.part.responseFile.map { try session.knownDigests.digest(ofFile: $0) }
            if let own = answers[entry.name], let tokens = bootstrap.interval(ofMean: lengths[entry.name] ?? []) {
                let all = own.answers.flatMap { $0 }
                let ends = all.compactMap(\.end)
                policy.lengths = Evaluation.Lengths(
                    responses: all.count, tokens: tokens,
                    atLimit: ends.count < all.count
                        ? nil : Double(ends.count { $0 == .length }) / Double(all.count))
            }
            for (scoring, scores) in scored {
                guard let mean = scores.scores[entry.name].flatMap({ bootstrap.interval(ofMean: $0) }) else { continue }
                policy.scores.append(Evaluation.Score(scorer: scoring.name, mean: mean))
            }
            try likelihoods?.add(to: &policy)
            return policy
        }
        let comparisons = settings.comparisons.enumerated().compactMap { place, pair -> Evaluation.Comparison? in
            let differences = zip(lengths[pair.first] ?? [], lengths[pair.second] ?? []).map { $0 - $1 }
            return bootstrap.interval(ofMean: differences).map { lengthDifference in
                Evaluation.Comparison(
                    policy: pair.first, against: pair.second, lengthDifference: lengthDifference,
                    judgements: scored.compactMap { scoring, scores in
                        Evaluation.Judgement(
                            scorer: scoring.name, margins: scores.margins[place], tieMargin: settings.tieMargin,
                            lengthDifferences: differences, bootstrap)
                    })
            }
        }
        evaluation = Evaluation(
            software: "\(Version.software), OpenBLAS \(BLAS.coreName), \(BLAS.threads) thread(s)",
            config: configuration.yaml, queries: answers.queries.count, resamples: bootstrap.resamples,
            level: bootstrap.level, beta: settings.beta ?? configuration.dpo.beta, tieMargin: settings.tieMargin,
            reference: settings.referenceName, baseline: settings.baseline,
            scorers: try scored.map { scoring, _ in
                Evaluation.Scorer(
                    name: scoring.name, model: scoring.path,
                    modelDigest: try session.knownDigests.digest(ofModel: scoring.path) {
                        try ModelDirectory.open(scoring.path, head: .scalar).digest()
                    }, kind: scoring.isDifference ? "difference" : "reward")
            }, policies: policies, comparisons: comparisons,
            corpora: try likelihoods?.corpusFacts(settings.outOfDomain) ?? [])
    }

    /// Both files.
    /// - Throws: `RDOError.artefact` when the disk is full.
    func write() throws {
        try Durable.write(Data(try queryLines()), to: configuration.evaluatedQueries)
        try EvaluationFile.write(evaluation, to: configuration.evaluationFile)
    }

    // MARK: - Query by query

    private struct QueryLine: Encodable {
        struct Comparison: Encodable {
            let policy: String
            let against: String
            /// By scorer.
            let scores: [String: Double]
        }

        let query: String
        /// Mean tokens by policy.
        let tokens: [String: Double]
        /// By scorer and policy.
        let scores: [String: [String: Double]]
        let differences: [Comparison]
    }

    private func queryLines() throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return try answers.queries.enumerated().flatMap { query, record in
            let line = QueryLine(
                query: record.prompt, tokens: lengths.mapValues { $0[query] },
                scores: Dictionary(
                    uniqueKeysWithValues: scored.map { ($0.scoring.name, $0.scores.scores.mapValues { $0[query] }) }),
                differences: configuration.evaluate.comparisons.enumerated().map { place, pair in
                    QueryLine.Comparison(
                        policy: pair.first, against: pair.second,
                        scores: Dictionary(
                            uniqueKeysWithValues: scored.map { ($0.scoring.name, $0.scores.margins[place][query]) }))
                })
            return Array(try encoder.encode(line)) + [UInt8(ascii: "\n")]
        }
    }
}
