import Coding
import Diagnostics
import Objectives
import Storage

/// Lists of a coefficient file as preference data (JSONL): each query with its responses and a score for each, the scores of sum
/// 0 whose differences are nearest to the file's in the sum of squares. Of a reward model they are its rewards less their mean.
package struct ListExport {
    private let tables: CoefficientTables
    private let scored: ScoredPairs

    /// - Throws: `RDOError(.artefact)` when the file is no coefficient file, damaged, or has no texts.
    package init(of path: String) throws {
        let file = try CoefficientFile.read(path)
        guard let tables = try file.readTablesIfPresent() else {
            throw RDOError(
                .artefact, "the file has no texts", at: path, remedy: "name one that `rdo score` or `rdo import` made")
        }
        self.tables = tables
        scored = try ScoredPairs(of: file, tables)
    }

    /// - Returns: how many lists were written, and how many pairs belong to none because others of their query are missing.
    package func write(to output: NewTextFile) throws -> (lists: Int, left: Int) {
        var (lists, pairs) = (0, 0)
        try scored.forEachList { list in
            lists += 1
            pairs += list.responses.count * (list.responses.count - 1) / 2
            let texts = list.responses.map { tables.responseTexts[Int($0)].quotedAsJSON }
            let members = [
                ("query", tables.queryTexts[Int(list.query)].quotedAsJSON), ("responses", Self.list(texts)),
                ("scores", Self.list(list.differences.scores.map { "\($0)" })),
                ("tokens", Self.list(list.responses.map { String(tables.responseTokenCounts[Int($0)]) })),
            ]
            try output.write("{" + members.map { "\"\($0)\": \($1)" }.joined(separator: ", ") + "}\n")
        }
        return (lists, scored.count - pairs)
    }

    private static func list(_ values: [String]) -> String { "[" + values.joined(separator: ", ") + "]" }
}
