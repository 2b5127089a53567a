import CZlib
import Coding
import Diagnostics
import Foundation

/// The bytes of a text file, plain or gzip-compressed, a chunk at a time.
///
/// Compression is recognised by the file's content; a name in `.gz` demands it. Formats that hold no lines of text are
/// refused by what they are.
final class TextSource {
    let path: String
    private let file: gzFile
    private(set) var chunk = [UInt8](repeating: 0, count: 1 << 18)
    /// What of the chunk was not handed out.
    var unread = 0..<0

    /// - Throws: `RDOError.data` when the file cannot be opened, or is none of text.
    init(path: String) throws {
        self.path = path
        try InputFile.requireRegular(path, .data)
        guard let file = gzopen(path, "rb") else {
            throw RDOError(
                .data, "cannot open the file (\(String(cString: strerror(errno))))", at: path,
                remedy: "check the path and its permissions")
        }
        self.file = file
        gzbuffer(file, 1 << 17)
        _ = try fill(after: 0)
        try KnownFormat.refuse(chunk[unread], path)
    }

    deinit { gzclose(file) }

    /// Where in the chunk the next line ends; nil when it goes on in the next chunk.
    var lineEnd: Int? {
        chunk.withUnsafeBytes { chunk in
            guard let base = chunk.baseAddress, !unread.isEmpty,
                let end = memchr(base + unread.lowerBound, Int32(UInt8(ascii: "\n")), unread.count)
            else { return nil }
            return UnsafeRawPointer(end) - base
        }
    }

    /// How many line ends, and nothing else, come next.
    func lineEnds(atMost limit: Int) -> Int {
        chunk.withUnsafeBufferPointer { chunk in
            let next = UnsafeBufferPointer(rebasing: chunk[unread].prefix(limit))
            return next.firstIndex { $0 != UInt8(ascii: "\n") } ?? next.count
        }
    }

    /// Known once the file was opened.
    var isCompressed: Bool { gzdirect(file) == 0 }

    /// Goes on from a place of a plain file.
    /// - Throws: `RDOError.data` when the file cannot be read.
    func skip(to offset: Int) throws {
        guard gzseek(file, offset, SEEK_SET) == offset else {
            throw RDOError(
                .data, "cannot read the file at byte \(offset)", at: path, remedy: "check the file and its disk")
        }
        unread = 0..<0
    }

    /// Reads the next chunk; false at the end of the file.
    ///
    /// - Parameter line: the number of lines before, for messages.
    func fill(after line: Int) throws -> Bool {
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
                .data, "the gzip data after line \(line) is corrupt or cut short", at: path,
                remedy: "copy the file again; `gzip -t` checks it")
        }
        unread = 0..<Int(count)
        return count > 0
    }
}

/// Files that people have and that hold no lines of JSON, by their first bytes.
private enum KnownFormat {
    /// - Throws: `RDOError.data` saying what the file is and which command makes JSONL of it.
    static func refuse(_ start: ArraySlice<UInt8>, _ path: String) throws {
        guard let (what, remedy) = name(start, path) else { return }
        throw RDOError(.data, what, at: path, remedy: remedy)
    }

    private static func name(_ start: ArraySlice<UInt8>, _ path: String) -> (what: String, remedy: String)? {
        func begins(_ bytes: [UInt8]) -> Bool { start.starts(with: bytes) }
        func begins(_ text: String) -> Bool { start.starts(with: text.utf8) }
        func pandas(_ reader: String) -> String {
            "convert it: python -c \"import pandas; pandas.\(reader)('\(path)')"
                + ".to_json('data.jsonl', orient='records', lines=True)\""
        }
        if begins("PAR1") { return ("a Parquet file, not JSONL", pandas("read_parquet")) }
        if begins("ARROW1") { return ("an Arrow file, not JSONL", pandas("read_feather")) }
        if begins([0x28, 0xB5, 0x2F, 0xFD]) { return ("compressed with Zstandard", "decompress it: zstd -d \(path)") }
        if begins("BZh") { return ("compressed with bzip2", "decompress it: bunzip2 -k \(path)") }
        if begins([0xFD, 0x37, 0x7A, 0x58, 0x5A]) { return ("compressed with xz", "decompress it: xz -dk \(path)") }
        if begins([0x50, 0x4B, 0x03, 0x04]) { return ("a ZIP archive", "unpack it, and name the files in it") }
        if begins([0x89, 0x48, 0x44, 0x46]) {
            return ("an HDF5 file, not JSONL", "name the data that it was made from")
        }
        if UTF16Text.isAt(startOf: start) {
            return (UTF16Text.what, UTF16Text.remedy(start, path: path, output: "data.jsonl"))
        }
        if GitLFSPointer.isAt(startOf: start) { return (GitLFSPointer.what, GitLFSPointer.remedy) }
        if path.hasSuffix(".csv") || path.hasSuffix(".tsv") {
            return ("a table of text, not JSONL", pandas("read_csv"))
        }
        return nil
    }
}
