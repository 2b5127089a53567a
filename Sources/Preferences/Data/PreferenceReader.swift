import Diagnostics

/// Reads files of preference data, `.jsonl` or `.jsonl.gz`, into records.
package struct PreferenceReader: Sendable {
    package var format: DataFormat
    package var policy: BadRowPolicy

    package init(format: DataFormat = .auto, policy: BadRowPolicy = .fail) {
        (self.format, self.policy) = (format, policy)
    }

    /// Reads all rows of all files, in order. Blank lines are passed over.
    ///
    /// All files are read to their ends before a bad row is reported, so that the error can say how many there are.
    /// - Throws: `RDOError.data` at `file:line` of the first bad row unless bad rows are skipped; at the file when it
    ///   cannot be read; when nothing is left.
    package func read(_ paths: [String]) throws -> PreferenceData {
        var data = PreferenceData(records: [], report: DataReport())
        var lines = 0
        for path in paths {
            let file = try read(path, linesBefore: lines)
            lines += file.lines
            data.records += file.records
            data.report.count(file.summary, kept: file.records.count, bad: file.bad)
        }
        try data.report.check(policy: policy)
        return data
    }

    private func read(
        _ path: String, linesBefore: Int
    ) throws -> (records: [PreferenceRecord], summary: DataReport.File, bad: [BadRow], lines: Int) {
        let lines = try LineReader(path: path)
        var count = 0
        var records: [PreferenceRecord] = []
        var bad: [BadRow] = []
        var summary = DataReport.File(path: path, format: format, rows: 0)
        while let line = try lines.next() {
            count = line.number
            if line.bytes.allSatisfy({ $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }) { continue }
            summary.rows += 1
            do throws(RowError) {
                let row = try JSONRow(line, file: path)
                if summary.format == .auto {
                    guard let detected = DataFormat.detect(row) else { throw RowError(DataFormat.unrecognised) }
                    summary.format = detected
                }
                var record = try summary.format.parse(row)
                record.row = linesBefore + line.number - 1
                records.append(record)
            } catch {
                bad.append(BadRow(file: path, line: line.number, reason: error.reason))
            }
        }
        guard summary.rows > 0 else {
            throw RDOError(.data, "the file has no rows", at: path, remedy: "name a file with data")
        }
        return (records, summary, bad, count)
    }
}

/// Records and what became of the rows they come from.
package struct PreferenceData: Sendable {
    package var records: [PreferenceRecord]
    package var report: DataReport
}
