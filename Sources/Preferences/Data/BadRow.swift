import Diagnostics

/// A row of data that cannot be used: where it stands and why. Reasons name no row, so that rows can be counted by them.
package struct BadRow: Error, Codable, Sendable, Equatable {
    package let file: String
    package let line: Int
    /// Bytes from the beginning of the line, from 1, where the reason has such a place.
    package let column: Int?
    package let reason: String
    /// What only this row has of the reason.
    package var detail: String?

    package init(file: String, line: Int, column: Int? = nil, reason: String) {
        (self.file, self.line, self.column, self.reason) = (file, line, column, reason)
    }

    var place: String { "\(file):\(line)" + (column.map { ":\($0)" } ?? "") }
}

extension BadRow {
    init(_ record: PreferenceRecord, _ error: RowError) {
        self.init(file: record.file, line: record.line, reason: error.reason)
        detail = error.detail
    }
}

/// Bad rows by their reasons: how many, and where the first stand. Memory does not grow with them.
package struct BadRows: Sendable, Equatable, Codable {
    package struct Reason: Sendable, Equatable, Codable {
        package var reason: String
        package var count: Int
        /// `file:line` of the first of them.
        package var first: [String]
        /// What the very first has of it.
        package var detail: String?
    }

    /// In the order of their first occurrence.
    package private(set) var reasons: [Reason] = []
    package private(set) var count = 0

    private static let placesPerReason = 10
    /// Reasons name fields, of which damaged data may have any number.
    private static let reasonLimit = 100
    private static let others = "other reasons"

    package init() {}

    package init(_ rows: some Sequence<BadRow>) { for row in rows { add(row) } }

    package init(from decoder: any Decoder) throws {
        reasons = try [Reason](from: decoder)
        for reason in reasons {
            guard (0...1 << 53).contains(reason.count), count <= 1 << 53 else {
                throw DecodingError.dataCorrupted(
                    DecodingError.Context(codingPath: decoder.codingPath, debugDescription: "an impossible count"))
            }
            count += reason.count
        }
    }

    package func encode(to encoder: any Encoder) throws { try reasons.encode(to: encoder) }

    package mutating func add(_ row: BadRow) {
        add(Reason(reason: row.reason.shortened(to: 300), count: 1, first: [row.place], detail: row.detail))
    }

    /// Rows that stand behind those that are here.
    package mutating func add(_ rows: BadRows) { rows.reasons.forEach { add($0) } }

    private mutating func add(_ new: Reason) {
        count += new.count
        guard let index = reasons.firstIndex(where: { $0.reason == new.reason }) else {
            guard reasons.count < Self.reasonLimit || new.reason == Self.others else {
                return addToOthers(new)
            }
            return reasons.append(new)
        }
        reasons[index].count += new.count
        let room = Self.placesPerReason - reasons[index].first.count
        reasons[index].first += new.first.prefix(max(0, room))
    }

    private mutating func addToOthers(_ new: Reason) {
        count -= new.count
        add(Reason(reason: Self.others, count: new.count, first: new.first))
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
    /// Bytes from the beginning of the line, from 1.
    var column: Int?
    /// What only this row has of the reason.
    var detail: String?

    init(_ reason: String, column: Int? = nil, detail: String? = nil) {
        (self.reason, self.column, self.detail) = (reason, column, detail)
    }
}
