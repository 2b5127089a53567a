import Coding
import Columns
import Diagnostics
import Objectives
import Storage

/// Pairs of a coefficient file as preference data (JSONL): what rdo and other trainers read, with R and the weight, and all
/// that `rdo import` needs to make the same coefficients of it.
///
/// `difference` is that of chosen over rejected, `difference_reversed` that of rejected over chosen; where the second
/// response is the chosen one, `first` says so. Where a pair has no label, all rows have `responses` in the stored order and
/// `scores` that are equal for such a pair, because a file of preference data is of one format. A file without texts gives
/// keys, differences and labels alone.
package struct PairExport {
    private let file: CoefficientFile
    private let tables: CoefficientTables?
    private let seconds: CoefficientTables?
    private let rewards: ScratchColumn<Float>?
    private let hasLabels: Bool
    private let scored: ScoredPairs
    private let rule: CoefficientRule
    /// Rows of `/pairs`.
    package let rows: [Int]
    /// Rows are lists of two responses: a pair has no label.
    package let isOfLists: Bool

    /// - Throws: `RDOError(.artefact)` when the file is no coefficient file or damaged, `.usage` for a wrong query.
    package init(of path: String, _ query: PairQuery, rule: CoefficientRule) throws {
        let file = try CoefficientFile.read(path)
        self.file = file
        let tables = try file.readTablesIfPresent()
        self.tables = tables
        // Another reader for the second responses' texts: neighbouring rows ask for neighbouring texts.
        seconds = try tables == nil ? nil : file.readTables()
        rewards = try tables.flatMap { try file.readRewards(responses: $0.responseTexts.count) }
        hasLabels = try tables != nil || file.readLabels() != nil
        let scored = try ScoredPairs(of: file, tables)
        (self.scored, self.rule) = (scored, rule)
        let rows = try query.rows(of: PairColumns(of: file, tables, scored, rule: rule))
        self.rows = rows
        isOfLists = tables != nil && rows.contains { scored.labels[$0] == 0 }
    }

    package func write(to output: NewTextFile) throws {
        for row in rows {
            let members = tables == nil ? untitled(row) : preference(row)
            try output.write("{" + members.map { "\"\($0)\": \($1)" }.joined(separator: ", ") + "}\n")
        }
    }

    private typealias Member = (name: String, value: String)

    private func untitled(_ row: Int) -> [Member] {
        var members: [Member] = [("key", "\"\(file.keys[row])\""), ("difference", number(file.differences[row]))]
        if let reversed = file.reversed { members.append(("difference_reversed", number(reversed[row]))) }
        if hasLabels { members.append(("label", String(scored.labels[row]))) }
        return members
    }

    private func preference(_ row: Int) -> [Member] {
        guard let tables, let seconds else { return [] }
        let (query, label) = (Int(tables.pairQueries[row]), tables.labels[row])
        let places = [Int(tables.pairFirsts[row]), Int(tables.pairSeconds[row])]
        let texts = [tables.responseTexts[places[0]], seconds.responseTexts[places[1]]].map(\.quotedAsJSON)
        // Chosen before rejected, or as stored.
        let isTurned = label < 0 && !isOfLists
        let order = isTurned ? [1, 0] : [0, 1]
        var members: [Member] = [("prompt", tables.queryTexts[query].quotedAsJSON)]
        if isOfLists {
            members += [("responses", list(texts)), ("scores", "[\(label > 0 ? 1 : 0), \(label < 0 ? 1 : 0)]")]
        } else {
            members += [("chosen", texts[order[0]]), ("rejected", texts[order[1]])]
        }
        if isTurned { members.append(("first", "\"rejected\"")) }
        let stored: [Float?] = [file.differences[row], file.reversed?[row]]
        if let value = stored[order[0]] { members.append(("difference", number(value))) }
        if let value = stored[order[1]] { members.append(("difference_reversed", number(value))) }
        if let rewards { members.append(("rewards", list(order.map { number(rewards[places[$0]]) }))) }
        let r = scored.differences[row]
        members.append(("r", "\(isTurned ? -r : r)"))
        if label != 0 { members.append(("weight", "\(scored.weight(row, by: rule))")) }
        return members + [
            ("tokens", list(order.map { String(tables.responseTokenCounts[places[$0]]) })),
            ("query_key", "\"\(tables.queryKeys[query])\""), ("key", "\"\(file.keys[row])\""),
        ]
    }

    private func list(_ values: [String]) -> String { "[" + values.joined(separator: ", ") + "]" }

    /// In the fewest digits that a reader of doubles makes the same number of.
    private func number(_ value: Float) -> String {
        Float(Double("\(value)") ?? .nan) == value ? "\(value)" : "\(Double(value))"
    }
}
