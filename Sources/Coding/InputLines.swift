import Diagnostics
import Foundation

extension InputFile {
    package struct Line {
        /// Counted from 1.
        package let number: Int
        /// Without the line's end.
        package let bytes: [UInt8]
        /// False for a last line without an end: it was cut short, or is being written.
        package let isWhole: Bool
    }

    /// Hands over a file line by line, so that it may have any size: no line where nothing is at `path`.
    ///
    /// - Parameter limit: bytes of a line.
    /// - Throws: an error of `kind` when the file cannot be read, is no regular file or has a longer line; what `body`
    ///   throws.
    package static func forEachLine(
        of path: String, limit: Int = 1 << 28, _ kind: RDOError.Kind = .artefact, _ body: (Line) throws -> Void
    ) throws {
        guard try exists(path, kind) else { return }
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw cannotOpen(path, kind, errno) }
        defer { close(descriptor) }
        var (number, line) = (1, [UInt8]())
        func add(_ bytes: ArraySlice<UInt8>) throws {
            guard line.count + bytes.count <= limit else {
                throw RDOError(kind, "the line has more than \(limit) bytes", at: "\(path):\(number)")
            }
            line += bytes
        }
        while let block = try nextBlock(descriptor, path, kind) {
            var rest = block[...]
            while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
                try add(rest[..<end])
                try body(Line(number: number, bytes: line, isWhole: true))
                (number, line) = (number + 1, [])
                rest = rest[(end + 1)...]
            }
            try add(rest)
        }
        if !line.isEmpty { try body(Line(number: number, bytes: line, isWhole: false)) }
    }

    /// Nil at the end of the file.
    private static func nextBlock(_ descriptor: Int32, _ path: String, _ kind: RDOError.Kind) throws -> [UInt8]? {
        let size = 1 << 18
        let block = try [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
            var result = read(descriptor, buffer.baseAddress, size)
            while result < 0 && errno == EINTR { result = read(descriptor, buffer.baseAddress, size) }
            guard result >= 0 else {
                throw RDOError(kind, "cannot read: \(String(cString: strerror(errno)))", at: path)
            }
            count = result
        }
        return block.isEmpty ? nil : block
    }
}
