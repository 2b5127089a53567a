import CZlib
import Diagnostics
import Foundation

/// A run of consecutive lines of a file of preference data: what one rank reads of it.
package struct FilePortion: Sendable {
    package let file: String
    /// Where in the file the lines begin and end; of a compressed file, whose places cannot be found, how many lines.
    package let extent: Range<Int>
    package let isCompressed: Bool
    /// Number of the first line, from 1.
    package var firstLine = 1

    /// The portions of a file for `count` ranks, in order, without the numbers of their first lines.
    ///
    /// - Parameter lineCount: counts the lines of a compressed file.
    /// - Throws: `RDOError.data` when the file cannot be read.
    package static func portions(
        of file: String, count: Int, lineCount: (String) throws -> Int
    ) throws -> [FilePortion] {
        let isCompressed = try LineReader.isCompressed(file)
        let size = try isCompressed ? lineCount(file) : LineReader.byteCount(file)
        return (0..<count).map { part in
            FilePortion(
                file: file, extent: size * part / count..<size * (part + 1) / count, isCompressed: isCompressed)
        }
    }

    /// How many lines begin in the portion.
    /// - Throws: `RDOError.data` when the file cannot be read.
    package func lineCount() throws -> Int {
        guard !isCompressed else { return extent.count }
        var count = 0
        try forEachLine { _ in count += 1 }
        return count
    }

    /// - Throws: what `body` throws; `RDOError.data` when the file cannot be read.
    package func forEachLine(_ body: (LineReader.Line) throws -> Void) throws {
        guard !extent.isEmpty else { return }
        let lines = try LineReader(path: file)
        if isCompressed {
            while let line = try lines.next(), line.number <= extent.upperBound {
                if line.number > extent.lowerBound { try body(line) }
            }
            return
        }
        // A line belongs to the portion in which it begins.
        if extent.lowerBound > 0 {
            try lines.skip(to: extent.lowerBound - 1)
            guard try lines.next() != nil else { return }
        }
        var number = firstLine
        while lines.position < extent.upperBound, let line = try lines.next() {
            try body(LineReader.Line(number: number, bytes: line.bytes))
            number += 1
        }
    }
}

/// Turns the lines of a file into records.
package struct RowParser: Sendable {
    package let file: String
    /// As configured, or as the first row with known fields decided.
    package let format: DataFormat
    /// The line of that row; those before it fit no format.
    private let recognised: Int
    /// Lines of the files before.
    private let linesBefore: Int

    /// - Throws: `RDOError.data` when the file cannot be read.
    package init(file: String, format: DataFormat, linesBefore: Int) throws {
        (self.file, self.linesBefore) = (file, linesBefore)
        guard format == .auto else {
            (self.format, recognised) = (format, 1)
            return
        }
        let lines = try LineReader(path: file)
        while let line = try lines.next() {
            guard let row = try? JSONRow(line, file: file), let detected = DataFormat.detect(row) else { continue }
            (self.format, recognised) = (detected, line.number)
            return
        }
        (self.format, recognised) = (.auto, .max)
    }

    /// Nil for a blank line.
    package func parse(_ line: LineReader.Line) -> Result<PreferenceRecord, BadRow>? {
        parse(line) { row throws(RowError) in
            guard line.number >= recognised else { throw RowError(DataFormat.unrecognised) }
            return try format.parse(row)
        }
    }

    func parse(
        _ line: LineReader.Line, with read: (JSONRow) throws(RowError) -> PreferenceRecord
    ) -> Result<PreferenceRecord, BadRow>? {
        if line.bytes.allSatisfy({ $0 == UInt8(ascii: " ") || $0 == UInt8(ascii: "\t") }) { return nil }
        do throws(RowError) {
            var record = try read(try JSONRow(line, file: file))
            record.row = linesBefore + line.number - 1
            return .success(record)
        } catch {
            return .failure(BadRow(file: file, line: line.number, reason: error.reason))
        }
    }
}
