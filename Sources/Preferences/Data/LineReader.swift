import CZlib
import Diagnostics
import Foundation

/// Streams the lines of a text file, plain or gzip-compressed, whatever their length.
///
/// Lines end in LF or CRLF; the last one needs no end. A byte order mark at the start of the file is dropped. Memory
/// is that of the longest line. Compression is recognised by the file's content; a name in `.gz` demands it.
package final class LineReader {
    package struct Line: Sendable {
        /// Counted from 1.
        package let number: Int
        /// Without the line end.
        package let bytes: [UInt8]

        /// Nil when the bytes are not valid UTF-8.
        package var text: String? { String(validating: bytes, as: UTF8.self) }
    }

    package let path: String
    private let file: gzFile
    private var chunk = [UInt8](repeating: 0, count: 1 << 18)
    private var unread = 0..<0
    private var lineNumber = 0
    /// Bytes of the (uncompressed) file that were handed out as lines.
    package private(set) var position = 0

    /// - Throws: `RDOError.data` when the file cannot be opened.
    package init(path: String) throws {
        self.path = path
        guard let file = gzopen(path, "rb") else {
            throw RDOError(
                .data, "cannot open the file (\(String(cString: strerror(errno))))", at: path,
                remedy: "check the path and its permissions")
        }
        self.file = file
        gzbuffer(file, 1 << 17)
    }

    deinit { gzclose(file) }

    /// The next line; nil at the end of the file.
    /// - Throws: `RDOError.data` when the file cannot be read or its compressed data is corrupt or cut short.
    package func next() throws -> Line? {
        var bytes: [UInt8] = []
        let isFirst = position == 0
        while true {
            if unread.isEmpty, try !fill() {
                if bytes.isEmpty { return nil }
                break
            }
            if let end = chunk[unread].firstIndex(of: UInt8(ascii: "\n")) {
                bytes += chunk[unread.lowerBound..<end]
                position += end + 1 - unread.lowerBound
                unread = (end + 1)..<unread.upperBound
                break
            }
            bytes += chunk[unread]
            position += unread.count
            unread = 0..<0
        }
        lineNumber += 1
        if bytes.last == UInt8(ascii: "\r") { bytes.removeLast() }
        if isFirst && bytes.starts(with: [0xEF, 0xBB, 0xBF]) { bytes.removeFirst(3) }
        return Line(number: lineNumber, bytes: bytes)
    }

    /// Goes on from a place of a plain file.
    /// - Throws: `RDOError.data` when the file cannot be read.
    func skip(to offset: Int) throws {
        guard gzseek(file, offset, SEEK_SET) == offset else {
            throw RDOError(
                .data, "cannot read the file at byte \(offset)", at: path, remedy: "check the file and its disk")
        }
        (position, unread) = (offset, 0..<0)
    }

    /// Whether the file's content, or its name, says so.
    /// - Throws: `RDOError.data` when the file cannot be opened.
    package static func isCompressed(_ path: String) throws -> Bool {
        let reader = try LineReader(path: path)
        _ = try reader.fill()
        return gzdirect(reader.file) == 0
    }

    /// Of a compressed file too.
    package static func lineCount(_ path: String) throws -> Int {
        let lines = try LineReader(path: path)
        var count = 0
        while try lines.next() != nil { count += 1 }
        return count
    }

    static func byteCount(_ path: String) throws -> Int {
        var status = stat()
        guard stat(path, &status) == 0 else {
            throw RDOError(.data, "cannot open the file (\(String(cString: strerror(errno))))", at: path)
        }
        return Int(status.st_size)
    }

    /// Reads the next chunk; false at the end of the file.
    private func fill() throws -> Bool {
        let count = chunk.withUnsafeMutableBytes { gzread(file, $0.baseAddress, UInt32($0.count)) }
        // zlib hands plain data through, so a damaged first byte would otherwise turn compressed data into text.
        if path.hasSuffix(".gz") && gzdirect(file) == 1 {
            throw RDOError(
                .data, "the file is not gzip-compressed", at: path, remedy: "copy it again, or drop .gz from its name")
        }
        // A stream that ends too early is told by the error state alone: what came before is still returned.
        var code: Int32 = Z_OK
        let message = gzerror(file, &code).map { String(cString: $0) } ?? ""
        if code == Z_ERRNO {
            throw RDOError(.data, "cannot read the file (\(message))", at: path, remedy: "check the file and its disk")
        }
        if count < 0 || code < 0 {
            throw RDOError(
                .data, "the gzip data after line \(lineNumber) is corrupt or cut short", at: path,
                remedy: "copy the file again; `gzip -t` checks it")
        }
        unread = 0..<Int(count)
        return count > 0
    }
}
