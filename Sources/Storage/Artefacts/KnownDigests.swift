import Diagnostics
import Coding
import Foundation

/// What identifies the state of a file without reading it, wherever its directory is seen from.
package struct FileStamp: Codable, Sendable, Equatable {
    private let name: String
    package let byteCount: Int
    private let inode: UInt64
    /// Nanoseconds since 1970.
    fileprivate let changed: Int

    /// Nil when there is no such file, it cannot be looked at (whoever reads it says why), or it has no end: a pipe, a device.
    package init?(_ path: String) {
        var status = stat()
        guard stat(path, &status) == 0, [S_IFREG, S_IFDIR].contains(status.st_mode & S_IFMT) else { return nil }
        name = (path as NSString).lastPathComponent
        (byteCount, inode) = (Int(status.st_size), UInt64(status.st_ino))
        changed = status.st_mtim.tv_sec * 1_000_000_000 + status.st_mtim.tv_nsec
    }
}

/// Digests of files that were read before, so that a start reads only what is new: 28 GB of a model, or of data, take a
/// minute. A file counts as the same while its size, inode and time of change are. One rank uses this.
package final class KnownDigests {
    private struct Entry: Codable {
        let stamps: [FileStamp]
        let digest: String
    }

    /// A file that was changed so shortly before it was read could be changed again within the same tick of its clock.
    private static let settled = 2_000_000_000

    private let path: String
    private var entries: [String: Entry]

    /// - Parameter path: where they are kept; nothing is known when no file is there, or it says something else.
    /// - Throws: `RDOError(.artefact)` when the file cannot be read.
    package init(_ path: String) throws {
        self.path = path
        entries = try InputFile.memory([String: Entry].self, in: path) ?? [:]
    }

    /// - Parameters:
    ///   - name: of what is digested.
    ///   - files: what it is made of.
    ///   - read: computes the digest.
    /// - Throws: what `read` throws; `RDOError(.artefact)` when the digests cannot be kept.
    package func digest(of name: String, _ files: [String], _ read: () throws -> String) throws -> String {
        let stamps = files.compactMap { FileStamp($0) }
        if let known = entries[name], known.stamps == stamps { return known.digest }
        let digest = try read()
        let now = Int(Date().timeIntervalSince1970 * 1e9)
        guard stamps.allSatisfy({ $0.changed + Self.settled < now }), files.compactMap({ FileStamp($0) }) == stamps
        else { return digest }
        entries[name] = Entry(stamps: stamps, digest: digest)
        try Durable.write(JSONEncoder().encode(entries), to: path)
        return digest
    }

    /// Of a model directory; see `ModelDirectory.digest`.
    package func digest(ofModel path: String, _ read: () throws -> String) throws -> String {
        let names = try Durable.attempt("list", path) { try FileManager.default.contentsOfDirectory(atPath: path) }
        let files = names.filter {
            $0 == "config.json" || $0.hasSuffix(".safetensors") || $0.hasSuffix(".index.json")
        }.sorted().map { path + "/" + $0 }
        return try digest(of: path, files, read)
    }

    /// Of the bytes of a file.
    /// - Throws: an error of `kind` when it cannot be read or is no regular file.
    package func digest(ofFile path: String, _ kind: RDOError.Kind = .artefact) throws -> String {
        try digest(of: path, [path]) { try Digest.of(file: path, kind).digest.hex }
    }
}

extension Durable {
    /// Replaces a small file as a whole.
    package static func write(_ content: Data, to path: String) throws {
        try createDirectory(parent(of: path))
        let temporary = path + ".writing"
        try attempt("write", path) { try content.write(to: URL(ofFile: temporary)) }
        try rename(temporary, to: path)
    }
}
