import Diagnostics
import Foundation

/// Files that somebody else made: only what is absent counts as absent, and only regular files are opened, because a pipe
/// would be waited for.
package enum InputFile {
    /// - Returns: false when nothing is at `path`.
    /// - Throws: an error of `kind` when that cannot be found out, or what is there is no regular file.
    package static func exists(_ path: String, _ kind: RDOError.Kind = .artefact) throws -> Bool {
        try status(path, kind) != nil
    }

    /// - Throws: an error of `kind` when nothing is at `path`, or no regular file.
    package static func requireRegular(_ path: String, _ kind: RDOError.Kind = .artefact) throws {
        if try !exists(path, kind) { throw cannotOpen(path, kind, ENOENT) }
    }

    /// The whole file; nil when nothing is at `path`.
    ///
    /// - Parameter limit: bytes; a larger file is none of the kind that is looked for.
    /// - Throws: an error of `kind` when it cannot be read, is no regular file, too large, or a pointer of Git LFS.
    package static func contents(
        of path: String, limit: Int = 1 << 30, _ kind: RDOError.Kind = .artefact
    ) throws -> [UInt8]? {
        guard let status = try status(path, kind) else { return nil }
        guard status.st_size <= limit else {
            throw RDOError(kind, "the file has \(status.st_size) bytes; at most \(limit) are read", at: path)
        }
        let bytes: [UInt8]
        do {
            bytes = [UInt8](try Data(contentsOf: URL(ofFile: path)))
        } catch {
            throw RDOError(kind, "cannot read: \(error.localizedDescription)", at: path)
        }
        guard !GitLFSPointer.isAt(startOf: bytes) else {
            throw RDOError(kind, GitLFSPointer.what, at: path, remedy: GitLFSPointer.remedy)
        }
        return bytes
    }

    /// The text that a whole file is, without a byte order mark; nil when nothing is at `path`.
    ///
    /// - Parameter name: what messages call the file.
    /// - Throws: as `contents`; an error of `kind` when it is not UTF-8.
    package static func text(
        of path: String, called name: String = "the file", _ kind: RDOError.Kind = .artefact
    ) throws -> String? {
        guard let bytes = try contents(of: path, kind) else { return nil }
        guard !UTF16Text.isAt(startOf: bytes) else {
            throw RDOError(
                kind, UTF16Text.what, at: path, remedy: UTF16Text.remedy(bytes, path: path, output: "utf8.txt"))
        }
        let isMarked = bytes.starts(with: [0xEF, 0xBB, 0xBF])
        guard let text = String(validating: isMarked ? bytes.dropFirst(3) : bytes[...], as: UTF8.self) else {
            throw RDOError(kind, "\(name) is not UTF-8 text", at: path)
        }
        return text
    }

    /// What a file remembers that saves work and can be made again; nil when nothing is at `path`, or JSON that says
    /// something else: of another version, or cut short by a full disk.
    ///
    /// - Throws: as `contents`.
    package static func memory<Value: Decodable>(_ type: Value.Type, in path: String) throws -> Value? {
        guard let bytes = try contents(of: path) else { return nil }
        return try? JSONDecoder().decode(type, from: Data(bytes))
    }

    /// The JSON object that a whole file is; nil when nothing is at `path`.
    ///
    /// - Throws: as `contents`; `RDOError.artefact` with the line of a syntax error, or when it is no object.
    package static func object(in path: String) throws -> JSONValue? {
        guard let bytes = try contents(of: path) else { return nil }
        let value: JSONValue
        do { value = try JSONParser.parse(file: bytes) } catch { throw error.error(in: path, bytes) }
        guard value.isObject else {
            throw RDOError(.artefact, "the file is not a JSON object but \(value.kind)", at: path)
        }
        return value
    }

    private static func status(_ path: String, _ kind: RDOError.Kind) throws -> stat? {
        var status = stat()
        guard !path.utf8.contains(0) else { throw cannotOpen(path, kind, EINVAL) }
        guard stat(path, &status) == 0 else {
            // Nothing can be at a name that is too long.
            if [ENOENT, ENOTDIR, ENAMETOOLONG].contains(errno) { return nil }
            throw cannotOpen(path, kind, errno)
        }
        guard status.st_mode & S_IFMT == S_IFREG else {
            throw RDOError(
                kind, "\(name(ofType: status.st_mode)), not a regular file", at: path, remedy: "name a file")
        }
        return status
    }

    static func cannotOpen(_ path: String, _ kind: RDOError.Kind, _ number: Int32) -> RDOError {
        RDOError(kind, "cannot open (\(String(cString: strerror(number))))", at: path)
    }

    private static func name(ofType mode: mode_t) -> String {
        switch mode & S_IFMT {
        case S_IFDIR: "a directory"
        case S_IFIFO: "a pipe"
        case S_IFSOCK: "a socket"
        default: "a device"
        }
    }
}
