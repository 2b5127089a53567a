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

    package struct Reason: Sendable, Equatable, Codable {
        package var reason: String
        package var count: Int
        /// `file:line` of the first of them.
        package var first: [String]
    }

    package private(set) var files: [File] = []
    package private(set) var rows = 0
    /// Rows left after everything admitted so far.
    package private(set) var kept = 0
    /// In the order of their first occurrence.
    package private(set) var bad: [Reason] = []
    package private(set) var truncatedPrompts = 0
    package private(set) var truncatedResponses = 0

    private static let placesPerReason = 10

    private enum CodingKeys: String, CodingKey {
        case files, rows, kept, bad
        case truncatedPrompts = "truncated_prompts"
        case truncatedResponses = "truncated_responses"
    }

    package init() {}

    package var badCount: Int { bad.reduce(0) { $0 + $1.count } }

    package mutating func count(_ file: File, kept: Int, bad: [BadRow]) {
        files.append(file)
        rows += file.rows
        self.kept += kept
        bad.forEach { count($0) }
    }

    /// Counts rows that a model cannot use, and what was cut of those that are left.
    ///
    /// - Throws: as `check`.
    package mutating func admit(
        _ kept: Int, truncatedPrompts: Int, truncatedResponses: Int, bad: [BadRow], policy: BadRowPolicy
    ) throws {
        self.kept = kept
        self.truncatedPrompts += truncatedPrompts
        self.truncatedResponses += truncatedResponses
        bad.forEach { count($0) }
        try check(policy: policy)
    }

    private mutating func count(_ row: BadRow) {
        let index = bad.firstIndex { $0.reason == row.reason } ?? bad.count
        if index == bad.count { bad.append(Reason(reason: row.reason, count: 0, first: [])) }
        bad[index].count += 1
        if bad[index].first.count < Self.placesPerReason { bad[index].first.append(row.place) }
    }

    /// - Throws: `RDOError.data` when nothing is left or, with `fail`, when a row is bad.
    package func check(policy: BadRowPolicy) throws {
        if policy == .fail, let worst = bad.first {
            let counts = bad.count == 1 ? "" : ": " + summary
            throw RDOError(
                .data, "\(worst.reason) (\(badCount) of \(rows) rows \(badCount == 1 ? "is" : "are") bad\(counts))",
                at: worst.first[0], remedy: Self.remedy(for: worst.reason))
        }
        guard kept == 0 else { return }
        throw RDOError(
            .data, "none of \(rows) rows can be used: \(summary)",
            at: bad.first?.first.first ?? files.map(\.path).joined(separator: ", "),
            remedy: bad.first.map { Self.remedy(for: $0.reason) })
    }

    /// "23 missing field "chosen", 2 malformed JSON".
    package var summary: String { bad.map { "\($0.count) \($0.reason)" }.joined(separator: ", ") }

    private static func remedy(for reason: String) -> String {
        let skip = "or set data.on_error to skip"
        switch reason {
        case TruncationPlan.responseTooLong: return "raise max_tokens, set data.over_long to truncate, \(skip)"
        case PromptTemplate.chatUnsupported:
            return "set data.template to one of \(TemplateName.forChats), or describe your own in data.turns"
        case TurnTemplate.systemUnsupported:
            return "set data.template to one that has (docs/data.md), take the message out, \(skip)"
        case DataFormat.unrecognised: return "set data.format to one of \(DataFormat.named), \(skip)"
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
