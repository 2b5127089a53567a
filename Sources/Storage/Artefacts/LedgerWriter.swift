import Columns
import Diagnostics

/// Keeps the ledger of one training pass. Only one process writes.
///
/// Visits are kept in a column outside memory and the file is replaced as a whole, atomically, whenever a checkpoint is
/// due: a file that was killed halfway does not exist, whoever reads it never meets a writer's lock, and its content
/// never runs behind the newest checkpoint. A dataset that grows in place would be none of that, and what is rewritten
/// is small beside the checkpoint that follows.
package final class LedgerWriter {
    package let path: String
    private let header: ArtefactHeader
    private let pass: String
    private var rows = ScratchColumn<LedgerRow>()
    /// How many visits the file has; nil when it must be written even without a new one.
    private var stored: Int?

    package var count: Int { rows.count }

    /// Takes over the ledger at `path`, or starts one.
    ///
    /// - Parameters:
    ///   - pass: the training pass.
    ///   - step: where training goes on: visits of this and later steps were made after the last checkpoint and are
    ///     dropped. 0 starts a new file.
    /// - Throws: `RDOError(.artefact)` when visits are to be kept and the file is damaged or of another kind, or when the
    ///   file cannot be written.
    package init(path: String, header: ArtefactHeader, pass: String, keepingStepsBefore step: Int) throws {
        (self.path, self.header, self.pass) = (path, header, pass)
        if step > 0, try Durable.exists(path) {
            do {
                rows = try LedgerRow.read(from: SealedFile.open(path, schemas: [LedgerFile.schema]).file)
            } catch let error as RDOError {
                throw RDOError(
                    error.kind, error.what, at: error.place,
                    remedy: "move the file away: training then goes on with a ledger without the earlier steps")
            }
            stored = rows.count
            let kept = rows.prefix { $0.step < step }
            if kept.count != stored { (rows, stored) = (try ScratchColumn(kept), nil) }
        }
        try flush()
    }

    /// Notes what a step did. Steps come in ascending order.
    /// - Throws: `RDOError(.artefact)` when the temporary directory has no room.
    package func append(_ visits: [PairVisit], step: Int) throws {
        try rows.append(contentsOf: visits.lazy.map { LedgerRow($0, step: step) })
    }

    /// Returns when everything noted so far is on the disk.
    ///
    /// - Throws: `RDOError(.artefact)`, for example when the disk is full; the file is then as before.
    package func flush() throws {
        guard stored != rows.count else { return }
        var header = header
        header.schema = LedgerFile.schema
        try SealedFile.write(path, header: header) { file in
            try file.setAttribute("pass", .text(pass))
            try LedgerRow.write(rows, to: file)
        }
        stored = rows.count
    }

    /// Removes the ledger of an earlier run, if there is one.
    package static func discard(_ path: String) throws { try Durable.remove(path) }
}
