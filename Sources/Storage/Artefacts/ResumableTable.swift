import Coding
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
    /// The digest of every chunk that is done.
    private var digests: [Digest?]
    private let file: HDF5File
    /// Names of the datasets. Their values start as NaN, so a row that was never written cannot pass for a result.
    private let columns: [String]

    /// When the file was last known to be on the disk: a sync for every chunk would take longer than small chunks do.
    private var synced = ContinuousClock.now
    private static var syncInterval: Duration { .seconds(2) }

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
        path: String, header: ArtefactHeader, identity: Digest, keys: [ContentKey], columns: [String], chunkRows: Int
    ) throws {
        precondition(chunkRows > 0, "a chunk has at least one row")
        self.path = path
        self.columns = columns
        rowCount = keys.count
        // Asked first, because a file that cannot be opened for any other reason is replaced.
        try Durable.requireUnlocked(path, byReaders: true)
        let old = try? Self.salvage(path, identity: identity, columns, rows: keys.count)
        let chunkRows = old?.chunkRows ?? min(chunkRows, max(keys.count, 1))
        self.chunkRows = chunkRows
        let chunks = (keys.count + chunkRows - 1) / chunkRows
        digests = old?.digests ?? [Digest?](repeating: nil, count: chunks)

        let fresh = path + ".writing"
        try Durable.remove(fresh)
        file = try HDF5File(creating: fresh, format: .crashTolerant)
        var header = header
        let finalSchema = header.schema
        header.schema = WorkingFile.schema
        try header.write(to: file, inline: true)
        try file.setAttribute("final_schema", .text(finalSchema), inline: true)
        try file.setAttribute("identity", .bytes(identity.bytes))
        try file.setAttribute("chunk_rows", .integer(Int64(chunkRows)))
        for (index, column) in columns.enumerated() {
            let dataset = try file.createDataset(column, of: Value.self, shape: [rowCount], layout: .contiguous)
            if let old { try dataset.write(old.values[index]) }
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

    /// The values of an old working file and the digests of the chunks that are whole; nil when it has another identity.
    private static func salvage(
        _ path: String, identity: Digest, _ columns: [String], rows: Int
    ) throws -> (chunkRows: Int, values: [[Value]], digests: [Digest?])? {
        let file = try HDF5File(opening: path)
        guard try file.text("schema") == WorkingFile.schema, try file.attribute("identity") == .bytes(identity.bytes),
            let chunkRows = try file.integer("chunk_rows"), (1...max(rows, 1)).contains(chunkRows)
        else { return nil }
        let chunks = (rows + chunkRows - 1) / chunkRows
        let flags = try file.dataset("/progress/done").read(UInt8.self)
        let digests = try file.dataset("/progress/digest").read(UInt8.self)
        let values = try columns.map { try file.dataset($0).read(Value.self) }
        guard flags.count == chunks, digests.count == 16 * chunks, values.allSatisfy({ $0.count == rows })
        else { return nil }
        let whole = flags.indices.map { chunk -> Digest? in
            let range = chunk * chunkRows..<min((chunk + 1) * chunkRows, rows)
            let stored = Digest(bytes: digests[16 * chunk..<16 * chunk + 16])
            return flags[chunk] == 1 && stored == digest(values, range) ? stored : nil
        }
        return (chunkRows, values, whole)
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
        for (column, values) in zip(columns, values) { try file.dataset(column).write(values, rows: rows) }
        let chunks = rows.lowerBound / chunkRows..<(rows.upperBound + chunkRows - 1) / chunkRows
        let written = chunks.map { chunk in
            let own = self.rows(ofChunk: chunk)
            return Self.digest(values, own.lowerBound - rows.lowerBound..<own.upperBound - rows.lowerBound)
        }
        try file.dataset("/progress/digest").write(written.flatMap(\.bytes), rows: chunks)
        try file.dataset("/progress/done").write([UInt8](repeating: 1, count: chunks.count), rows: chunks)
        try file.flush()
        for (chunk, digest) in zip(chunks, written) { digests[chunk] = digest }
        if synced.duration(to: .now) > Self.syncInterval { try sync() }
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
    func readBack() throws -> [[Value]] {
        precondition(digests.allSatisfy { $0 != nil }, "every chunk must be done")
        let values = try columns.map { try file.dataset($0).read(Value.self) }
        for (chunk, digest) in digests.enumerated() {
            let range = rows(ofChunk: chunk)
            guard Self.digest(values, range) == digest else {
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

    /// Of the rows `range` of all columns.
    private static func digest(_ columns: [[Value]], _ range: Range<Int>) -> Digest {
        let stream = DigestStream()
        for column in columns { column[range].withUnsafeBytes { stream.update($0) } }
        return stream.digest
    }
}

/// Writes an artefact chunk by chunk, over any number of interrupted runs.
///
/// Results go to `PATH.partial`; `finish` makes `PATH` out of them. Only one process writes.
package class ChunkedWriter<Value: HDF5Number> {
    package let path: String
    private let header: ArtefactHeader
    let provenance: Provenance
    let keys: [ContentKey]
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
        path: String, header: ArtefactHeader, kind: String, provenance: Provenance, keys: [ContentKey],
        columns: [String], chunkRows: Int
    ) throws {
        (self.path, self.header, self.provenance, self.keys) = (path, header, provenance, keys)
        let identity = DigestStream()
        identity.update(kind)
        for (name, value) in provenance.attributes { identity.update(name + "=" + value) }
        identity.update(keys.flatMap(\.bytes))
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
    func finish(_ fill: (HDF5File, [[Value]]) throws -> Void) throws {
        let columns = try table.readBack()
        try SealedFile.write(path, header: header) { try fill($0, columns) }
        try table.discard()
    }
}
