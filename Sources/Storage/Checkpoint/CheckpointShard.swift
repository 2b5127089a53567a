import Coding
import Diagnostics

/// Writes one rank's shard of a checkpoint: its rows of every parameter and of the optimizer's state.
///
/// Every dataset has Fletcher32 checksums and the file's bookkeeping has its own, so damage makes a later read fail.
package final class CheckpointShardWriter {
    package let path: String
    private let file: HDF5File
    private var parts: [CheckpointPart] = []

    /// Creates the shard in a directory that exists.
    ///
    /// - Parameters:
    ///   - shard: number of this shard among `count`.
    ///   - id: names the checkpoint; equal in all of its shards, different for every other save.
    /// - Throws: `RDOError(.artefact)` when it cannot be created.
    package init(directory: String, shard: Int, of count: Int, id: String, header: ArtefactHeader) throws {
        path = directory + "/" + CheckpointLayout.shardName(shard, of: count)
        try Durable.remove(path)
        file = try HDF5File(creating: path)
        var header = header
        header.schema = CheckpointLayout.shardSchema
        try header.write(to: file, inline: true)
        try file.setAttribute("checkpoint", .text(id), inline: true)
    }

    /// Writes this rank's rows of one array; nothing when it has none.
    ///
    /// - Parameters:
    ///   - shape: of the whole array.
    ///   - rows: which rows these are.
    ///   - values: the rows, in row-major order.
    /// - Throws: `RDOError(.artefact)`, for example when the disk is full.
    package func write(
        kind: CheckpointKind, name: String, shape: [Int], rows: Range<Int>, values: UnsafeBufferPointer<Float>
    ) throws {
        precondition(!shape.isEmpty && rows.upperBound <= shape[0], "rows must lie inside the array")
        let rowSize = shape.dropFirst().reduce(1, *)
        precondition(values.count == rows.count * rowSize, "values must fill the rows")
        if values.isEmpty { return }
        let dataset = try file.createDataset(
            kind.group + "/" + name, of: Float.self, shape: [rows.count] + shape.dropFirst(),
            layout: .checked(rowBytes: 4 * rowSize))
        try dataset.setAttribute("first_row", .integer(Int64(rows.lowerBound)))
        try dataset.setAttribute("total_rows", .integer(Int64(shape[0])))
        try dataset.setAttribute("shape", .integers(shape.map(Int64.init)))
        try dataset.write(values, dataset.selection(nil))
        parts.append(CheckpointPart(kind: kind, name: name, shape: shape, rows: rows))
    }

    /// Closes and syncs the file, and reads it back for its digest: HDF5 writes some of its bytes twice.
    ///
    /// - Returns: what `CheckpointIndex.write` needs to know of it.
    /// - Throws: `RDOError(.artefact)`, for example when the disk is full.
    package func close() throws -> WrittenShard {
        try file.close()
        try Durable.sync(path)
        let (digest, byteCount) = try Digest.of(file: path)
        return WrittenShard(digest: digest, byteCount: byteCount, parts: parts)
    }
}

/// Reads one shard.
final class CheckpointShard {
    let path: String
    private let file: HDF5File

    /// - Throws: `RDOError(.artefact)` naming the shard when it is unreadable or belongs to another checkpoint.
    init(path: String, id: String) throws {
        self.path = path
        file = try HDF5File(opening: path)
        _ = try ArtefactHeader(of: file, schemas: [CheckpointLayout.shardSchema])
        let own = try file.text("checkpoint") ?? "none"
        guard own == id else {
            throw RDOError(.artefact, "the shard belongs to checkpoint \(own), not to \(id)", at: path)
        }
    }

    /// All it holds, by kind, then by name.
    func parts() throws -> [CheckpointPart] {
        try CheckpointKind.allCases.flatMap { kind in
            try file.children(of: kind.group).map { try part(kind, $0, file.dataset(kind.group + "/" + $0)) }
        }
    }

    private func part(_ kind: CheckpointKind, _ name: String, _ dataset: HDF5Dataset) throws -> CheckpointPart {
        guard case .integers(let shape)? = try dataset.attribute("shape"), let first = try dataset.integer("first_row"),
            try dataset.integer("total_rows").map(Int64.init) == shape.first, first >= 0,
            dataset.shape.dropFirst().map(Int64.init) == Array(shape.dropFirst()), dataset.element == .float,
            let rows = shape.first, rows >= 0, first <= rows, dataset.rows <= Int(rows) - first
        else {
            throw RDOError(.artefact, "\(dataset.path) does not say which rows it holds", at: path)
        }
        return CheckpointPart(
            kind: kind, name: name, shape: shape.map(Int.init), rows: first..<first + dataset.rows)
    }

    /// Reads `rows`, numbered as in the whole array, of a part that the index says this shard holds.
    func read(_ expected: CheckpointPart, rows: Range<Int>, into values: UnsafeMutableBufferPointer<Float>) throws {
        let dataset = try file.dataset(expected.kind.group + "/" + expected.name)
        guard try part(expected.kind, expected.name, dataset) == expected else {
            throw RDOError(.artefact, "\(dataset.path) holds other rows than the index says", at: path)
        }
        let own = rows.lowerBound - expected.rows.lowerBound..<rows.upperBound - expected.rows.lowerBound
        try dataset.read(dataset.selection(own), into: values)
    }
}
