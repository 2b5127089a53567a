import Coding
import Diagnostics
import Objectives
import Storage

/// Some pairs of a coefficient file, and some of their columns.
package struct PairListing {
    private let columns: PairColumns
    private let names: [String]
    /// Rows of `/pairs`.
    package let rows: [Int]

    /// - Parameters:
    ///   - names: of columns; nil for all that the file has.
    ///   - rule: makes the column `weight`.
    /// - Throws: `RDOError(.artefact)` when the file is no coefficient file or damaged, `.usage` for a query or a column
    ///   that it does not have.
    package init(of path: String, _ query: PairQuery, columns names: [String]?, rule: CoefficientRule) throws {
        columns = try PairColumns(of: path, rule: rule)
        for name in names ?? [] where columns[name] == nil {
            throw RDOError(
                .usage, columns.problem(with: name), at: "--columns",
                remedy: "its columns: " + columns.names.joined(separator: ", "))
        }
        self.names = names ?? columns.names
        rows = try query.rows(of: columns)
    }

    private func values(_ row: Int) -> [(name: String, value: PairColumns.Values)] {
        names.compactMap { name in columns[name].map { (name, $0) } }
    }

    /// Lines for a terminal, one a pair.
    ///
    /// - Parameter isFull: texts whole, with their line ends escaped, instead of their starts.
    package func text(isFull: Bool) -> String {
        let cells = rows.map { row in
            values(row).map { _, value in
                guard case .texts(let text) = value else { return value.text(row) }
                return isFull ? text(row).quotedAsJSON : oneLine(text(row), limit: 60)
            }
        }
        let isText = values(0).map { _, value in if case .texts = value { true } else { false } }
        return table(names, cells, isText: isText).map { $0 + "\n" }.joined()
    }

    /// One object a line.
    package func writeJSONLines(to file: NewTextFile) throws {
        for row in rows {
            let members = values(row).map { name, value in
                if case .texts(let text) = value { return "\(name.quotedAsJSON): \(text(row).quotedAsJSON)" }
                return "\(name.quotedAsJSON): \(value.isFinite(row) ? value.text(row) : "null")"
            }
            try file.write("{" + members.joined(separator: ", ") + "}\n")
        }
    }

    /// A header and one line a pair, as RFC 4180 has it.
    package func writeCSV(to file: NewTextFile) throws {
        func cell(_ text: String) -> String {
            let isPlain = !text.utf8.contains { [0x22, 0x2C, 0x0A, 0x0D].contains($0) }
            return isPlain ? text : "\"" + text.replacing("\"", with: "\"\"") + "\""
        }
        try file.write(names.joined(separator: ",") + "\r\n")
        for row in rows {
            try file.write(values(row).map { cell($0.value.text(row)) }.joined(separator: ",") + "\r\n")
        }
    }
}

extension PairColumns {
    /// - Throws: `RDOError(.artefact)` when the file is no coefficient file or damaged.
    package init(of path: String, rule: CoefficientRule) throws {
        let file = try CoefficientFile.read(path)
        let tables = try file.readTablesIfPresent()
        try self.init(of: file, tables, ScoredPairs(of: file, tables), rule: rule)
    }
}

extension PairColumns.Values {
    fileprivate func isFinite(_ row: Int) -> Bool { asNumbers.map { $0(row).isFinite } ?? true }
}
