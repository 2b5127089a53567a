import Diagnostics

/// A run of consecutive lines of a file of preference data: what one rank reads of it.
package struct FilePortion: Sendable {
    package let file: String
    /// Where in the file the lines begin and end; of a sequential file, whose places cannot be found, how many lines.
    package let extent: Range<Int>
    /// See `LineReader.isSequential`.
    package let isSequential: Bool
    private let rowLimit: Int
    /// Number of the first line, from 1.
    package var firstLine = 1

    /// The portions of a file for `count` ranks, in order, without the numbers of their first lines.
    ///
    /// - Parameters:
    ///   - rowLimit: bytes of a line that are kept.
    ///   - lineCount: counts the lines of a sequential file.
    /// - Throws: `RDOError.data` when the file cannot be read.
    package static func portions(
        of file: String, count: Int, rowLimit: Int = LineReader.defaultLimit, lineCount: (String) throws -> Int
    ) throws -> [FilePortion] {
        let isSequential = try LineReader.isSequential(file)
        let size = try isSequential ? lineCount(file) : LineReader.byteCount(file)
        return (0..<count).map { part in
            FilePortion(
                file: file, extent: size * part / count..<size * (part + 1) / count, isSequential: isSequential,
                rowLimit: rowLimit)
        }
    }

    /// How many lines begin in the portion.
    /// - Throws: `RDOError.data` when the file cannot be read.
    package func lineCount() throws -> Int {
        isSequential ? extent.count : try LineReader.lineCount(file, beginningIn: extent)
    }

    /// Hands over all lines that are not empty.
    /// - Throws: what `body` throws; `RDOError.data` when the file cannot be read.
    package func forEachLine(_ body: (LineReader.Line) throws -> Void) throws {
        guard !extent.isEmpty else { return }
        let lines = try LineReader(path: file, limit: rowLimit)
        if isSequential {
            while let line = try lines.next(), line.number <= extent.upperBound {
                if line.number > extent.lowerBound { try body(line) }
            }
            return
        }
        // A line belongs to the portion in which it begins.
        if extent.lowerBound > 0 { try lines.skip(toLineBehind: extent.lowerBound - 1, called: firstLine) }
        while let line = try lines.next(before: extent.upperBound) { try body(line) }
    }
}
