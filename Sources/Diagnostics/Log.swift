import Foundation

/// Plain lines for people: `HH:mm:ss message` on standard error and, once a run has a directory, in its log file.
///
/// Only rank 0 speaks; the other ranks' logs are silent. `@unchecked Sendable`: everything is behind one lock.
package final class Log: @unchecked Sendable {
    package let isSpeaking: Bool
    private let lock = NSLock()
    private var file: UnsafeMutablePointer<FILE>?
    private var hasOverwritable = false
    /// Characters of a line: enough for a list of settings, not for a text out of a file.
    private static let lengthLimit = 4000

    package init(speaking: Bool) { isSpeaking = speaking }

    deinit { if let file { fclose(file) } }

    package func info(_ message: @autoclosure () -> String) { if isSpeaking { write(message()) } }
    package func warning(_ message: @autoclosure () -> String) { if isSpeaking { write("warning: " + message()) } }

    /// From now on lines are also appended to the file at `path`.
    /// - Throws: `RDOError.usage` when the file cannot be opened.
    package func append(to path: String) throws {
        guard isSpeaking else { return }
        guard let new = fopen(path, "a") else {
            throw RDOError(
                .usage, "cannot write the log file (\(String(cString: strerror(errno))))", at: path,
                remedy: "choose an output directory that you may write to")
        }
        lock.withLock {
            if let file { fclose(file) }
            file = new
        }
    }

    private func write(_ message: String) {
        let time = Date().formatted(.iso8601.time(includingFractionalSeconds: false))
        let line = "\(time) \(message.escapingControlCharacters(lineEnds: false).shortened(to: Self.lengthLimit))\n"
        lock.withLock {
            Self.writeToTerminal((hasOverwritable ? "\r\u{1B}[K" : "") + line)
            hasOverwritable = false
            if let file {
                fputs(line, file)
                fflush(file)
            }
        }
    }

    /// Text that overwrites itself on a terminal and goes nowhere else.
    func overwrite(_ text: String) {
        guard isSpeaking else { return }
        lock.withLock {
            Self.writeToTerminal("\r\u{1B}[K" + text)
            hasOverwritable = !text.isEmpty
        }
    }

    /// True when standard error is a terminal.
    var isInteractive: Bool { isSpeaking && isatty(STDERR_FILENO) == 1 }

    private static func writeToTerminal(_ text: String) { StandardError.write(text) }
}
