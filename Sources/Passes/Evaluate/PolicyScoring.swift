import Coding
import Columns
import Diagnostics
import Methods
import Preferences
import Settings
import Storage
import Transformer

/// The policies' responses under one scorer.
struct PolicyScoring {
    let name: String
    let path: String
    let isDifference: Bool
    private let answers: PolicyAnswers
    private let session: Session
    private let reading: ModelReading

    private var settings: EvaluateSettings { session.configuration.evaluate }

    /// What a scorer says, query by query.
    struct Scores {
        /// Of each policy the mean score of its responses; none where a difference model has no baseline.
        var scores: [String: [Double]] = [:]
        /// Of each comparison, in their order, the mean difference.
        var margins: [[Double]] = []
    }

    /// Collective.
    /// - Throws: `RDOError.artefact` when the directory holds no scorer.
    init(_ name: String, _ scorer: EvaluationScorerSettings, _ answers: PolicyAnswers, _ session: Session) throws {
        let path = scorer.model ?? ""
        (self.name, self.path, self.answers, self.session) = (name, path, answers, session)
        (isDifference, reading) = try session.world.collectively {
            guard try ModelDirectory.open(path, head: .scalar).contains(HeadKind.scalar.weightName) else {
                throw RDOError(
                    .artefact, "the scorer has no score.weight", at: path,
                    remedy: "name a reward or difference model in evaluate.scorers.\(name)")
            }
            return (try Self.isDifference(scorer.kind, path), try ModelReading(of: path, session.configuration))
        }
    }

    private static func isDifference(_ kind: EvaluationScorerSettings.Kind, _ path: String) throws -> Bool {
        let origin = try ModelOrigin.read(path)?.pass
        let isNamed = origin == DifferenceMethod.name.rawValue
        // A directory that says what it is cannot be taken for the other.
        if kind != .auto, let origin, [DifferenceMethod.name.rawValue, RewardMethod.name.rawValue].contains(origin),
            isNamed != (kind == .difference)
        {
            throw RDOError(
                .artefact, "the pass \(origin) made this model, and its kind is given as \(kind.rawValue)", at: path,
                remedy: "leave the kind out")
        }
        return kind == .auto ? isNamed : kind == .difference
    }

    /// Collective: computes what is not there yet.
    ///
    /// - Returns: what it says; nil on ranks other than 0.
    func scores() throws -> Scores? { try isDifference ? differences() : rewards() }

    private func run(_ measurements: [Measurement]) throws {
        try Measurement.run(measurements, model: path, head: .scalar, reading.conventions, session)
    }

    // MARK: - A reward model

    private func rewards() throws -> Scores? {
        let prepared = try session.world.collectively {
            try answers.policies.map { policy in
                // The different responses to each query, as the scorer reads them.
                let examples = try answers.queries.indices.map { query in
                    let record = policy.record(query, DistinctTexts(policy.texts(query)).texts)
                    return try required { () throws(BadRow) in try reading.plan.forPolicies.example(of: record) }
                }
                return (
                    policy: policy, examples: examples,
                    measurement: try Measurement("reward.\(name).\(policy.name)", .reward, of: Rows(examples))
                )
            }
        }
        try run(prepared.map(\.measurement))
        return try session.world.onRankZero {
            var found = Scores()
            // Equal responses of several policies have the value that the first of these has: in which chunk a response was
            // read can change its last bit, and must not decide who wins.
            var known: [ContentKey: Double] = [:]
            for (policy, examples, measurement) in prepared {
                let values = try MeasuredValues(of: measurement, session)
                found.scores[policy.name] = try examples.enumerated().map { query, example in
                    let own = try example.responseKeys.map { key -> Double in
                        if let value = known[key] { return value }
                        let value = try values(key)[0]
                        known[key] = value
                        return value
                    }
                    return DistinctTexts(policy.texts(query)).places.map { own[$0] }.orderlessMean
                }
            }
            found.margins = settings.comparisons.map { pair in
                zip(found.scores[pair.first] ?? [], found.scores[pair.second] ?? []).map { $0 - $1 }
            }
            return found
        }
    }

    // MARK: - A difference model

    /// Two policies' responses to each query, and what is compared of them.
    private struct Pairing {
        /// Of each query the responses of the first policy, then those of the second.
        let texts: [DistinctTexts]
        /// How many of them are the first policy's.
        let firstCounts: [Int]
        let examples: [Measurement.ComparedExample]
        let measurement: Measurement
    }

    /// - Parameter isBaseline: of the second policy's responses to a query the first one alone.
    private func pairing(_ a: PolicyAnswers.Policy, _ b: PolicyAnswers.Policy, isBaseline: Bool) throws -> Pairing {
        let queries = answers.queries.indices
        let firsts = queries.map { a.texts($0) }
        let texts = queries.map { query in
            let others = b.texts(query)
            return DistinctTexts(firsts[query] + (isBaseline ? Array(others.prefix(1)) : others))
        }
        let examples = try queries.map { query in
            let record = a.record(query, texts[query].texts)
            let example = try required { () throws(BadRow) in
                try reading.differencePlan.forPolicies.differenceExample(of: record)
            }
            // Every two once, in one order: both are computed. Equal responses need no model.
            let (first, second) = texts[query].split(at: firsts[query].count)
            let pairs = Set(first.flatMap { i in second.filter { $0 != i }.map { [min(i, $0), max(i, $0)] } })
            return Measurement.ComparedExample(
                example: example,
                comparisons: pairs.sorted { ($0[0], $0[1]) < ($1[0], $1[1]) }.map { (first: $0[0], second: $0[1]) })
        }
        let kind = isBaseline ? "baseline" : "difference"
        return Pairing(
            texts: texts, firstCounts: firsts.map(\.count), examples: examples,
            measurement: try Measurement(
                "\(kind).\(name).\(a.name).\(b.name)", of: examples, eos: reading.conventions.eosTokenID))
    }

    private func differences() throws -> Scores? {
        let (scored, compared) = try session.world.collectively {
            let baseline = settings.baseline.flatMap { answers[$0] }
            return (
                try baseline.map { other in try answers.policies.map { try pairing($0, other, isBaseline: true) } }
                    ?? [],
                try settings.comparisons.compactMap { pair -> Pairing? in
                    guard let first = answers[pair.first], let second = answers[pair.second] else { return nil }
                    return try pairing(first, second, isBaseline: false)
                }
            )
        }
        try run((scored + compared).map(\.measurement))
        return try session.world.onRankZero {
            var found = Scores()
            for (policy, pairing) in zip(answers.policies, scored) { found.scores[policy.name] = try margins(pairing) }
            found.margins = try compared.map { try margins($0) }
            return found
        }
    }

    /// Of each query the mean of ½ (d(x, a, b) − d(x, b, a)) over the responses a of the first policy and b of the second.
    private func margins(_ pairing: Pairing) throws -> [Double] {
        // Where all responses are equal there is no file.
        let values = pairing.measurement.count > 0 ? try MeasuredValues(of: pairing.measurement, session) : nil
        return try pairing.examples.indices.map { query in
            let (first, second) = pairing.texts[query].split(at: pairing.firstCounts[query])
            let example = pairing.examples[query].example
            return try first.flatMap { a in
                try second.map { b in
                    guard a != b, let figures = try values?(example.key(min(a, b), max(a, b))) else { return 0 }
                    return (a < b ? 1 : -1) * (figures[0] - figures[1]) / 2
                }
            }.orderlessMean
        }
    }
}

extension DistinctTexts {
    /// Places of the first texts that were given, and of the others.
    fileprivate func split(at count: Int) -> (first: ArraySlice<Int>, second: ArraySlice<Int>) {
        (places.prefix(count), places.dropFirst(count))
    }
}
