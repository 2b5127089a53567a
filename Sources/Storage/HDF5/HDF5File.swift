import CHDF5
import Coding
import Diagnostics
import Foundation

/// An open HDF5 file. Closed by `close()`, which reports failures, or at the latest in `deinit`.
///
/// Closing a file also closes its groups and datasets. Use a file from one thread at a time.
package final class HDF5File: HDF5Location {
    /// How the library lays out its own bookkeeping.
    package enum Format: Sendable {
        /// HDF5 1.10: every block of metadata has a checksum, so a flipped byte there makes the read fail.
        case checksummed
        /// The oldest format: it has no "open for writing" mark, so a file whose writer was killed opens again.
        case crashTolerant
    }

    package let filePath: String
    /// The library's identifier; 0 once closed.
    package private(set) var id: Int64
    package var path: String { "/" }
    package var file: HDF5File { self }
    var isOpen: Bool { id != 0 }

    /// Opens an existing file.
    ///
    /// - Throws: `RDOError(.artefact)` when the file is missing, unreadable, not HDF5, truncated or locked by its writer.
    package init(opening path: String) throws {
        filePath = path
        try InputFile.requireRegular(path)
        guard access(path, R_OK) == 0 else { throw RDOError.system("open", path) }
        let isHDF5 = HDF5.alone(at: path) { H5Fis_hdf5(path) }
        guard isHDF5 > 0 else { throw RDOError(.artefact, "not an HDF5 file", at: path) }
        try Durable.requireUnlocked(path, byReaders: false)
        id = try HDF5File.withAccessList(at: path, format: .crashTolerant) { list in
            try HDF5.call("open", at: path) { H5Fopen(path, rdo_h5_read_only(), list) }
        }
    }

    /// Opens an existing file to change it.
    ///
    /// - Parameter format: of what is added.
    /// - Throws: `RDOError(.artefact)` when it cannot be opened for writing.
    init(changing path: String, format: Format) throws {
        filePath = path
        id = try HDF5File.withAccessList(at: path, format: format) { list in
            try HDF5.call("change", at: path) { H5Fopen(path, rdo_h5_read_write(), list) }
        }
        HDF5.begin(writing: path)
    }

    /// Creates a file that must not exist yet.
    ///
    /// - Parameter userBlock: bytes at the start of the file that HDF5 leaves to us: 0 or a power of two from 512.
    /// - Throws: `RDOError(.artefact)` when it exists or cannot be created.
    package init(creating path: String, format: Format = .checksummed, userBlock: Int = 0) throws {
        filePath = path
        if try Durable.exists(path) { throw RDOError(.artefact, "cannot create: it exists", at: path) }
        id = try HDF5File.withAccessList(at: path, format: format) { list in
            let creation = { H5Pcreate(rdo_h5_file_create()) }
            return try HDF5.with("create", at: path, open: creation, close: H5Pclose) { creation in
                try HDF5.call("create", at: path) { H5Pset_userblock(creation, hsize_t(userBlock)) }
                try HDF5.call("create", at: path) { H5Pset_obj_track_times(creation, false) }
                return try HDF5.call("create", at: path) { H5Fcreate(path, rdo_h5_exclusive(), creation, list) }
            }
        }
        HDF5.begin(writing: path)
    }

    deinit { try? close() }

    private static func withAccessList<Result>(
        at path: String, format: Format, _ body: (Int64) throws -> Result
    ) throws -> Result {
        let purpose = "prepare access"
        return try HDF5.with(purpose, at: path, open: { H5Pcreate(rdo_h5_file_access()) }, close: H5Pclose) { list in
            // A strong close leaves nothing half open: after `close()` all bytes are with the operating system.
            try HDF5.call(purpose, at: path) { H5Pset_fclose_degree(list, H5F_CLOSE_STRONG) }
            try HDF5.call(purpose, at: path) { rdo_h5_tolerate_missing_locks(list) }
            if format == .checksummed {
                try HDF5.call(purpose, at: path) { H5Pset_libver_bounds(list, H5F_LIBVER_V110, H5F_LIBVER_V110) }
            }
            return try body(list)
        }
    }

    /// Hands all buffered data to the operating system (not yet to the disk: see `Durable.sync`).
    ///
    /// - Throws: `RDOError(.artefact)`, for example when the disk is full.
    package func flush() throws {
        try HDF5.call("write", at: filePath) { H5Fflush(id, H5F_SCOPE_LOCAL) }
    }

    /// The size of the file.
    func byteCount() throws -> Int {
        var size: hsize_t = 0
        try HDF5.call("read the size", at: filePath) { H5Fget_filesize(id, &size) }
        return Int(clamping: size)
    }

    /// Flushes and closes; a second call does nothing.
    ///
    /// - Throws: `RDOError(.artefact)`, for example when the disk is full.
    package func close() throws {
        guard isOpen else { return }
        let open = id
        id = 0
        defer { HDF5.end(writing: filePath) }
        try HDF5.call("close", at: filePath) { H5Fclose(open) }
    }
}
