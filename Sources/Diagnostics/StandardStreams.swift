import Foundation

/// Where messages go. A standard error that is closed or full loses them and is no reason to stop.
package enum StandardError {
    package static func write(_ text: String) { _ = StandardStreams.write(text, to: STDERR_FILENO) }
}

/// Where answers go.
package enum StandardOutput {
    /// - Throws: `RDOError(.usage)` when it cannot take the answer.
    package static func write(_ text: String, terminator: String = "\n") throws {
        guard StandardStreams.write(text + terminator, to: STDOUT_FILENO) else {
            throw RDOError(.usage, "cannot write (\(String(cString: strerror(errno))))", at: "standard output")
        }
    }
}

package enum StandardStreams {
    /// Gives the numbers of closed standard streams to something that nobody can write to: otherwise the next file that is
    /// opened would get one, and messages with it.
    package static func reserve() {
        for descriptor in [STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO]
        where fcntl(descriptor, F_GETFD) == -1 && errno == EBADF {
            // The lowest free number is taken, which is this one.
            _ = open("/dev/null", O_RDONLY)
        }
    }

    /// False when not all could be written; `errno` says why.
    fileprivate static func write(_ text: String, to descriptor: Int32) -> Bool {
        var text = text
        return text.withUTF8 { bytes in
            var rest = UnsafeRawBufferPointer(bytes)
            while !rest.isEmpty {
                let count = Foundation.write(descriptor, rest.baseAddress, rest.count)
                if count < 0 && errno == EINTR { continue }
                guard count > 0 else { return false }
                rest = UnsafeRawBufferPointer(rebasing: rest[count...])
            }
            return true
        }
    }
}
