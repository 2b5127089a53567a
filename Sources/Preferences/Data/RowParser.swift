/// How rows of a file are read: `data.format`, `data.columns` and `data.max_row_bytes`.
package struct RowRules: Sendable, Equatable {
    package var format: DataFormat
    /// What this file calls a field of a format.
    package var columns: [String: String]
    package var maxBytes: Int

    package init(
        _ format: DataFormat = .auto, columns: [String: String] = [:], maxBytes: Int = LineReader.defaultLimit
    ) {
        (self.format, self.columns, self.maxBytes) = (format, columns, maxBytes)
    }

    /// What makes rows of one file the same.
    package var identity: String {
        let names = columns.sorted { $0.key < $1.key }.map {
            " \($0.key.debugDescription): \($0.value.debugDescription)"
        }
        return "\(format)\(names.joined()) \(maxBytes)"
    }
}

/// Turns the lines of a file into records.
package struct RowParser: Sendable {
    package let file: String
    /// As configured, or as the first row with known fields decided.
    package let format: DataFormat
    let rules: RowRules
    /// The line of that row; those before it fit no format.
    private let recognised: Int
    /// A file that has no row of a known format among so many lines says nothing of the rest.
    private static let rowsLookedAt = 100_000
    /// Lines of the files before.
    private let linesBefore: Int

    /// - Parameter passesOver: rows that say nothing of the file's format.
    /// - Throws: `RDOError.data` when the file cannot be read.
    init(file: String, _ rules: RowRules, linesBefore: Int, passesOver: (JSONRow) -> Bool) throws {
        (self.file, self.rules, self.linesBefore) = (file, rules, linesBefore)
        guard rules.format == .auto else {
            (format, recognised) = (rules.format, 1)
            return
        }
        let lines = try LineReader(path: file, limit: rules.maxBytes)
        while let line = try lines.next(), line.number <= Self.rowsLookedAt {
            guard case .success(let row) = Result(catching: { () throws(RowError) in try JSONRow(line, file, rules) }),
                !passesOver(row), let detected = DataFormat.candidates(row).first
            else { continue }
            (format, recognised) = (detected, line.number)
            return
        }
        (format, recognised) = (.auto, .max)
    }

    /// - Throws: `RDOError.data` when the file cannot be read.
    package init(file: String, _ rules: RowRules, linesBefore: Int) throws {
        try self.init(file: file, rules, linesBefore: linesBefore) { _ in false }
    }

    /// Nil for a blank line.
    package func parse(_ line: LineReader.Line) -> Result<PreferenceRecord, BadRow>? {
        parse(line) { row throws(RowError) in try record(row, line: line.number) }
    }

    func record(_ row: JSONRow, line: Int) throws(RowError) -> PreferenceRecord {
        guard rules.format == .auto else { return try format.parse(row) }
        // Rows of one file may be of several formats. What is none of them is a bad one of the first.
        let found = DataFormat.candidates(row)
        guard found.count <= 1 else { throw row.ambiguous(found) }
        if let own = found.first { return try own.parse(row) }
        guard line >= recognised else { throw row.unrecognised }
        return try format.parse(row)
    }

    func parse(
        _ line: LineReader.Line, with read: (JSONRow) throws(RowError) -> PreferenceRecord
    ) -> Result<PreferenceRecord, BadRow>? {
        if line.isBlank { return nil }
        do throws(RowError) {
            var record = try read(try JSONRow(line, file, rules))
            record.row = linesBefore + line.number - 1
            return .success(record)
        } catch {
            return .failure(BadRow(file: file, line: line.number, column: error.column, reason: error.reason))
        }
    }
}
