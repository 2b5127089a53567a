import Testing

@testable import Inspection
@testable import Judging

/// How readings become verdicts, verdicts a majority, and what shows that a judge is not to be believed.
@Suite struct VerdictTests {
    private func pair(_ number: Int, a: String = "aa", b: String = "b") -> PolicyPair {
        PolicyPair(key: "key \(number)", query: "q \(number)", a: a, b: b)
    }

    private func reading(_ first: Side, _ scores: (Int, Int)) -> Reading {
        Reading(shownFirst: first, scores: .init(first: scores.0, second: scores.1), explanation: "why")
    }

    @Test func scoresGoBackToTheirPolicies() {
        let shown = [reading(.a, (7, 2)), reading(.b, (7, 2)), reading(.b, (2, 7)), reading(.b, (5, 5))]
        #expect(shown.map(\.outcome) == [.win, .lose, .win, .tie])
        #expect(shown.map(\.scoreA) == [7, 2, 7, 5] && shown.map(\.scoreB) == [2, 7, 2, 5])
        #expect(shown.map(\.firstWins) == [true, true, false, nil])
    }

    @Test func bothOrdersMustAgree() {
        func verdict(_ readings: Reading...) -> Outcome? { Opinion(judge: "j", readings: readings).verdict }
        #expect(verdict(reading(.a, (7, 2)), reading(.b, (2, 7))) == .win)
        #expect(verdict(reading(.a, (7, 2)), reading(.b, (7, 2))) == .tie)
        #expect(verdict(reading(.a, (7, 2)), reading(.b, (5, 5))) == .tie)
        #expect(verdict(reading(.a, (2, 7)), Reading(shownFirst: .b, missing: .refused)) == nil)
        #expect(Opinion(judge: "j", readings: [reading(.a, (7, 2)), reading(.b, (7, 2))]).isContradictory)
        #expect(!Opinion(judge: "j", readings: [reading(.a, (7, 2)), reading(.b, (5, 5))]).isContradictory)
    }

    @Test(arguments: [
        ([Outcome.win, .win, .lose], Outcome.win), ([.win, .tie, .lose], .tie), ([.lose, .lose, .tie], .lose),
        ([.win, .lose], .tie), ([.win, .tie], .tie), ([.lose], .lose), ([.win, .win, .lose, .lose], .tie),
    ]) func majority(_ outcomes: [Outcome], _ expected: Outcome) {
        let opinions = outcomes.enumerated().map {
            Opinion(judge: "\($0)", readings: [Reading(shownFirst: .a, outcome: $1)])
        }
        #expect(JudgedPair(pair: pair(1), opinions: opinions).majority == expected)
        let silent = Opinion(judge: "s", readings: [Reading(shownFirst: .a, missing: .failed)])
        #expect(JudgedPair(pair: pair(1), opinions: opinions + [silent]).majority == expected)
        #expect(JudgedPair(pair: pair(1), opinions: [silent]).majority == nil)
        #expect(JudgedPair(pair: pair(1, a: "x", b: "x"), opinions: []).majority == .tie)
    }

    private func tally(_ firsts: [Bool]) -> JudgeTally {
        JudgeTally(
            "j",
            firsts.enumerated().map { number, firstWins in
                let side: Side = number % 2 == 0 ? .a : .b
                return (pair(number), Opinion(judge: "j", readings: [reading(side, firstWins ? (8, 1) : (1, 8))]))
            }, identical: 0)
    }

    @Test func aJudgeOfPlacesIsWorthless() throws {
        let always = tally([Bool](repeating: true, count: 24))
        #expect(always.firstWins?.share == 1 && always.prefersAPlace && always.isWorthless)
        // It gave both policies the same number of wins, so nothing else shows it.
        #expect(always.verdicts?.win.share == 0.5)
        #expect(tally([Bool](repeating: false, count: 24)).isWorthless)
        #expect(!tally((0..<24).map { $0 % 3 == 0 }).isWorthless)
        // Leaning is not the same; and of few readings nothing is said.
        let leaning = tally((0..<60).map { $0 % 4 != 0 })
        #expect(leaning.prefersAPlace && !leaning.isWorthless)
        #expect(!tally([Bool](repeating: true, count: 7)).prefersAPlace)
    }

    @Test func lengthAndTies() {
        let opinions: [(PolicyPair, Opinion)] = [
            (pair(1), Opinion(judge: "j", readings: [reading(.a, (8, 1))])),
            (pair(2), Opinion(judge: "j", readings: [reading(.b, (8, 1))])),
            (pair(3), Opinion(judge: "j", readings: [reading(.b, (5, 5))])),
            (pair(4, a: "é", b: "x"), Opinion(judge: "j", readings: [reading(.a, (8, 1))])),
            (pair(5), Opinion(judge: "j", readings: [Reading(shownFirst: .a, missing: .notJSON)])),
        ]
        let tally = JudgeTally("j", opinions, identical: 2)
        #expect(tally.longerWins == Share(of: 1, among: 2))
        #expect(tally.verdicts?.win == Share(of: 2, among: 6) && tally.verdicts?.tie == Share(of: 3, among: 6))
        #expect(tally.missing == ["not_json": 1] && tally.contradictions == nil)
    }

    @Test func agreementIsOverWhatAllSaid() throws {
        func judged(_ number: Int, _ outcomes: [Outcome?]) -> JudgedPair {
            JudgedPair(
                pair: pair(number),
                opinions: zip(["x", "y", "z"], outcomes).map { name, outcome in
                    Opinion(
                        judge: name,
                        readings: [
                            outcome.map { Reading(shownFirst: .a, outcome: $0) }
                                ?? Reading(shownFirst: .a, missing: .failed)
                        ])
                })
        }
        let pairs = [
            judged(1, [.win, .win, nil]), judged(2, [.lose, .lose, nil]), judged(3, [.tie, .win, nil]),
            judged(4, [.win, nil, nil]), JudgedPair(pair: pair(5, a: "s", b: "s"), opinions: []),
        ]
        let coverage = PairCoverage(
            a: "a", b: "b", paired: 5, used: 5, unpaired: [0, 0], repeated: [0, 0], identical: 1)
        let judgement = Judgement(pairs, names: ["x", "y", "z"], coverage: coverage, seed: 1)
        // z said nothing at all, and the fourth pair has one verdict.
        #expect(judgement.agreement == Agreement(of: [[Outcome.win, .win], [.lose, .lose], [.tie, .win]]))
        #expect(judgement.verdictsPerPair == ["2": 3, "1": 1])
        #expect(judgement.majority?.win == Share(of: 2, among: 5))
        #expect(
            judgement.judges[2].verdicts?.tie == Share(of: 1, among: 1) && judgement.judges[2].missing == ["failed": 4])
    }
}
