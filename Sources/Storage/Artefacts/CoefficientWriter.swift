import Coding
import Columns
import Diagnostics
import Foundation

/// Writes a coefficient file: differences, and the rewards they come from where a reward model scores.
package final class CoefficientWriter: ChunkedWriter<Float> {
    package let scorer: ScorerDescription
    private let tables: CoefficientTables

    /// See `ChunkedWriter`; the kind of scorer counts too.
    package init(
        path: String, header: ArtefactHeader, scorer: ScorerDescription, tables: CoefficientTables, chunkRows: Int
    ) throws {
        (self.scorer, self.tables) = (scorer, tables)
        var header = header
        header.schema = CoefficientFile.schema
        let columns =
            switch scorer.kind {
            case .difference: ["difference"] + (scorer.symmetric ? ["difference_reversed"] : [])
            case .reward: ["difference", "reward_first", "reward_second"]
            }
        try super.init(
            path: path, header: header,
            kind: CoefficientFile.schema + scorer.kind.rawValue + (scorer.symmetric ? "+" : "-"),
            provenance: scorer.provenance, keys: tables.pairKeys, columns: columns.map { "/pairs/" + $0 },
            chunkRows: chunkRows)
    }

    /// Stores the differences of whole chunks of pairs, from the difference model, and returns when they are on the disk.
    ///
    /// - Parameter reversed: d(x, second, first), exactly when the scorer is symmetric.
    /// - Throws: `RDOError(.numerical)` when a value is not finite.
    package func write(rows: Range<Int>, differences: [Float], reversed: [Float]? = nil) throws {
        precondition(scorer.kind == .difference && (reversed != nil) == scorer.symmetric, "not what this scorer gives")
        let values = [differences] + (reversed.map { [$0] } ?? [])
        try write(rows: rows, values, finite: values.flatMap { $0 }, Self.checkedValue)
    }

    /// Stores the rewards of both responses of whole chunks of pairs, from a pointwise reward model.
    ///
    /// - Throws: `RDOError(.numerical)` when a value is not finite.
    package func write(rows: Range<Int>, rewardsFirst: [Float], rewardsSecond: [Float]) throws {
        precondition(scorer.kind == .reward, "only a reward model gives rewards")
        let differences = zip(rewardsFirst, rewardsSecond).map { $0 - $1 }
        try write(
            rows: rows, [differences, rewardsFirst, rewardsSecond], finite: rewardsFirst + rewardsSecond,
            Self.checkedValue)
    }

    private static let checkedValue = "the scorer's value for pair"

    /// See `ChunkedWriter.finish(_:)`.
    package func finish() throws {
        try finish { file, columns in
            let isReward = scorer.kind == .reward
            try CoefficientContents(
                scorer: scorer.kind.rawValue, provenance: provenance, keys: keys, tables: tables,
                differences: columns[0], reversed: !isReward && scorer.symmetric ? columns[1] : nil,
                rewards: isReward ? rewards(first: columns[1], second: columns[2]) : nil
            ).fill(file)
        }
    }

    /// Rewards per response; NaN for a response that is in no pair.
    private func rewards(first: ScratchColumn<Float>, second: ScratchColumn<Float>) throws -> ScratchColumn<Float> {
        let rewards = try ScratchColumn(repeatElement(Float.nan, count: tables.responseTexts.count))
        for pair in first.indices {
            try rewards.replace(Int(tables.pairFirsts[pair]), with: first[pair])
            try rewards.replace(Int(tables.pairSeconds[pair]), with: second[pair])
        }
        return rewards
    }
}
