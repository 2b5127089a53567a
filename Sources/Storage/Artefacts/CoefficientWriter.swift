import Coding
import Diagnostics
import Foundation

/// Writes a coefficient file chunk by chunk, over any number of interrupted runs.
///
/// Results go to `PATH.partial`; `finish()` makes `PATH` out of them and the tables. Only one process writes.
package final class CoefficientWriter {
    package let path: String
    private let header: ArtefactHeader
    private let scorer: ScorerDescription
    private let tables: CoefficientTables
    private let table: ResumableTable

    /// Opens the unfinished file beside `path`, or starts a new one when there is none or it was made from other data,
    /// another model, tokenizer, template or kind of scorer.
    ///
    /// - Parameter chunkRows: pairs per chunk, for a new file; a resumed one keeps its own, see `chunkRows`.
    /// - Throws: `RDOError(.artefact)` when another process is writing the file, or it cannot be created.
    package init(
        path: String, header: ArtefactHeader, scorer: ScorerDescription, tables: CoefficientTables, chunkRows: Int
    ) throws {
        self.path = path
        self.scorer = scorer
        self.tables = tables
        var header = header
        header.schema = CoefficientFile.schema
        self.header = header
        let identity = DigestStream()
        identity.update(CoefficientFile.schema + scorer.kind.rawValue + (scorer.symmetric ? "+" : "-"))
        for (name, value) in scorer.provenance.attributes { identity.update(name + "=" + value) }
        identity.update(tables.pairKeys.flatMap(\.bytes))
        var columns = [ResumableTable.Column(name: "/pairs/difference", type: .float)]
        switch scorer.kind {
        case .difference where scorer.symmetric:
            columns.append(.init(name: "/pairs/difference_reversed", type: .float))
        case .difference: break
        case .reward:
            columns.append(.init(name: "/pairs/reward_first", type: .float))
            columns.append(.init(name: "/pairs/reward_second", type: .float))
        }
        table = try ResumableTable(
            path: path + ".partial", header: header, identity: identity.digest, keys: tables.pairKeys, columns: columns,
            chunkRows: chunkRows)
    }

    /// Pairs per chunk.
    package var chunkRows: Int { table.chunkRows }
    /// For every chunk, whether its results are stored.
    package var done: [Bool] { table.done }
    /// Rows of the chunks that are still to be computed.
    package var pending: [Range<Int>] { done.indices.filter { !done[$0] }.map(table.rows(ofChunk:)) }

    /// Stores the differences of whole chunks of pairs, from the difference model, and returns when they are on the disk.
    ///
    /// - Parameter reversed: d(x, second, first), exactly when the scorer is symmetric.
    /// - Throws: `RDOError(.numerical)` when a value is not finite.
    package func write(rows: Range<Int>, differences: [Float], reversed: [Float]? = nil) throws {
        precondition(scorer.kind == .difference && (reversed != nil) == scorer.symmetric, "not what this scorer gives")
        try requireFinite(differences + (reversed ?? []), rows)
        try table.write(rows: rows, [.float(differences)] + (reversed.map { [.float($0)] } ?? []))
    }

    /// Stores the rewards of both responses of whole chunks of pairs, from a pointwise reward model.
    ///
    /// - Throws: `RDOError(.numerical)` when a value is not finite.
    package func write(rows: Range<Int>, rewardsFirst: [Float], rewardsSecond: [Float]) throws {
        precondition(scorer.kind == .reward, "only a reward model gives rewards")
        try requireFinite(rewardsFirst + rewardsSecond, rows)
        let differences = zip(rewardsFirst, rewardsSecond).map { $0 - $1 }
        try table.write(rows: rows, [.float(differences), .float(rewardsFirst), .float(rewardsSecond)])
    }

    private func requireFinite(_ values: [Float], _ rows: Range<Int>) throws {
        guard let index = values.firstIndex(where: { !$0.isFinite }) else { return }
        let row = rows.lowerBound + index % rows.count
        throw RDOError(
            .numerical, "the scorer's value for pair \(row) (\(tables.pairKeys[row])) is \(values[index])", at: path)
    }

    /// Makes the finished file, with checksums and its own digest, and removes the unfinished one.
    ///
    /// - Precondition: every chunk is done.
    /// - Throws: `RDOError(.artefact)`, for example when the disk is full; the unfinished file is then still there.
    package func finish() throws {
        let columns = try table.readBack().map(\.floats)
        let differences = columns[0]
        try SealedFile.write(path, header: header) { file in
            try file.setAttribute("scorer", .text(scorer.kind.rawValue))
            try file.setAttribute("symmetric", .integer(scorer.symmetric ? 1 : 0))
            for (name, value) in scorer.provenance.attributes { try file.setAttribute(name, .text(value)) }
            try tables.write(to: file)
            try file.write(differences, to: "/pairs/difference")
            if scorer.kind == .reward {
                try file.write(rewards(first: columns[1], second: columns[2]), to: "/responses/reward")
            } else if scorer.symmetric {
                let reversed = columns[1]
                try file.write(reversed, to: "/pairs/difference_reversed")
                try file.write(zip(differences, reversed).map { ($0 + $1) / 2 }, to: "/pairs/position_bias")
            }
        }
        try table.discard()
    }

    /// Rewards per response; NaN for a response that is in no pair.
    private func rewards(first: [Float], second: [Float]) -> [Float] {
        var rewards = [Float](repeating: .nan, count: tables.responseTexts.count)
        for pair in tables.pairKeys.indices {
            rewards[Int(tables.pairFirsts[pair])] = first[pair]
            rewards[Int(tables.pairSeconds[pair])] = second[pair]
        }
        return rewards
    }
}
