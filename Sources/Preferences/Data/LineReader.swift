import Diagnostics
import Foundation

/// Streams the rows of a text file, plain or gzip-compressed: its lines, or the elements of the one JSON array that it is.
///
/// Lines end in LF or CRLF; the last one needs no end. A byte order mark at the start of the file is dropped. Memory
/// is that of the longest line, which has a limit.
package final class LineReader {
    package struct Line: Sendable {
        /// Counted from 1; of an array the number of the element.
        package let number: Int
        /// Without the line end; the beginning alone of a line that is too long.
        package let bytes: [UInt8]
        /// Beyond the limit.
        package var isTooLong = false

        /// Nil when the bytes are not valid UTF-8.
        package var text: String? { String(validating: bytes, as: UTF8.self) }
    }

    /// `data.max_row_bytes` by default.
    package static let defaultLimit = 16 << 20

    package var path: String { source.path }
    private let source: TextSource
    private let limit: Int
    /// Where in the array the reader is; nil for a file of lines.
    private var array: ArrayScanner?
    /// Lines that were read or passed over.
    package private(set) var lineNumber = 0
    /// Bytes of the (uncompressed) file that were handed out as lines.
    package private(set) var position = 0

    /// - Parameter limit: bytes of a line that are kept.
    /// - Throws: `RDOError.data` when the file cannot be opened, or is none of text.
    package init(path: String, limit: Int = defaultLimit) throws {
        source = try TextSource(path: path)
        self.limit = limit
        array = ArrayScanner(start: source.chunk[source.unread])
    }

    /// The next line that is not empty; nil at the end of the file.
    ///
    /// - Parameter end: the line must begin before this byte.
    /// - Throws: `RDOError.data` when the file cannot be read or its compressed data is corrupt or cut short.
    package func next(before end: Int = .max) throws -> Line? {
        if array != nil { return try nextElement() }
        while position < end {
            if source.unread.isEmpty, try !source.fill(after: lineNumber) { return nil }
            // A file may have more empty lines than anything else.
            let empty = source.lineEnds(atMost: end - position)
            guard empty == 0 else {
                (position, lineNumber) = (position + empty, lineNumber + empty)
                source.unread.removeFirst(empty)
                continue
            }
            let line = try nextLine()
            if !line.bytes.isEmpty || line.isTooLong { return line }
        }
        return nil
    }

    /// There is something to read.
    private func nextLine() throws -> Line {
        var (bytes, isTooLong) = ([UInt8](), false)
        let isFirst = position == 0
        func take(_ part: ArraySlice<UInt8>) {
            guard bytes.count + part.count <= limit else {
                isTooLong = true
                return
            }
            bytes += part
        }
        while true {
            // The last line needs no end.
            if source.unread.isEmpty, try !source.fill(after: lineNumber) { break }
            let unread = source.unread
            if let end = source.lineEnd {
                take(source.chunk[unread.lowerBound..<end])
                position += end + 1 - unread.lowerBound
                source.unread = (end + 1)..<unread.upperBound
                break
            }
            take(source.chunk[unread])
            position += unread.count
            source.unread = 0..<0
        }
        lineNumber += 1
        if bytes.last == UInt8(ascii: "\r") { bytes.removeLast() }
        if isFirst && bytes.starts(with: [0xEF, 0xBB, 0xBF]) { bytes.removeFirst(3) }
        return Line(number: lineNumber, bytes: bytes, isTooLong: isTooLong)
    }

    private func nextElement() throws -> Line? {
        var (bytes, isTooLong) = ([UInt8](), false)
        while true {
            if source.unread.isEmpty, try !source.fill(after: lineNumber) {
                switch array?.end() {
                case .cutShort?:
                    throw RDOError(
                        .data, "the JSON array does not end: the file is damaged or cut short", at: path,
                        remedy: "copy it again")
                case .element?:
                    lineNumber += 1
                    return Line(number: lineNumber, bytes: bytes, isTooLong: isTooLong)
                case .nothing?, nil: return nil
                }
            }
            let unread = source.unread
            guard let step = array?.scan(source.chunk[unread]) else { return nil }
            if bytes.count + step.bytes.count <= limit { bytes += step.bytes } else { isTooLong = true }
            source.unread = step.end..<unread.upperBound
            position += step.end - unread.lowerBound
            guard step.isComplete else { continue }
            lineNumber += 1
            return Line(number: lineNumber, bytes: bytes, isTooLong: isTooLong)
        }
    }

    /// Goes on with the first line that begins behind a place of a plain file of lines.
    /// - Parameter number: what that line is to be called.
    /// - Throws: `RDOError.data` when the file cannot be read.
    func skip(toLineBehind offset: Int, called number: Int) throws {
        try source.skip(to: offset)
        (position, lineNumber) = (offset, number - 1)
        while try source.fill(after: lineNumber) {
            let next = source.lineEnd.map { $0 + 1 }
            source.unread = (next ?? source.unread.upperBound)..<source.unread.upperBound
            position += source.unread.lowerBound
            if next != nil { return }
        }
    }

    /// Whether rows can only be found by reading all before them: compressed, or one JSON array.
    /// - Throws: `RDOError.data` when the file cannot be opened.
    package static func isSequential(_ path: String) throws -> Bool {
        let reader = try LineReader(path: path)
        return reader.array != nil || reader.source.isCompressed
    }

    /// Of a sequential file too.
    package static func lineCount(_ path: String) throws -> Int {
        let lines = try LineReader(path: path)
        if lines.array != nil {
            while try lines.next() != nil {}
            return lines.lineNumber
        }
        var (count, isOpen) = (0, false)
        repeat {
            let part = lines.source.chunk[lines.source.unread]
            count += part.lineEnds
            if let last = part.last { isOpen = last != UInt8(ascii: "\n") }
        } while try lines.source.fill(after: count)
        return count + (isOpen ? 1 : 0)
    }

    /// How many lines of a plain file begin in some of its bytes.
    static func lineCount(_ path: String, beginningIn extent: Range<Int>) throws -> Int {
        guard !extent.isEmpty else { return 0 }
        let source = try TextSource(path: path)
        // A line begins at the first byte, and behind every line end.
        var (count, position) = extent.lowerBound == 0 ? (1, 0) : (0, extent.lowerBound - 1)
        try source.skip(to: position)
        while position < extent.upperBound - 1, try source.fill(after: count) {
            let part = source.chunk[source.unread].prefix(extent.upperBound - 1 - position)
            count += part.lineEnds
            position += part.count
        }
        return count
    }

    static func byteCount(_ path: String) throws -> Int {
        var status = stat()
        guard stat(path, &status) == 0 else {
            throw RDOError(.data, "cannot open the file (\(String(cString: strerror(errno))))", at: path)
        }
        return Int(status.st_size)
    }
}

extension ArraySlice<UInt8> {
    fileprivate var lineEnds: Int { withUnsafeBufferPointer { $0.count { $0 == UInt8(ascii: "\n") } } }
}
