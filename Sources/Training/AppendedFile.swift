import Diagnostics
import Foundation

/// A file that grows at its end and is flushed after every piece, so that readers see it grow and a kill loses none.
package final class AppendedFile {
    private let file: UnsafeMutablePointer<FILE>
    private let path: String

    /// - Throws: `RDOError.usage` when the file cannot be written.
    package init(path: String) throws {
        guard let file = fopen(path, "a") else { throw Self.cannotWrite(path) }
        (self.file, self.path) = (file, path)
    }

    deinit { fclose(file) }

    /// - Throws: `RDOError.usage` when the disk is full or gone.
    package func append(_ bytes: [UInt8]) throws {
        guard fwrite(bytes, 1, bytes.count, file) == bytes.count, fflush(file) == 0 else {
            throw Self.cannotWrite(path)
        }
    }

    private static func cannotWrite(_ path: String) -> RDOError {
        RDOError(.usage, "cannot write (\(String(cString: strerror(errno))))", at: path)
    }
}
