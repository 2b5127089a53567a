import Coding
import Diagnostics
import Foundation

/// Numbers computed row by row over hours, in a file that survives being killed at any moment: the working file of a
/// scoring or reference pass, `NAME.partial`.
///
/// All extents are fixed and allocated when the file is created, so later writes change data only, never the file's
/// bookkeeping. A chunk of rows counts as done when its flag is set *and* its digest fits its data: whatever order the
/// disk wrote them in, a chunk that was cut short is computed again.
final class ResumableTable {
    /// The values of one column. Floats start as NaN, so a row that was never written cannot pass for a result.
    enum Values {
        case float([Float])
        case double([Double])

        var count: Int {
            switch self {
            case .float(let values): values.count
            case .double(let values): values.count
            }
        }

        var floats: [Float] {
            guard case .float(let values) = self else { preconditionFailure("the column holds f64") }
            return values
        }

        var doubles: [Double] {
            guard case .double(let values) = self else { preconditionFailure("the column holds f32") }
            return values
        }
    }

    enum ColumnType { case float, double }

    struct Column {
        let name: String
        let type: ColumnType
    }

    static let schema = "rdo.partial/1"

    let path: String
    let rowCount: Int
    /// Rows per chunk; the last chunk may be shorter. That of the file when it was resumed.
    let chunkRows: Int
    /// The digest of every chunk that is done.
    private var digests: [Digest?]
    private let file: HDF5File
    private let columns: [Column]

    /// Which chunks are done.
    var done: [Bool] { digests.map { $0 != nil } }

    /// Opens the working file at `path`, or starts a new one.
    ///
    /// What is good in an old file is copied to a fresh one: nothing is ever written into bookkeeping that may be damaged.
    ///
    /// - Parameters:
    ///   - identity: digest of all that determines the values; a file with another identity is replaced.
    ///   - keys: one per row.
    /// - Throws: `RDOError(.artefact)` when another process is writing the file, or it cannot be created.
    init(
        path: String, header: ArtefactHeader, identity: Digest, keys: [ContentKey], columns: [Column], chunkRows: Int
    ) throws {
        precondition(chunkRows > 0, "a chunk has at least one row")
        self.path = path
        self.columns = columns
        rowCount = keys.count
        // Asked first, because a file that cannot be opened for any other reason is replaced.
        if Durable.isLocked(path, byReaders: true) {
            throw RDOError(
                .artefact, "another process is using this file", at: path, remedy: "wait for it or stop it first")
        }
        let old = try? ResumableTable.salvage(path, identity: identity, columns, rows: keys.count)
        let chunkRows = old?.chunkRows ?? min(chunkRows, max(keys.count, 1))
        self.chunkRows = chunkRows
        let chunks = (keys.count + chunkRows - 1) / chunkRows
        digests = old?.digests ?? [Digest?](repeating: nil, count: chunks)

        let fresh = path + ".writing"
        try Durable.remove(fresh)
        file = try HDF5File(creating: fresh, format: .crashTolerant)
        var header = header
        let finalSchema = header.schema
        header.schema = ResumableTable.schema
        try header.write(to: file, inline: true)
        try file.setAttribute("final_schema", .text(finalSchema), inline: true)
        try file.setAttribute("identity", .bytes(identity.bytes))
        try file.setAttribute("chunk_rows", .integer(Int64(chunkRows)))
        for (index, column) in columns.enumerated() {
            try create(column, values: old?.values[index])
        }
        try file.createDataset("/key", of: UInt8.self, shape: [keys.count, 16], layout: .contiguous)
            .write(keys.flatMap(\.bytes))
        try file.createDataset("/progress/done", of: UInt8.self, shape: [chunks], layout: .contiguous)
            .write(digests.map { $0 == nil ? 0 : 1 } as [UInt8])
        try file.createDataset("/progress/digest", of: UInt8.self, shape: [chunks, 16], layout: .contiguous)
            .write(digests.flatMap { $0?.bytes ?? [UInt8](repeating: 0, count: 16) })
        try file.flush()
        try Durable.sync(fresh)
        try Durable.rename(fresh, to: path)
    }

    private func create(_ column: Column, values: Values?) throws {
        switch column.type {
        case .float: try file.createDataset(column.name, of: Float.self, shape: [rowCount], layout: .contiguous)
        case .double: try file.createDataset(column.name, of: Double.self, shape: [rowCount], layout: .contiguous)
        }
        if let values { try write(values, to: column, rows: 0..<rowCount) }
    }

    /// The values of an old working file and the digests of the chunks that are whole; nil when it has another identity.
    private static func salvage(
        _ path: String, identity: Digest, _ columns: [Column], rows: Int
    ) throws -> (chunkRows: Int, values: [Values], digests: [Digest?])? {
        let file = try HDF5File(opening: path)
        guard try file.text("schema") == schema, try file.attribute("identity") == .bytes(identity.bytes),
            let chunkRows = try file.integer("chunk_rows"), (1...max(rows, 1)).contains(chunkRows)
        else { return nil }
        let chunks = (rows + chunkRows - 1) / chunkRows
        let flags = try file.dataset("/progress/done").read(UInt8.self)
        let digests = try file.dataset("/progress/digest").read(UInt8.self)
        let values = try columns.map { try ResumableTable.read($0, from: file) }
        guard flags.count == chunks, digests.count == 16 * chunks, values.allSatisfy({ $0.count == rows })
        else { return nil }
        let whole = flags.indices.map { chunk -> Digest? in
            let range = chunk * chunkRows..<min((chunk + 1) * chunkRows, rows)
            let stored = Digest(bytes: digests[16 * chunk..<16 * chunk + 16])
            return flags[chunk] == 1 && stored == digest(values.map { $0.slice(range) }) ? stored : nil
        }
        return (chunkRows, values, whole)
    }

    /// How many chunks there are and how many are done, of the working file at `path` (without checking its digests).
    static func progress(of path: String) throws -> (done: Int, chunks: Int) {
        let flags = try HDF5File(opening: path).dataset("/progress/done").read(UInt8.self)
        return (flags.reduce(0) { $0 + Int($1) }, flags.count)
    }

    func rows(ofChunk chunk: Int) -> Range<Int> { chunk * chunkRows..<min((chunk + 1) * chunkRows, rowCount) }

    /// Stores results of whole chunks and returns when they are on the disk.
    ///
    /// - Parameter values: one entry per column, in the order of the columns.
    /// - Precondition: `rows` starts and ends at chunk boundaries.
    func write(rows: Range<Int>, _ values: [Values]) throws {
        precondition(
            rows.lowerBound % chunkRows == 0 && rows.upperBound <= rowCount
                && (rows.upperBound % chunkRows == 0 || rows.upperBound == rowCount), "rows must be whole chunks")
        precondition(
            values.count == columns.count && values.allSatisfy { $0.count == rows.count },
            "one value per row and column")
        for (column, values) in zip(columns, values) { try write(values, to: column, rows: rows) }
        let chunks = rows.lowerBound / chunkRows..<(rows.upperBound + chunkRows - 1) / chunkRows
        let written = chunks.map { chunk in
            let own = self.rows(ofChunk: chunk)
            let range = own.lowerBound - rows.lowerBound..<own.upperBound - rows.lowerBound
            return ResumableTable.digest(values.map { $0.slice(range) })
        }
        try file.dataset("/progress/digest").write(written.flatMap(\.bytes), rows: chunks)
        try file.dataset("/progress/done").write([UInt8](repeating: 1, count: chunks.count), rows: chunks)
        try file.flush()
        try Durable.sync(path)
        for (chunk, digest) in zip(chunks, written) { digests[chunk] = digest }
    }

    private func write(_ values: Values, to column: Column, rows: Range<Int>) throws {
        let dataset = try file.dataset(column.name)
        switch values {
        case .float(let values): try dataset.write(values, rows: rows)
        case .double(let values): try dataset.write(values, rows: rows)
        }
    }

    /// All columns, read back from the file.
    ///
    /// - Precondition: every chunk is done.
    /// - Throws: `RDOError(.artefact)` when they are not what was written.
    func readBack() throws -> [Values] {
        precondition(digests.allSatisfy { $0 != nil }, "every chunk must be done")
        let values = try columns.map { try ResumableTable.read($0, from: file) }
        for (chunk, digest) in digests.enumerated() {
            let range = rows(ofChunk: chunk)
            guard ResumableTable.digest(values.map { $0.slice(range) }) == digest else {
                throw RDOError(
                    .artefact, "rows \(range) are not what was written: the disk or another program changed them",
                    at: path, remedy: "run the same pass again: it computes them again")
            }
        }
        return values
    }

    /// Closes and deletes the working file: its content now is in the finished artefact.
    func discard() throws {
        try file.close()
        try Durable.remove(path)
    }

    private static func read(_ column: Column, from file: HDF5File) throws -> Values {
        let dataset = try file.dataset(column.name)
        return switch column.type {
        case .float: .float(try dataset.read(Float.self))
        case .double: .double(try dataset.read(Double.self))
        }
    }

    private static func digest(_ values: [Values]) -> Digest {
        let stream = DigestStream()
        for values in values {
            switch values {
            case .float(let values): stream.update(values)
            case .double(let values): stream.update(values)
            }
        }
        return stream.digest
    }
}

extension ResumableTable.Values {
    fileprivate func slice(_ range: Range<Int>) -> Self {
        switch self {
        case .float(let values): .float(Array(values[range]))
        case .double(let values): .double(Array(values[range]))
        }
    }
}
