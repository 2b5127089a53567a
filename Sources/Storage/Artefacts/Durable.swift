import Diagnostics
import Foundation

/// Files that survive a crash: synced before they get their final name.
enum Durable {
    /// Waits until a file's data, or a directory's entries, are on the disk.
    static func sync(_ path: String) throws {
        let descriptor = open(path, O_RDONLY)
        guard descriptor >= 0 else { throw RDOError.system("open", path) }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 else { throw RDOError.system("sync", path) }
    }

    /// Atomically gives a synced file or directory its final name; an existing file is replaced.
    static func rename(_ path: String, to final: String) throws {
        guard Foundation.rename(path, final) == 0 else { throw RDOError.system("rename to \(final)", path) }
        try sync(parent(of: final))
    }

    /// Removes a file or a directory with all it holds; missing is fine.
    static func remove(_ path: String) throws {
        guard exists(path) else { return }
        do { try FileManager.default.removeItem(atPath: path) } catch {
            throw RDOError(.artefact, "cannot remove: \(error.localizedDescription)", at: path)
        }
    }

    static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    /// True when another open HDF5 file, in this process or another, has locked the file: a writer, or also a reader.
    static func isLocked(_ path: String, byReaders: Bool) -> Bool {
        let descriptor = open(path, O_RDONLY)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }  // which also gives the lock back
        return flock(descriptor, (byReaders ? LOCK_EX : LOCK_SH) | LOCK_NB) != 0 && errno == EWOULDBLOCK
    }

    static func parent(of path: String) -> String {
        let parent = (path as NSString).deletingLastPathComponent
        return parent.isEmpty ? "." : parent
    }

    static func createDirectory(_ path: String) throws {
        do { try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true) } catch {
            throw RDOError(.artefact, "cannot create the directory: \(error.localizedDescription)", at: path)
        }
    }
}

extension RDOError {
    /// A system call failed; `errno` says why.
    static func system(_ purpose: String, _ path: String) -> RDOError {
        let reason = String(cString: strerror(errno))
        return RDOError(.artefact, "cannot \(purpose): \(reason)", at: path)
    }
}
