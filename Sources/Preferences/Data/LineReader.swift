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
    private var lineNumber = 0
    /// Bytes of the (uncompressed) file that were handed out as lines.
    package private(set) var position = 0

    /// - Parameter limit: bytes of a line that are kept.
    /// - Throws: `RDOError.data` when the file cannot be opened, or is none of text.
    package init(path: String, limit: Int = defaultLimit) throws {
        source = try TextSource(path: path)
        self.limit = limit
        array = ArrayScanner(start: source.chunk[source.unread])
    }

    /// The next line; nil at the end of the file.
    /// - Throws: `RDOError.data` when the file cannot be read or its compressed data is corrupt or cut short.
    package func next() throws -> Line? {
        if array != nil { return try nextElement() }
        // A file may have more blank lines than anything else.
        let next = source.unread
        if !next.isEmpty, source.chunk[next.lowerBound] == UInt8(ascii: "\n") {
            source.unread = (next.lowerBound + 1)..<next.upperBound
            (position, lineNumber) = (position + 1, lineNumber + 1)
            return Line(number: lineNumber, bytes: [])
        }
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
            if source.unread.isEmpty, try !source.fill(after: lineNumber) {
                if bytes.isEmpty && !isTooLong { return nil }
                break
            }
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
                case .element?: return Line(number: lineNumber + 1, bytes: bytes, isTooLong: isTooLong)
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

    /// Goes on from a place of a plain file of lines.
    /// - Throws: `RDOError.data` when the file cannot be read.
    func skip(to offset: Int) throws {
        try source.skip(to: offset)
        position = offset
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
        var count = 0
        if lines.array != nil {
            while try lines.next() != nil { count += 1 }
            return count
        }
        var isOpen = false
        repeat {
            let part = lines.source.chunk[lines.source.unread]
            count += part.withUnsafeBufferPointer { $0.count { $0 == UInt8(ascii: "\n") } }
            if let last = part.last { isOpen = last != UInt8(ascii: "\n") }
        } while try lines.source.fill(after: count)
        return count + (isOpen ? 1 : 0)
    }

    static func byteCount(_ path: String) throws -> Int {
        var status = stat()
        guard stat(path, &status) == 0 else {
            throw RDOError(.data, "cannot open the file (\(String(cString: strerror(errno))))", at: path)
        }
        return Int(status.st_size)
    }
}
