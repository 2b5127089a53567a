import Coding
import Columns
import Diagnostics
import Foundation

/// The working file of an interrupted pass, as other commands meet it.
enum WorkingFile {
    static let schema = "rdo.partial/1"

    static func progress(_ path: String) throws -> (done: Int, count: Int) {
        let flags = try HDF5File(opening: path).dataset("/progress/done").read(UInt8.self)
        return (flags.reduce(0) { $0 + Int($1) }, flags.count)
    }

    /// Says how many chunks there are and how many are done (without checking their digests).
    static func unfinished(_ path: String) throws -> RDOError {
        let (done, count) = try progress(path)
        return RDOError(
            .artefact, "unfinished: \(done) of \(count) chunks are done", at: path,
            remedy: "run the same pass again to finish it")
    }
}

/// Numbers computed row by row over hours, in a file that survives being killed at any moment: the working file of a
/// scoring or reference pass, `NAME.partial`.
///
/// All extents are fixed and allocated when the file is created, so later writes change data only, never the file's
/// bookkeeping. A chunk of rows counts as done when its flag is set *and* its digest fits its data: whatever order the
/// disk wrote them in, a chunk that was cut short is computed again.
final class ResumableTable<Value: HDF5Number> {
    let path: String
    let rowCount: Int
    /// Rows per chunk; the last chunk may be shorter. That of the file when it was resumed.
    let chunkRows: Int
    /// Which chunks are done.
    private(set) var done: [Bool]
    private let file: HDF5File
    /// The datasets. Their values start as NaN, so a row that was never written cannot pass for a result.
    private let columns: [HDF5Dataset]
    private let progress: (done: HDF5Dataset, digest: HDF5Dataset)

    /// When the file was last known to be on the disk: a sync for every chunk would take longer than small chunks do.
    private var synced = ContinuousClock.now
    private static var syncInterval: Duration { .seconds(2) }

    /// Opens the working file at `path`, or starts a new one.
    ///
    /// What is good in an old file is copied to a fresh one: nothing is ever written into bookkeeping that may be damaged.
    ///
    /// - Parameters:
    ///   - identity: digest of all that determines the values; a file with another identity is replaced.
    ///   - keys: one per row.
    /// - Throws: `RDOError(.artefact)` when another process is writing the file, or it cannot be read or created.
    init(
        path: String, header: ArtefactHeader, identity: Digest, keys: Rows<ContentKey>, columns: [String],
        chunkRows: Int
    ) throws {
        precondition(chunkRows > 0, "a chunk has at least one row")
        self.path = path
        rowCount = keys.count
        let old = try OldTable<Value>.resume(path, identity: identity, columns, rows: rowCount)
        self.chunkRows = old?.chunkRows ?? min(chunkRows, max(rowCount, 1))
        let chunks = (rowCount + self.chunkRows - 1) / self.chunkRows
        done = [Bool](repeating: false, count: chunks)

        let fresh = path + ".writing"
        try Durable.remove(fresh)
        let file = try HDF5File(creating: fresh, format: .crashTolerant)
        self.file = file
        var header = header
        let finalSchema = header.schema
        header.schema = WorkingFile.schema
        try header.write(to: file, inline: true)
        try file.setAttribute("final_schema", .text(finalSchema), inline: true)
        try file.setAttribute("identity", .bytes(identity.bytes))
        try file.setAttribute("chunk_rows", .integer(Int64(self.chunkRows)))
        func create<T: HDF5Number>(_ name: String, _ type: T.Type, _ shape: [Int]) throws -> HDF5Dataset {
            try file.createDataset(name, of: T.self, shape: shape, layout: .contiguous)
        }
        self.columns = try columns.map { try create($0, Value.self, [keys.count]) }
        let keyBytes = try create("/key", UInt8.self, [keys.count, 16])
        try keys.forEachBlock { try keyBytes.write($0.flatMap(\.bytes), rows: $1) }
        progress = (
            try create("/progress/done", UInt8.self, [chunks]),
            try create("/progress/digest", UInt8.self, [chunks, 16])
        )
        for chunk in done.indices {
            guard let values = old?.values(ofChunk: chunk, rows(ofChunk: chunk)) else { continue }
            try store(values, rows(ofChunk: chunk))
        }
        try file.flush()
        try Durable.sync(fresh)
        try Durable.rename(fresh, to: path)
    }

    func rows(ofChunk chunk: Int) -> Range<Int> { chunk * chunkRows..<min((chunk + 1) * chunkRows, rowCount) }

    /// Stores results of whole chunks: no kill of this process loses them, and a power failure at most those of the last
    /// seconds.
    ///
    /// - Parameter values: one entry per column, in the order of the columns.
    /// - Precondition: `rows` starts and ends at chunk boundaries.
    func write(rows: Range<Int>, _ values: [[Value]]) throws {
        precondition(
            rows.lowerBound % chunkRows == 0 && rows.upperBound <= rowCount
                && (rows.upperBound % chunkRows == 0 || rows.upperBound == rowCount), "rows must be whole chunks")
        precondition(
            values.count == columns.count && values.allSatisfy { $0.count == rows.count },
            "one value per row and column")
        try store(values, rows)
        try file.flush()
        if synced.duration(to: .now) > Self.syncInterval { try sync() }
    }

    /// Values, then digests, then flags.
    private func store(_ values: [[Value]], _ rows: Range<Int>) throws {
        for (column, values) in zip(columns, values) { try column.write(values, rows: rows) }
        let chunks = rows.lowerBound / chunkRows..<(rows.upperBound + chunkRows - 1) / chunkRows
        let digests = chunks.map { chunk in
            let own = self.rows(ofChunk: chunk)
            return Digest(of: values, own.lowerBound - rows.lowerBound..<own.upperBound - rows.lowerBound)
        }
        try progress.digest.write(digests.flatMap(\.bytes), rows: chunks)
        try progress.done.write([UInt8](repeating: 1, count: chunks.count), rows: chunks)
        for chunk in chunks { done[chunk] = true }
    }

    /// Returns when all that was written is on the disk.
    func sync() throws {
        try Durable.sync(path)
        synced = .now
    }

    /// All columns, read back from the file.
    ///
    /// - Precondition: every chunk is done.
    /// - Throws: `RDOError(.artefact)` when they are not what was written.
    func readBack() throws -> [ScratchColumn<Value>] {
        precondition(done.allSatisfy { $0 }, "every chunk must be done")
        let result = columns.map { _ in ScratchColumn<Value>() }
        for chunk in done.indices {
            let range = rows(ofChunk: chunk)
            let values = try columns.map { try $0.read(Value.self, rows: range) }
            let digest = Digest(bytes: try progress.digest.read(UInt8.self, rows: chunk..<chunk + 1))
            guard Digest(of: values, 0..<range.count) == digest else {
                throw RDOError(
                    .artefact, "rows \(range) are not what was written: the disk or another program changed them",
                    at: path, remedy: "run the same pass again: it computes them again")
            }
            for (column, values) in zip(result, values) { try column.append(contentsOf: values) }
        }
        return result
    }

    /// Closes and deletes the working file: its content now is in the finished artefact.
    func discard() throws {
        try file.close()
        try Durable.remove(path)
    }
}

/// The working file of an earlier process.
private struct OldTable<Value: HDF5Number> {
    let chunkRows: Int
    private let flags: [UInt8]
    private let digests: HDF5Dataset
    private let columns: [HDF5Dataset]

    /// Nil when there is none, or one in which nothing is of use.
    /// - Throws: `RDOError(.artefact)` when it is there and cannot be opened, or another process has it open.
    static func resume(_ path: String, identity: Digest, _ columns: [String], rows: Int) throws -> OldTable? {
        guard try InputFile.exists(path) else { return nil }
        guard access(path, R_OK) == 0 else { throw RDOError.system("open", path) }
        try Durable.requireUnlocked(path, byReaders: true)
        // Damaged, or of other things: all of it is computed again.
        return try? OldTable(path, identity: identity, columns, rows: rows)
    }

    /// - Throws: when it is damaged, or has another identity.
    private init(_ path: String, identity: Digest, _ columns: [String], rows: Int) throws {
        let file = try HDF5File(opening: path)
        func other(_ what: String) -> RDOError { RDOError(.artefact, "the file has another \(what)", at: path) }
        guard try file.text("schema") == WorkingFile.schema, try file.attribute("identity") == .bytes(identity.bytes)
        else { throw other("identity") }
        guard let chunkRows = try file.integer("chunk_rows"), (1...max(rows, 1)).contains(chunkRows)
        else { throw other("chunk size") }
        self.chunkRows = chunkRows
        let chunks = (rows + chunkRows - 1) / chunkRows
        flags = try file.dataset("/progress/done").read(UInt8.self)
        digests = try file.dataset("/progress/digest")
        self.columns = try columns.map { try file.dataset($0) }
        guard flags.count == chunks, digests.shape == [chunks, 16], self.columns.allSatisfy({ $0.shape == [rows] })
        else { throw other("shape") }
    }

    /// Nil when the chunk is not whole, or its part of the file is damaged: it is computed again.
    func values(ofChunk chunk: Int, _ rows: Range<Int>) -> [[Value]]? {
        guard flags[chunk] == 1, let digest = try? digests.read(UInt8.self, rows: chunk..<chunk + 1),
            let values = try? columns.map({ try $0.read(Value.self, rows: rows) }),
            Digest(of: values, 0..<rows.count) == Digest(bytes: digest)
        else { return nil }
        return values
    }
}

extension Digest {
    /// Of some rows of all columns.
    fileprivate init<Value: BitwiseCopyable>(of columns: [[Value]], _ rows: Range<Int>) {
        let stream = DigestStream()
        for column in columns { column[rows].withUnsafeBytes { stream.update($0) } }
        self = stream.digest
    }
}

/// Writes an artefact chunk by chunk, over any number of interrupted runs.
///
/// Results go to `PATH.partial`; `finish` makes `PATH` out of them. Only one process writes.
package class ChunkedWriter<Value: HDF5Number> {
    package let path: String
    private let header: ArtefactHeader
    let provenance: Provenance
    let keys: Rows<ContentKey>
    private let table: ResumableTable<Value>

    /// Rows per chunk. That of the unfinished file when it was resumed.
    package var chunkRows: Int { table.chunkRows }
    /// For every chunk, whether its results are stored.
    package var done: [Bool] { table.done }
    /// Rows of the chunks that are still to be computed.
    package var pending: [Range<Int>] { done.indices.filter { !done[$0] }.map(table.rows(ofChunk:)) }

    /// Opens the unfinished file beside `path`, or starts a new one when there is none or it was made from other data,
    /// another model, tokenizer, template or `kind`.
    ///
    /// - Parameters:
    ///   - keys: one per row.
    ///   - columns: names of the datasets to compute.
    ///   - chunkRows: for a new file.
    /// - Throws: `RDOError(.artefact)` when another process is writing the file, or it cannot be created.
    init(
        path: String, header: ArtefactHeader, kind: String, provenance: Provenance, keys: Rows<ContentKey>,
        columns: [String], chunkRows: Int
    ) throws {
        (self.path, self.header, self.provenance, self.keys) = (path, header, provenance, keys)
        let identity = DigestStream()
        identity.update(kind)
        for (name, value) in provenance.attributes { identity.update(name + "=" + value) }
        keys.forEachBlock { keys, _ in identity.update(keys.flatMap(\.bytes)) }
        table = try ResumableTable(
            path: path + ".partial", header: header, identity: identity.digest, keys: keys, columns: columns,
            chunkRows: chunkRows)
    }

    /// Stores whole chunks of rows and returns when they are on the disk.
    ///
    /// - Parameters:
    ///   - checked: what must be finite, one value a row, any number of times.
    ///   - what: names the value of a row in messages.
    /// - Throws: `RDOError(.numerical)` when a value is not finite.
    func write(rows: Range<Int>, _ values: [[Value]], finite checked: [Value], _ what: String) throws
    where Value: BinaryFloatingPoint {
        if let index = checked.firstIndex(where: { !$0.isFinite }) {
            let row = rows.lowerBound + index % rows.count
            throw RDOError(.numerical, "\(what) \(row) (\(keys[row])) is \(checked[index])", at: path)
        }
        try table.write(rows: rows, values)
    }

    /// Returns when all chunks that were written are on the disk.
    package func commit() throws { try table.sync() }

    /// Makes the finished file, with checksums and its own digest, and removes the unfinished one.
    ///
    /// - Parameter fill: writes all columns and what else the file holds.
    /// - Precondition: every chunk is done.
    /// - Throws: `RDOError(.artefact)`, for example when the disk is full; the unfinished file is then still there.
    func finish(_ fill: (HDF5File, [ScratchColumn<Value>]) throws -> Void) throws {
        let columns = try table.readBack()
        try SealedFile.write(path, header: header) { try fill($0, columns) }
        try table.discard()
    }
}
