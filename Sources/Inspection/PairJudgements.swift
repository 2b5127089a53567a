import Coding
import Diagnostics
import Objectives
import Storage

/// What a coefficient file says of a pair that training visited.
package struct PairJudgement: Encodable, Sendable {
    /// R of the better response over the worse, as the visit has them; of a single response of KTO over the other.
    package let rewardDifference: Double
    package let query: String?
    package let better: String?
    package let worse: String?

    var lines: [String] {
        let texts = [("query", query), ("better", better), ("worse", worse)]
        return ["      R \(significant(rewardDifference))"]
            + texts.compactMap { name, text in text.map { "      \(name): \(oneLine($0, limit: 160))" } }
    }
}

/// A coefficient file, asked for the pairs of a ledger.
package struct PairJudgements {
    private let file: CoefficientFile
    private let tables: CoefficientTables?
    private let rule = CoefficientRule(alpha: 1, symmetric: true, disagreement: .zero)

    /// - Throws: `RDOError(.artefact)` when it is no coefficient file or damaged.
    init(_ path: String) throws {
        file = try CoefficientFile.read(path)
        tables = try file.readTablesIfPresent()
    }

    /// The key compares the earlier response of the row with the later one; the visit says which is better.
    private func isTurned(_ visit: PairVisit) -> Bool {
        switch (visit.better, visit.worse) {
        case (let better?, let worse?): better > worse
        case (let better?, nil): better > 0
        case (nil, let worse?): worse == 0
        case (nil, nil): false
        }
    }

    func rewardDifference(of visit: PairVisit) -> Double? {
        guard let entry = file[visit.key] else { return nil }
        let r = rule.rewardDifference(
            RewardDifference(difference: Double(entry.difference), reversed: entry.reversed.map(Double.init)))
        return isTurned(visit) ? -r : r
    }

    func judgement(of visit: PairVisit) -> PairJudgement? {
        guard let r = rewardDifference(of: visit), let row = file.row(of: visit.key) else { return nil }
        let texts = tables.map { tables in
            [tables.pairFirsts[row], tables.pairSeconds[row]].map { tables.responseTexts[Int($0)] }
        }
        let turned = isTurned(visit)
        return PairJudgement(
            rewardDifference: r, query: tables.map { $0.queryTexts[Int($0.pairQueries[row])] },
            better: texts?[turned ? 1 : 0], worse: texts?[turned ? 0 : 1])
    }

    func strange(to ledger: String) -> RDOError {
        RDOError(
            .artefact, "it holds none of the pairs of \(ledger)", at: file.path,
            remedy: "name the coefficient file of the same data, template and tokenizer")
    }
}
