/// A row of data that cannot be used: where it stands and why. Reasons name no row, so that rows can be counted by them.
package struct BadRow: Error, Codable, Sendable, Equatable {
    package let file: String
    package let line: Int
    package let reason: String

    package init(file: String, line: Int, reason: String) { (self.file, self.line, self.reason) = (file, line, reason) }

    var place: String { "\(file):\(line)" }
}

extension BadRow {
    init(_ record: PreferenceRecord, _ error: RowError) {
        self.init(file: record.file, line: record.line, reason: error.reason)
    }
}

/// What to do about bad rows (`data.on_error`).
package enum BadRowPolicy: String, Sendable, CaseIterable {
    /// Any bad row is an error.
    case fail
    /// Bad rows are left out and reported.
    case skip
}

/// Why a row is bad, before anyone knows where it stands.
struct RowError: Error {
    let reason: String

    init(_ reason: String) { self.reason = reason }
}
