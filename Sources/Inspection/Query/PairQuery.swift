import Diagnostics

/// Which pairs, in which order: `--where`, `--sort` and `--limit`.
package struct PairQuery: Sendable {
    /// A condition over the columns; nil for all pairs.
    package var condition: String?
    /// A number or a text of each pair, with `asc` or `desc` after it; nil for the file's order.
    package var order: String?
    package var limit: Int?

    /// - Throws: `RDOError(.usage)` when the limit is negative.
    package init(condition: String? = nil, order: String? = nil, limit: Int? = nil) throws {
        (self.condition, self.order, self.limit) = (condition, order, limit)
        if let limit, limit < 0 { throw RDOError(.usage, "--limit \(limit) is negative") }
    }

    /// Rows of `/pairs`. Equal ones stay in the file's order; a number that is none comes last.
    ///
    /// - Throws: `RDOError(.usage)` that names the character where a text is none of the grammar's.
    package func rows(of columns: PairColumns) throws -> [Int] {
        var rows = Array(0..<columns.count)
        if let condition {
            rows = rows.filter(try PairExpression.condition(condition, over: columns, option: "--where"))
        }
        if let order { rows = try Self.sorted(rows, by: order, columns) }
        return limit.map { Array(rows.prefix($0)) } ?? rows
    }

    private static func sorted(_ rows: [Int], by order: String, _ columns: PairColumns) throws -> [Int] {
        let (value, isDescending) = try PairExpression.order(order, over: columns, option: "--sort")
        func sorted<Key: Comparable>(_ keys: [Key]) -> [Int] {
            rows.indices.sorted {
                keys[$0] == keys[$1] ? $0 < $1 : isDescending ? keys[$0] > keys[$1] : keys[$0] < keys[$1]
            }.map { rows[$0] }
        }
        switch value {
        case .number(let number):
            let last = isDescending ? -Double.infinity : .infinity
            return sorted(
                rows.map { row in
                    let key = number(row)
                    return key.isNaN ? last : key
                })
        case .text(let text): return sorted(rows.map(text))
        case .truth: preconditionFailure("a condition has no order")
        }
    }
}
