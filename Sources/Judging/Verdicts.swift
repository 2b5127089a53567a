/// What a verdict says of the first file's policy.
package enum Outcome: String, Codable, CaseIterable, Sendable { case win, tie, lose }

/// The policy of the first file or that of the second.
package enum Side: String, Codable, Sendable {
    case a, b

    var other: Side { self == .a ? .b : .a }
}

/// Why a question has no verdict.
package enum Missing: String, Codable, CaseIterable, Sendable {
    /// Answers without the line of scores, the corrected ones too.
    case malformed
    case refused
    /// The answer reached its limit of tokens, or broke off on its way.
    case truncated
    case notJSON = "not_json"
    /// The server did not answer, or not this question.
    case failed
    /// The judge was given up before.
    case notAsked = "not_asked"
    /// A person left it out.
    case unanswered
}

/// What a judge, or a person, said of a pair that was shown once.
package struct Reading: Codable, Sendable, Equatable {
    /// Whose response stood first, or left.
    package let shownFirst: Side
    /// Nil where it is missing.
    package let outcome: Outcome?
    package var scoreA: Int?
    package var scoreB: Int?
    package var explanation: String?
    package var missing: Missing?
    /// What is known of why it is missing.
    package var detail: String?

    package init(shownFirst: Side, outcome: Outcome) { (self.shownFirst, self.outcome) = (shownFirst, outcome) }

    package init(shownFirst: Side, missing: Missing, detail: String? = nil) {
        (self.shownFirst, outcome, self.missing, self.detail) = (shownFirst, nil, missing, detail)
    }

    init(shownFirst: Side, scores: JudgePrompt.Scores, explanation: String) {
        let (a, b) = shownFirst == .a ? (scores.first, scores.second) : (scores.second, scores.first)
        (self.shownFirst, scoreA, scoreB, self.explanation) = (shownFirst, a, b, explanation)
        outcome = a > b ? .win : a < b ? .lose : .tie
    }

    /// Whether the response in the first place won; nil for ties and what is missing.
    var firstWins: Bool? { outcome.flatMap { $0 == .tie ? nil : ($0 == .win) == (shownFirst == .a) } }
}

/// A judge's, or a person's, opinion of a pair.
package struct Opinion: Codable, Sendable, Equatable {
    package let judge: String
    /// One, or one for each order.
    package let readings: [Reading]

    package init(judge: String, readings: [Reading]) { (self.judge, self.readings) = (judge, readings) }

    /// What all readings say. A judge that does not say the same in both orders sees no difference.
    /// Nil when one is missing.
    package var verdict: Outcome? {
        let outcomes = readings.compactMap(\.outcome)
        guard let first = outcomes.first, outcomes.count == readings.count else { return nil }
        return outcomes.allSatisfy { $0 == first } ? first : .tie
    }

    /// One order says the contrary of the other.
    var isContradictory: Bool {
        let outcomes = readings.map(\.outcome)
        return outcomes.contains(.win) && outcomes.contains(.lose)
    }

    var missing: Missing? { readings.lazy.compactMap(\.missing).first }
}

/// A pair with everybody's opinion: a line of verdicts.jsonl.
package struct JudgedPair: Sendable, Equatable {
    package let pair: PolicyPair
    /// None where the responses are identical.
    package let opinions: [Opinion]

    package init(pair: PolicyPair, opinions: [Opinion]) { (self.pair, self.opinions) = (pair, opinions) }

    /// What more than half of those with a verdict say, else a tie; nil without any verdict.
    package var majority: Outcome? {
        if pair.isIdentical { return .tie }
        let verdicts = opinions.compactMap(\.verdict)
        guard !verdicts.isEmpty else { return nil }
        return Outcome.allCases.first { outcome in 2 * verdicts.count { $0 == outcome } > verdicts.count } ?? .tie
    }
}

extension JudgedPair: Encodable {
    private enum CodingKeys: CodingKey { case key, query, a, b, majority, opinions }

    package func encode(to encoder: any Encoder) throws {
        var line = encoder.container(keyedBy: CodingKeys.self)
        try line.encode(pair.key, forKey: .key)
        try line.encode(pair.query, forKey: .query)
        try line.encode(pair.a, forKey: .a)
        try line.encode(pair.b, forKey: .b)
        try line.encode(majority, forKey: .majority)
        var list = line.nestedUnkeyedContainer(forKey: .opinions)
        for opinion in opinions { try list.encode(StatedOpinion(opinion)) }
    }

    private struct StatedOpinion: Encodable {
        let judge: String
        let verdict: Outcome?
        let readings: [Reading]

        init(_ opinion: Opinion) { (judge, verdict, readings) = (opinion.judge, opinion.verdict, opinion.readings) }
    }
}
