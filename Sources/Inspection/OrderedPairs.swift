import Storage

/// The pairs of a coefficient file in the orders of `PairOrder`.
struct OrderedPairs {
    let file: CoefficientFile
    private let tables: CoefficientTables?
    private let scored: ScoredPairs
    private let biases: [Float]?

    init(of file: CoefficientFile, _ tables: CoefficientTables?, _ scored: ScoredPairs) {
        (self.file, self.tables, self.scored) = (file, tables, scored)
        biases = file.reversed.map { zip(file.differences, $0).map { ($0 + $1) / 2 } }
    }

    /// Of each row; none for the position bias of a file without the reversed differences.
    func values(by order: PairOrder) -> [Float] {
        switch order {
        case .difference: Array(file.differences)
        case .absolute: file.differences.map(abs)
        case .bias: biases?.map(abs) ?? []
        case .contradiction: zip(scored.differences, scored.labels).map { Float(-$0 * Double($1)) }
        }
    }

    /// Rows from the least to the greatest, the earlier of equals first.
    func rows(by order: PairOrder) -> [Int] {
        let values = values(by: order)
        return values.indices.sorted { (values[$0], $0) < (values[$1], $1) }
    }

    func pair(_ row: Int) -> CoefficientSummary.Pair {
        CoefficientSummary.Pair(
            row: row, key: file.keys[row].description, difference: file.differences[row],
            reversed: file.reversed?[row], bias: biases?[row], label: tables.map { Int($0.labels[row]) },
            query: tables.map { $0.queryTexts[Int($0.pairQueries[row])] },
            first: tables.map { $0.responseTexts[Int($0.pairFirsts[row])] },
            second: tables.map { $0.responseTexts[Int($0.pairSeconds[row])] })
    }
}
