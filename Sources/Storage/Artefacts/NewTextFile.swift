import Diagnostics
import Foundation

/// Text for a file that must not be there yet, or for standard output: the file appears when it is whole.
package final class NewTextFile {
    private let path: String?
    private let file: UnsafeMutablePointer<FILE>
    private var partial: String { (path ?? "") + ".writing" }

    /// - Parameter path: nil for standard output.
    /// - Throws: `RDOError(.usage)` when there is something already, or it cannot be written.
    package init(_ path: String?) throws {
        self.path = path
        guard let path else {
            // A descriptor of its own, so that closing the stream does not close standard output.
            guard let file = fdopen(dup(STDOUT_FILENO), "w") else { throw Self.cannotWrite(path) }
            self.file = file
            return
        }
        try Durable.requireAbsent(path)
        guard let file = fopen(path + ".writing", "w") else { throw Self.cannotWrite(path) }
        self.file = file
    }

    /// - Throws: `RDOError(.usage)` when the disk is full or gone.
    package func write(_ text: String) throws {
        var text = text
        let isWritten = text.withUTF8 { fwrite($0.baseAddress, 1, $0.count, file) == $0.count }
        if !isWritten { throw Self.cannotWrite(path) }
    }

    /// - Throws: as `write`.
    package func finish() throws {
        guard fflush(file) == 0, path == nil || fsync(fileno(file)) == 0 else { throw Self.cannotWrite(path) }
        fclose(file)
        if let path { try Durable.rename(partial, to: path) }
    }

    /// Leaves nothing behind.
    package func abandon() throws {
        fclose(file)
        if path != nil { try Durable.remove(partial) }
    }

    /// Runs `body`, then finishes; when it throws nothing is left behind.
    package static func write(_ path: String?, _ body: (NewTextFile) throws -> Void) throws {
        let file = try NewTextFile(path)
        do {
            try body(file)
            try file.finish()
        } catch {
            try file.abandon()
            throw error
        }
    }

    private static func cannotWrite(_ path: String?) -> RDOError {
        RDOError(.usage, "cannot write (\(String(cString: strerror(errno))))", at: path ?? "standard output")
    }
}
