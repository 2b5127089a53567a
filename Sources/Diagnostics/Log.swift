import Foundation
import Logging

/// Plain lines for people: `HH:mm:ss message` on standard error and, once a run has a directory, in its log file.
///
/// Only rank 0 speaks; the other ranks' loggers are silent.
package final class Log: @unchecked Sendable {
    package let isSpeaking: Bool
    private let logger: Logger
    private let sink: LineSink

    package init(speaking: Bool) {
        isSpeaking = speaking
        let sink = LineSink()
        self.sink = sink
        logger = Logger(label: "rdo") { _ in
            if speaking { return LineLogHandler(sink) }
            return SwiftLogNoOpLogHandler()
        }
    }

    package func info(_ message: @autoclosure () -> String) { logger.info("\(message())") }
    package func warning(_ message: @autoclosure () -> String) { logger.warning("\(message())") }

    /// From now on lines are also appended to the file at `path`.
    /// - Throws: `RDOError.usage` when the file cannot be opened.
    package func append(to path: String) throws {
        guard isSpeaking else { return }
        guard let file = fopen(path, "a") else {
            throw RDOError(
                .usage, "cannot write the log file (\(String(cString: strerror(errno))))", at: path,
                remedy: "choose an output directory that you may write to")
        }
        sink.setFile(file)
    }

    /// Text that overwrites itself on a terminal and goes nowhere else.
    func overwrite(_ text: String) { if isSpeaking { sink.overwrite(text) } }

    /// True when standard error is a terminal.
    var isInteractive: Bool { isSpeaking && isatty(STDERR_FILENO) == 1 }
}

/// Standard error and the optional log file, behind one lock.
private final class LineSink: @unchecked Sendable {
    private let lock = NSLock()
    private var file: UnsafeMutablePointer<FILE>?
    private var hasOverwritable = false

    deinit { if let file { fclose(file) } }

    func setFile(_ new: UnsafeMutablePointer<FILE>) {
        lock.withLock {
            if let file { fclose(file) }
            file = new
        }
    }

    func line(_ text: String) {
        lock.withLock {
            writeToTerminal((hasOverwritable ? "\r\u{1B}[K" : "") + text + "\n")
            hasOverwritable = false
            if let file {
                fputs(text + "\n", file)
                fflush(file)
            }
        }
    }

    func overwrite(_ text: String) {
        lock.withLock {
            writeToTerminal("\r\u{1B}[K" + text)
            hasOverwritable = !text.isEmpty
        }
    }
}

private func writeToTerminal(_ text: String) {
    FileHandle.standardError.write(Data(text.utf8))
}

private struct LineLogHandler: LogHandler {
    let sink: LineSink
    var logLevel: Logger.Level = .info
    var metadata: Logger.Metadata = [:]

    init(_ sink: LineSink) { self.sink = sink }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    func log(event: LogEvent) {
        let time = Date().formatted(.iso8601.time(includingFractionalSeconds: false))
        sink.line("\(time) \(event.level >= .warning ? "warning: " : "")\(event.message)")
    }
}
