import Foundation

/// The one error type of the program: what went wrong, where, and what to do about it.
///
/// `kind` is the process's exit code (see docs/errors.md). A user sees exactly one line of it, from one rank.
package struct RDOError: Error, Sendable, Equatable, CustomStringConvertible {
    /// Why the program stopped; the raw value is the exit code.
    package enum Kind: Int32, Sendable {
        /// Wrong command line or configuration.
        case usage = 2
        /// Bad input data: a preference file, a text, a row.
        case data = 3
        /// Bad or mismatched artefact: a model, tokenizer, checkpoint, coefficient or reference file.
        case artefact = 4
        /// A loss, gradient or score that is not finite or not what it must be.
        case numerical = 5
        /// Ranks that vanished, or that cannot work together.
        case peers = 6
        /// Stopped early by a signal with everything saved: run the same command again.
        case stopped = 75
    }

    package let kind: Kind
    /// What is wrong, without a final full stop.
    package let what: String
    /// Where: a file, `file:line`, a configuration key. Nil when `what` says it.
    package let place: String?
    /// What the user can do. Nil when it is obvious.
    package let remedy: String?

    package init(_ kind: Kind, _ what: String, at place: String? = nil, remedy: String? = nil) {
        (self.kind, self.what, self.place, self.remedy) = (kind, what, place, remedy)
    }

    /// One line: `place: what; remedy`, an empty place as `""`. Names that come out of files stand in it, so it is cut where it grows long, and
    /// control characters are escaped.
    package var description: String {
        let parts = (place.map(Self.onOneLine), Self.onOneLine(what), remedy.map(Self.onOneLine))
        let whole = Self.line(parts)
        guard whole.unicodeScalars.count > Self.lengthLimit else { return whole }
        return Self.line((parts.0?.shortened(to: 300), parts.1.shortened(to: 400), parts.2?.shortened(to: 200)))
    }

    /// Characters of a line beyond which its parts are shortened, to a little more than that in all.
    private static let lengthLimit = 900

    private static func line(_ parts: (place: String?, what: String, remedy: String?)) -> String {
        (parts.place.map { ($0.isEmpty ? "\"\"" : $0) + ": " } ?? "") + parts.what
            + (parts.remedy.map { "; " + $0 } ?? "")
    }

    private static func onOneLine(_ text: String) -> String {
        text.split(whereSeparator: \.isNewline).joined(separator: " ").escapingControlCharacters()
    }
}

extension RDOError {
    /// Ends the process, and with it the job: for an error where none can be thrown.
    package static func end(with error: any Error) -> Never {
        let error = error as? RDOError ?? RDOError(.artefact, "\(error)")
        StandardError.write("rdo: error: \(error)\n")
        _exit(error.kind.rawValue)
    }
}
