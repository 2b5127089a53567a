import Coding
import Diagnostics
import Foundation

/// Files that survive a crash: synced before they get their final name.
package enum Durable {
    /// Waits until a file's data, or a directory's entries, are on the disk.
    package static func sync(_ path: String) throws {
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
    package static func remove(_ path: String) throws {
        if try exists(path) { try attempt("remove", path) { try FileManager.default.removeItem(atPath: path) } }
    }

    /// Gives a complete directory its final name, with `replaced` as the name of one that stands there until it is gone.
    package static func publish(_ partial: String, as final: String, replaced: String) throws {
        try sync(partial)
        try remove(replaced)
        if try exists(final) { try rename(final, to: replaced) }
        try rename(partial, to: final)
        try remove(replaced)
    }

    /// Finishes or undoes a `publish` that was interrupted.
    static func settle(_ final: String, replaced: String) throws {
        if try exists(replaced) && !exists(final) { try rename(replaced, to: final) }
        try remove(replaced)
    }

    /// Runs `body`, whose failure becomes "cannot `purpose`: why" at `path`.
    static func attempt<Result>(_ purpose: String, _ path: String, _ body: () throws -> Result) throws -> Result {
        do { return try body() } catch {
            throw RDOError(.artefact, "cannot \(purpose): \(error.localizedDescription)", at: path)
        }
    }

    /// - Throws: `RDOError(.usage)` when there is something at `path`: it may be anybody's.
    package static func requireAbsent(_ path: String) throws {
        guard try exists(path, .usage) else { return }
        throw RDOError(.usage, "there is a file already", at: path, remedy: "name another one, or remove it first")
    }

    /// Whether anything is at `path`: a file, a directory or what else.
    /// - Throws: an error of `kind` when that cannot be found out.
    package static func exists(_ path: String, _ kind: RDOError.Kind = .artefact) throws -> Bool {
        if access(path, F_OK) == 0 { return true }
        guard [ENOENT, ENOTDIR, ENAMETOOLONG].contains(errno) else { throw RDOError.system("open", path, kind) }
        return false
    }

    /// True when another open HDF5 file, in this process or another, has locked the file: a writer, or also a reader.
    static func isLocked(_ path: String, byReaders: Bool) -> Bool {
        let descriptor = open(path, O_RDONLY | O_NONBLOCK)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }  // which also gives the lock back
        return flock(descriptor, (byReaders ? LOCK_EX : LOCK_SH) | LOCK_NB) != 0 && errno == EWOULDBLOCK
    }

    /// - Throws: `RDOError(.artefact)` when `isLocked`.
    static func requireUnlocked(_ path: String, byReaders: Bool) throws {
        if isLocked(path, byReaders: byReaders) {
            throw RDOError(
                .artefact, "another process is using this file", at: path, remedy: "wait for it or stop it first")
        }
    }

    /// The same path from the root, without `.` and a final slash.
    package static func absolute(_ path: String) -> String { URL(ofFile: path).standardizedFileURL.path }

    package static func isDirectory(_ path: String) -> Bool {
        var isDirectory: ObjCBool = false
        return FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) && isDirectory.boolValue
    }

    /// Paths of what a directory holds, in order; nil for anything else.
    package static func files(in path: String) throws -> [String]? {
        guard isDirectory(path) else { return nil }
        return try attempt("list", path) { try FileManager.default.contentsOfDirectory(atPath: path) }.sorted()
            .map { path + "/" + $0 }
    }

    package static func parent(of path: String) -> String {
        let parent = (path as NSString).deletingLastPathComponent
        return parent.isEmpty ? "." : parent
    }

    package static func createDirectory(_ path: String) throws {
        try attempt("create the directory", path) {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        }
    }
}

extension RDOError {
    /// A system call failed; `errno` says why.
    static func system(_ purpose: String, _ path: String, _ kind: Kind = .artefact) -> RDOError {
        RDOError(kind, "cannot \(purpose): \(String(cString: strerror(errno)))", at: path)
    }
}

extension Digest {
    /// The digest of a file's bytes from `offset` on, and how many they are.
    ///
    /// - Throws: an error of `kind` when the file cannot be read or is no regular file.
    package static func of(
        file path: String, from offset: Int = 0, _ kind: RDOError.Kind = .artefact
    ) throws -> (digest: Digest, byteCount: Int) {
        try InputFile.requireRegular(path, kind)
        let descriptor = open(path, O_RDONLY)
        guard descriptor >= 0, lseek(descriptor, offset, SEEK_SET) == offset else {
            throw RDOError.system("read", path, kind)
        }
        defer { close(descriptor) }
        let stream = DigestStream()
        var total = 0
        let block = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
        defer { block.deallocate() }
        while true {
            let count = read(descriptor, block.baseAddress, block.count)
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw RDOError.system("read", path, kind) }
            if count == 0 { return (stream.digest, total) }
            stream.update(UnsafeRawBufferPointer(rebasing: block[..<count]))
            total += count
        }
    }
}
