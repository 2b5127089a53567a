import Inspection

/// Shares of wins, ties and losses of the first file's policy, each with its 95 % interval.
package struct OutcomeShares: Encodable, Sendable, Equatable {
    package let win: Share
    package let tie: Share
    package let lose: Share

    /// Nil without a verdict.
    init?(_ outcomes: [Outcome]) {
        func share(_ outcome: Outcome) -> Share? { Share(outcomes.map { $0 == outcome }) }
        guard let win = share(.win), let tie = share(.tie), let lose = share(.lose) else { return nil }
        (self.win, self.tie, self.lose) = (win, tie, lose)
    }
}

/// What one judge, or one person, said in all, and how far it can be believed.
package struct JudgeTally: Encodable, Sendable, Equatable {
    package let name: String
    package let verdicts: OutcomeShares?
    /// How often the response in the first place won, of all readings that prefer one.
    package let firstWins: Share?
    /// Its verdicts say where a response stood and nothing else.
    package let isWorthless: Bool
    /// The interval of `firstWins` leaves out one half.
    package let prefersAPlace: Bool
    /// How often the longer response won, of all verdicts that prefer one of two lengths.
    package let longerWins: Share?
    /// Pairs of which the judge says the contrary in the other order; nil where it was asked once.
    package let contradictions: Int?
    /// Pairs without a verdict, by reason.
    package let missing: [String: Int]
    package var spending: Spending?
    /// Why the judge was given up.
    package var ended: String?

    /// Fewer readings show nothing.
    private static let fewest = 8

    /// - Parameter identical: pairs of equal responses: ties.
    init(_ name: String, _ pairs: [(pair: PolicyPair, opinion: Opinion)], identical: Int) {
        self.name = name
        let opinions = pairs.map(\.opinion)
        let readings = opinions.flatMap(\.readings)
        let ties = [Outcome](repeating: .tie, count: identical)
        verdicts = OutcomeShares(opinions.compactMap(\.verdict) + ties)
        let first = Share(readings.compactMap(\.firstWins))
        firstWins = first
        prefersAPlace = first.map { $0.count >= Self.fewest && ($0.low > 0.5 || $0.high < 0.5) } ?? false
        isWorthless = prefersAPlace && first.map { $0.share >= 0.9 || $0.share <= 0.1 } ?? false
        longerWins = Share(
            pairs.compactMap { pair, opinion -> Bool? in
                let longer = pair.a.unicodeScalars.count - pair.b.unicodeScalars.count
                guard longer != 0, let verdict = opinion.verdict, verdict != .tie else { return nil }
                return (longer > 0) == (verdict == .win)
            })
        contradictions = opinions.contains { $0.readings.count > 1 } ? opinions.count { $0.isContradictory } : nil
        missing = Dictionary(
            opinions.compactMap { $0.verdict == nil ? $0.missing.map { ($0.rawValue, 1) } : nil },
            uniquingKeysWith: +)
    }
}

/// What a judge was asked and what it cost.
package struct Spending: Encodable, Sendable, Equatable {
    /// Answers that this comparison rests on, whenever they were given.
    package var answers = 0
    /// Of these, without a line of scores; the judge was asked again about some.
    package var malformed = 0
    package var inputTokens = 0
    package var outputTokens = 0
    /// Answers whose tokens the server did not count.
    package var uncounted = 0
    /// Nil without prices.
    package var cost: Double?
    /// Requests of this run alone; the other answers were in the cache.
    package var requests = 0
    /// Of these, those that had to be sent again, by reason.
    package var sentAgain: [String: Int] = [:]
}

/// Everything that result.json says.
package struct Judgement: Encodable, Sendable {
    package static let schema = "rdo.judgement/1"

    package let schema = Judgement.schema
    package let coverage: PairCoverage
    package let seed: Int
    package private(set) var judges: [JudgeTally]
    /// What most say; nil without any verdict.
    package let majority: OutcomeShares?
    /// How many pairs have how many verdicts; pairs of equal responses have none and do not count.
    package let verdictsPerPair: [String: Int]
    /// Over the pairs of which every judge with a verdict at all has one.
    package let agreement: Agreement?

    package static let majorityName = "majority"

    /// - Parameter names: the judges, in their order.
    package init(_ pairs: [JudgedPair], names: [String], coverage: PairCoverage, seed: Int) {
        (self.coverage, self.seed) = (coverage, seed)
        let asked = pairs.filter { !$0.pair.isIdentical }
        judges = names.map { name in
            JudgeTally(
                name,
                asked.compactMap { pair in
                    pair.opinions.first { $0.judge == name }.map { (pair.pair, $0) }
                }, identical: pairs.count - asked.count)
        }
        majority = OutcomeShares(pairs.compactMap(\.majority))
        verdictsPerPair = Dictionary(
            asked.map { (String($0.opinions.count { $0.verdict != nil }), 1) }, uniquingKeysWith: +)
        let raters = Set(asked.flatMap { $0.opinions.filter { $0.verdict != nil }.map(\.judge) })
        agreement = Agreement(
            of: asked.map { $0.opinions.compactMap(\.verdict) }.filter { $0.count == raters.count && $0.count > 1 })
    }

    /// With what each judge cost, and why it was given up.
    package func adding(spending: [Spending], ended: [String?]) -> Judgement {
        var result = self
        result.judges = zip(judges, zip(spending, ended)).map { tally, more in
            var tally = tally
            (tally.spending, tally.ended) = more
            return tally
        }
        return result
    }
}
