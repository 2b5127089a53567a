import Coding
import Columns
import Diagnostics
import Foundation
import Methods
import Preferences
import Storage

/// A part of the data as one model reads it, in a directory: parts of rows (`PreparedPart`) and `index.json`, which is this.
struct PreparedSet: Codable {
    struct Part: Codable {
        let file: String
        var rows: Int
        let bytes: Int
        /// Where each column begins in the file, in bytes.
        var places: [PreparedPart.Column: Int]
        /// Of all its tokens; -1 where there are none.
        var largestID: Int32
        /// Of the file's bytes.
        let digest: String

        /// Writes rows to a file.
        /// - Throws: `RDOError.artefact` when it cannot be written.
        init(_ builder: PreparedPart.Builder, as file: String, in directory: String, header: ArtefactHeader) throws {
            (self.file, rows) = (file, builder.count)
            let path = directory + "/" + file
            places = try builder.write(to: path, header: header)
            bytes = FileStamp(path)?.byteCount ?? 0
            largestID = builder.largestID
            digest = try Digest.of(file: path).digest.hex
        }
    }

    /// A row that could be read, and that this model cannot use.
    struct Unusable: Codable {
        /// Over all files.
        let row: Int
        let why: BadRow
    }

    /// Digest of all that the rows depend on.
    let identity: String
    let form: ScorerReading.Form
    /// For people and scripts; sets of earlier versions do not say it.
    let template: String?
    var parts: [Part] = []
    /// After reading, before the model's limits.
    var report = DataReport()
    var unusable: [Unusable] = []
    /// Of all its rows.
    var truncatedPrompts = 0
    var truncatedResponses = 0
    /// Digest of all ids.
    var digest = ""

    private static let indexName = "index.json"

    /// Nil when there is none, or one that cannot be understood: then it is made again.
    /// - Throws: `RDOError.artefact` when the index cannot be read.
    static func read(_ directory: String) throws -> PreparedSet? {
        guard let set = try InputFile.memory(PreparedSet.self, in: directory + "/" + indexName) else { return nil }
        let areWhole = set.parts.allSatisfy { part in
            (0...PreparedPart.rowLimit).contains(part.rows)
                && FileStamp(directory + "/" + part.file)?.byteCount == part.bytes
        }
        return areWhole ? set : nil
    }

    /// Whether the parts hold what was written to them: also numbers that another program changed make other data.
    /// - Throws: `RDOError.artefact` when one cannot be read.
    func isAsWritten(in directory: String, _ known: KnownDigests) throws -> Bool {
        func digest(of parts: [String]) -> String {
            let all = DigestStream()
            for part in parts { all.update(part) }
            return all.digest.hex
        }
        let paths = parts.map { directory + "/" + $0.file }
        let found = try known.digest(of: directory, paths) {
            digest(of: try paths.map { try Digest.of(file: $0).digest.hex })
        }
        return found == digest(of: parts.map(\.digest))
    }

    func write(_ directory: String) throws {
        try Durable.write(JSONEncoder().encode(self), to: directory + "/" + Self.indexName)
    }

    /// The rows of a set in their order, without texts.
    func examples(in directory: String) -> Rows<TokenizedExample> {
        let parts = PreparedParts(directory, parts)
        return Rows(count: parts.count) { parts.row($0) { try $0.example($1, withTexts: false) } }
    }

    /// The same with texts.
    func texts(in directory: String) -> Rows<TokenizedExample> {
        let parts = PreparedParts(directory, parts)
        return Rows(count: parts.count) { parts.row($0) { try $0.example($1, withTexts: true) } }
    }

    func differenceExamples(in directory: String) -> Rows<DifferenceExample> {
        let parts = PreparedParts(directory, parts)
        return Rows(count: parts.count) { parts.row($0) { try $0.differenceExample($1) } }
    }

    /// The places, among the rows of the set, of some row numbers; those that the set does not hold are left out.
    func places(of rows: [Int], in directory: String) -> [Int] {
        let parts = PreparedParts(directory, parts)
        return rows.compactMap { row in
            var (low, high) = (0, parts.count)
            while low < high {
                let middle = (low + high) / 2
                if parts.row(middle, { try $0.rowNumber($1) }) < row { low = middle + 1 } else { high = middle }
            }
            return low < parts.count && parts.row(low, { try $0.rowNumber($1) }) == row ? low : nil
        }
    }
}

/// The parts of a prepared set. A few stay open.
private final class PreparedParts {
    private let directory: String
    private let parts: [PreparedSet.Part]
    /// The first row of each part, and of the end.
    private let starts: [Int]
    private var open: [(part: Int, reader: PreparedPartReader)] = []
    private static let mostOpen = 16

    var count: Int { starts[starts.count - 1] }

    init(_ directory: String, _ parts: [PreparedSet.Part]) {
        (self.directory, self.parts) = (directory, parts)
        starts = parts.reduce(into: [0]) { $0.append($0[$0.count - 1] + $1.rows) }
    }

    /// Something of a row. A collection cannot throw: data that were there at the start and cannot be read now end the
    /// process with one line, and with it the job.
    func row<Value>(_ index: Int, _ read: (PreparedPartReader, Int) throws -> Value) -> Value {
        var (low, high) = (0, parts.count)
        while high - low > 1 {
            let middle = (low + high) / 2
            if starts[middle] <= index { low = middle } else { high = middle }
        }
        do { return try read(reader(low), index - starts[low]) } catch { RDOError.end(with: error) }
    }

    private func reader(_ part: Int) throws -> PreparedPartReader {
        if let found = open.last(where: { $0.part == part }) { return found.reader }
        if open.count == Self.mostOpen { open.removeFirst() }
        let reader = try PreparedPartReader(parts[part], in: directory)
        open.append((part, reader))
        return reader
    }
}
