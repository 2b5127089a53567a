import Diagnostics
import Foundation

/// What became of every row of a data set: how many were read, kept, cut, and which were bad for what reason.
package struct DataReport: Sendable, Equatable, Codable {
    package struct File: Sendable, Equatable, Codable {
        package var path: String
        package var format: DataFormat
        /// Rows that are not blank.
        package var rows: Int

        package init(path: String, format: DataFormat, rows: Int) {
            (self.path, self.format, self.rows) = (path, format, rows)
        }
    }

    package private(set) var files: [File] = []
    package private(set) var rows = 0
    /// Rows left after everything admitted so far.
    package private(set) var kept = 0
    package private(set) var bad = BadRows()
    /// Pairs of dialogues that differ before their last turn.
    package private(set) var differingEarly = 0
    package private(set) var truncatedPrompts = 0
    package private(set) var truncatedResponses = 0

    private enum CodingKeys: String, CodingKey {
        case files, rows, kept, bad
        case differingEarly = "differing_before_last_turn"
        case truncatedPrompts = "truncated_prompts"
        case truncatedResponses = "truncated_responses"
    }

    package init() {}

    package var badCount: Int { bad.count }

    /// Counts what was found in a file.
    package mutating func count(_ file: File, kept: Int, bad: BadRows, differingEarly: Int = 0) {
        files.append(file)
        rows += file.rows
        self.kept += kept
        self.differingEarly += differingEarly
        self.bad.add(bad)
    }

    /// Counts rows that a model cannot use, and what was cut of those that are left.
    ///
    /// - Throws: as `check`.
    package mutating func admit(
        _ kept: Int, truncatedPrompts: Int, truncatedResponses: Int, bad: BadRows, policy: BadRowPolicy
    ) throws {
        self.kept = kept
        self.truncatedPrompts += truncatedPrompts
        self.truncatedResponses += truncatedResponses
        self.bad.add(bad)
        try check(policy: policy)
    }

    /// - Throws: `RDOError.data` when nothing is left or, with `fail`, when a row is bad.
    package func check(policy: BadRowPolicy) throws {
        if policy == .fail, let error = Self.error(for: bad, of: "\(rows)") { throw error }
        guard kept == 0 else { return }
        throw RDOError(
            .data, "none of \(rows) rows can be used: \(summary)",
            at: bad.reasons.first?.first.first ?? files.map(\.path).joined(separator: ", "),
            remedy: bad.reasons.first.map { Self.remedy(for: $0.reason) })
    }

    /// "23 missing field "chosen", 2 malformed JSON".
    package var summary: String { Self.summary(bad) }

    /// How many bad rows are read where none is allowed: the rest would say nothing new.
    private static let badRowsRead = 100_000

    /// - Parameter rows: how many were read so far.
    /// - Throws: `RDOError.data` where no bad row is allowed and enough were seen.
    package static func stop(after bad: BadRows, of rows: Int, policy: BadRowPolicy) throws {
        guard policy == .fail, bad.count >= badRowsRead, let error = error(for: bad, of: "the first \(rows)") else {
            return
        }
        throw error
    }

    /// What is wrong with bad rows where none is allowed; nil where there are none.
    /// - Parameter rows: how many there are of which they are some.
    private static func error(for bad: BadRows, of rows: String) -> RDOError? {
        guard let worst = bad.reasons.first else { return nil }
        let counts = bad.reasons.count == 1 ? "" : ": " + summary(bad)
        let reason = worst.reason + (worst.detail.map { ": \($0)" } ?? "")
        return RDOError(
            .data, "\(reason) (\(bad.count) of \(rows) rows \(bad.count == 1 ? "is" : "are") bad\(counts))",
            at: worst.first[0], remedy: remedy(for: worst.reason))
    }

    private static func summary(_ bad: BadRows) -> String {
        bad.reasons.map { "\($0.count) \($0.reason)" }.joined(separator: ", ")
    }

    private static func remedy(for reason: String) -> String {
        let skip = "or set data.on_error to skip"
        switch reason {
        case _ where reason.hasPrefix(TruncationPlan.responseTooLong):
            return "raise data.max_tokens as far as the model allows (max_position_embeddings), set data.over_long to "
                + "truncate, \(skip)"
        case PromptTemplate.chatUnsupported:
            return "set data.template to one of \(TemplateName.forChats), or describe your own in data.turns"
        case TurnTemplate.systemUnsupported:
            return "set data.template to one that has (docs/data.md), take the message out, \(skip)"
        case _ where reason.hasSuffix(DataFormat.unrecognised):
            return "name its fields in data.columns or set data.format (docs/data.md has the formats), \(skip)"
        case _ where reason.contains(DataFormat.ambiguous):
            return "set data.format to the one that is meant, \(skip)"
        default: return "correct the data, \(skip)"
        }
    }

    /// The report as a JSON object, for people and programs.
    package func json() -> String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        // A value of strings and integers always encodes.
        guard let data = try? encoder.encode(self) else { preconditionFailure("a data report must encode as JSON") }
        return String(decoding: data, as: UTF8.self)
    }
}
