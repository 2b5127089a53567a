import Coding
import Diagnostics
import Foundation
import Storage

/// The responses of `generate`: JSONL, a row for each query in the order of the files, and beside it NAME.info.json, which
/// says what made it. While it grows it is NAME.partial, a line for each chunk with a digest of its own, so that a line that a
/// kill cut short is told from one that is whole.
final class GeneratedFile: ResultWriter {
    /// What the responses were made from, and how it went.
    struct Info: Codable {
        var schema = "rdo.generated/1"
        let created: String
        let software: String
        /// Digest of all that decides the responses.
        let identity: String
        let model: String
        let model_digest: String
        let config: String
        /// Of the file's bytes.
        var digest = ""
        var queries = 0
        var responses = 0
        /// Of generated responses, their end tokens included.
        var tokens = 0
        /// How responses end: eos, stop, length.
        var ends: [String: Int] = [:]
    }

    /// One row of the file and what it adds to the counts.
    struct Row {
        let json: String
        let tokens: Int
        let ends: [String]
    }

    let chunkRows: Int
    private(set) var done: [Bool]
    private(set) var info: Info
    private let path: String
    private let rows: (Range<Int>, [UInt8]) throws -> [Row]
    private let file: FileHandle
    private var partial: String { path + ".partial" }

    static func infoPath(_ path: String) -> String { path + ".info.json" }

    /// - Parameters:
    ///   - rows: makes rows of a chunk's result.
    /// - Throws: `RDOError` when the file cannot be written.
    init(
        _ path: String, _ info: Info, count: Int, chunk: Int, rows: @escaping (Range<Int>, [UInt8]) throws -> [Row]
    ) throws {
        (self.path, self.info, self.rows, chunkRows) = (path, info, rows, chunk)
        self.info.queries = count
        let chunks = (count + chunk - 1) / chunk
        let kept = try PartialLine.read(path + ".partial", identity: info.identity).filter {
            (0..<chunks).contains($0.chunk)
        }
        done = (0..<chunks).map { chunk in kept.contains { $0.chunk == chunk } }
        // What is whole goes to a fresh file: nothing is appended to half a line.
        try Durable.write(
            Data((PartialLine.header(info.identity) + kept.map(\.text).joined()).utf8), to: path + ".partial")
        guard let file = FileHandle(forWritingAtPath: path + ".partial") else {
            throw RDOError(.usage, "cannot write", at: path, remedy: "choose a writable directory")
        }
        try file.seekToEnd()
        self.file = file
    }

    /// "3 of 16 chunks", or nil when there is no unfinished file.
    static func progress(_ path: String) throws -> String? {
        guard try InputFile.exists(path + ".partial") else { return nil }
        return "\(try PartialLine.read(path + ".partial", identity: nil).count) chunks done"
    }

    func write(rows range: Range<Int>, result: [UInt8]) throws {
        let chunk = range.lowerBound / chunkRows
        let line = PartialLine(chunk: chunk, rows: try rows(range, result))
        do { try file.write(contentsOf: Data(line.text.utf8)) } catch {
            throw RDOError(.usage, "cannot write (\(error.localizedDescription))", at: partial, remedy: "make room")
        }
        done[chunk] = true
    }

    func commit() throws { try Durable.sync(partial) }

    func finish() throws {
        try commit()
        var lines: [Int: PartialLine] = [:]
        for line in try PartialLine.read(partial, identity: info.identity) { lines[line.chunk] = line }
        let text = try done.indices.map { chunk in
            guard let line = lines[chunk] else {
                throw RDOError(.artefact, "chunk \(chunk) was changed", at: partial, remedy: "run the same pass again")
            }
            for row in line.rows {
                info.tokens += row.tokens
                info.responses += row.ends.count
                for end in row.ends { info.ends[end, default: 0] += 1 }
            }
            return line.rows.map { $0.json + "\n" }.joined()
        }.joined()
        info.digest = Digest(of: text).hex
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        try Durable.write(encoder.encode(info), to: Self.infoPath(path))
        try Durable.write(Data(text.utf8), to: path)
        try Durable.remove(partial)
    }

    /// Why the file that stands at `path` is not what `identity` would make; empty when it is.
    /// - Throws: `RDOError.usage` when it is of no generation, `.artefact` when what says so cannot be read.
    static func misfit(_ path: String, identity: String) throws -> [String] {
        guard let info = try InputFile.memory(Info.self, in: infoPath(path)) else {
            throw RDOError(
                .usage, "there is a file that `generate` did not make", at: path,
                remedy: "move it, or name another one in generate.file")
        }
        if info.identity != identity { return ["it was made with other settings, another model or other queries"] }
        return try Digest.of(file: path).digest.hex == info.digest ? [] : ["it was changed"]
    }
}

/// A line of the unfinished file: digest, chunk, then for each row tokens, ends and JSON, tabs between.
private struct PartialLine {
    let chunk: Int
    let rows: [GeneratedFile.Row]

    static func header(_ identity: String) -> String { "rdo.generating/1\t\(identity)\n" }

    /// JSON holds no tabs.
    private var body: String {
        "\(chunk)" + rows.map { "\t\($0.tokens)\t\($0.ends.joined(separator: ","))\t\($0.json)" }.joined()
    }

    var text: String { Digest(of: body).hex + "\t" + body + "\n" }

    init(chunk: Int, rows: [GeneratedFile.Row]) { (self.chunk, self.rows) = (chunk, rows) }

    /// Nil when the line is not whole.
    private init?(_ line: String) {
        let parts = line.split(separator: "\t", omittingEmptySubsequences: false)
        guard parts.count >= 2, (parts.count - 2) % 3 == 0, let chunk = Int(parts[1]) else { return nil }
        self.chunk = chunk
        rows = stride(from: 2, to: parts.count, by: 3).map {
            GeneratedFile.Row(
                json: String(parts[$0 + 2]), tokens: Int(parts[$0]) ?? 0,
                ends: parts[$0 + 1].split(separator: ",").map(String.init))
        }
        guard Digest(of: body).hex == parts[0] else { return nil }
    }

    /// The whole lines of an unfinished file, none where it was begun for something else. One that is damaged or was cut
    /// short is none: its chunk is made again.
    static func read(_ path: String, identity: String?) throws -> [PartialLine] {
        var (lines, isOfUse): ([PartialLine], Bool) = ([], false)
        try InputFile.forEachLine(of: path) { line in
            let text = String(decoding: line.bytes, as: UTF8.self)
            if line.number == 1 { isOfUse = identity.map { text + "\n" == header($0) } ?? true }
            if line.number > 1, isOfUse, let whole = PartialLine(text) { lines.append(whole) }
        }
        return lines
    }
}

extension Digest {
    fileprivate init(of text: String) {
        let stream = DigestStream()
        stream.update(text)
        self = stream.digest
    }
}
