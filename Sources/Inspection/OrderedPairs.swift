import Storage

/// Pairs of a coefficient file in the orders of `PairOrder`; a place counts those that were chosen, a row all of the file.
struct OrderedPairs {
    private let file: CoefficientFile
    private let tables: CoefficientTables?
    private let scored: ScoredPairs
    private let rows: [Int]?
    private let biases: [Double]?

    /// - Parameters:
    ///   - scored: the chosen pairs.
    ///   - rows: of the file, those of the chosen pairs; nil for all.
    init(of file: CoefficientFile, _ tables: CoefficientTables?, _ scored: ScoredPairs, rows: [Int]?) {
        (self.file, self.tables, self.scored, self.rows) = (file, tables, scored, rows)
        biases =
            file.reversed == nil ? nil : scored.stored.map { ($0.difference + ($0.reversed ?? .nan)) / 2 }
    }

    var count: Int { scored.count }

    /// Of each place; none for the position bias of a file without the reversed differences.
    func values(by order: PairOrder) -> [Double] {
        switch order {
        case .difference: scored.stored.map(\.difference)
        case .absolute: scored.stored.map { abs($0.difference) }
        case .bias: biases?.map(abs) ?? []
        case .contradiction: zip(scored.differences, scored.labels).map { -$0 * Double($1) }
        }
    }

    /// Places from the least to the greatest, the earlier of equals first.
    func places(by order: PairOrder) -> [Int] {
        let values = values(by: order)
        return values.indices.sorted { (values[$0], $0) < (values[$1], $1) }
    }

    func pair(_ place: Int) -> CoefficientSummary.Pair {
        let row = rows?[place] ?? place
        return CoefficientSummary.Pair(
            row: row, key: file.keys[row].description, difference: file.differences[row],
            reversed: file.reversed?[row], bias: biases.map { Float($0[place]) },
            label: tables.map { Int($0.labels[row]) },
            query: tables.map { $0.queryTexts[Int($0.pairQueries[row])] },
            first: tables.map { $0.responseTexts[Int($0.pairFirsts[row])] },
            second: tables.map { $0.responseTexts[Int($0.pairSeconds[row])] })
    }
}
