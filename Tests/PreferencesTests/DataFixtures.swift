import Diagnostics
import Foundation
import TestSupport

@testable import Preferences

/// A directory for one test's files; removed with it.
final class DataDirectory {
    let path: String

    init() throws {
        path = FileManager.default.temporaryDirectory.path + "/rdo-data-\(UUID().uuidString)"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func write(_ bytes: [UInt8], as name: String = "data.jsonl") throws -> String {
        try Data(bytes).write(to: URL(fileURLWithPath: path + "/" + name))
        return path + "/" + name
    }

    func write(_ lines: [String], as name: String = "data.jsonl") throws -> String {
        try write(Array(lines.map { $0 + "\n" }.joined().utf8), as: name)
    }

    /// Compresses the file with the system's gzip.
    func gzip(_ file: String) throws -> String {
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/bin/gzip")
        process.arguments = ["-k", file]
        try process.run()
        process.waitUntilExit()
        return file + ".gz"
    }
}

/// Bytes are ids 0 ..< 256; the texts `</s>` and `<s>` are single tokens, as in a tokenizer with special tokens.
struct ByteTokenizer: Tokenizer {
    static let eos: Int32 = 256
    static let bos: Int32 = 257

    /// Makes texts that differ in case the same tokens.
    var lowercases = false
    var bosTokenID: Int32? = ByteTokenizer.bos
    var vocabularySize: Int { 258 }
    var digest: String { "bytes" }

    func encode(_ text: String) -> [Int32] {
        let pieces = (lowercases ? text.lowercased() : text).replacing("</s>", with: "\u{1}").replacing(
            "<s>", with: "\u{2}")
        return pieces.utf8.map { $0 == 1 ? Self.eos : $0 == 2 ? Self.bos : Int32($0) }
    }

    func id(of token: String) -> Int32? { ["</s>": Self.eos, "<s>": Self.bos][token] }

    func decode(_ ids: [Int32]) -> String {
        String(decoding: ids.filter { $0 < 256 }.map { UInt8($0) }, as: UTF8.self)
    }
}

func plan(
    _ template: PromptTemplate = .plain, tokenizer: ByteTokenizer = ByteTokenizer(), maxTokens: Int = 4096,
    maxPromptTokens: Int? = nil, overLong: OverLongPolicy = .reject
) throws -> TokenizationPlan {
    try TokenizationPlan(
        tokenizer: tokenizer, template: template, eosTokenID: ByteTokenizer.eos, bosTokenID: tokenizer.bosTokenID,
        maxTokens: maxTokens, maxPromptTokens: maxPromptTokens, overLong: overLong)
}

func pair(_ prompt: String, _ chosen: String, _ rejected: String) -> PreferenceRecord {
    PreferenceRecord(file: "f", line: 1, kind: .pair, prompt: prompt, responses: [chosen, rejected])
}

/// Texts of all sorts of scalars.
func randomText(length: ClosedRange<Int>, using generator: inout SeededGenerator) -> String {
    let alphabet = Array("abc XYZ.,\n\t\r'\"\\{}é漢字🙂👩‍👩‍👧e\u{301}\u{0}<|>").flatMap(\.unicodeScalars)
    var scalars = String.UnicodeScalarView("x".unicodeScalars)
    for _ in 0..<Int.random(in: length, using: &generator) {
        scalars.append(alphabet[Int.random(in: alphabet.indices, using: &generator)])
    }
    return String(scalars)
}

/// Where the real data lies when it is there.
let dataAssets = Assets.path("data") + "/"
let hasDataAssets = Assets.has("data")

/// Reads whole files at once, as passes read them portion by portion.
struct PreferenceReader {
    var format = DataFormat.auto
    var policy = BadRowPolicy.fail
    var columns: [String: String] = [:]
    var maxBytes = LineReader.defaultLimit

    /// - Parameter ranks: how many portions each file is read in.
    func read(_ paths: [String], ranks: Int = 1) throws -> (records: [PreferenceRecord], report: DataReport) {
        var (records, report, linesBefore) = ([PreferenceRecord](), DataReport(), 0)
        for path in paths {
            let parser = try RowParser(
                file: path, RowRules(format, columns: columns, maxBytes: maxBytes), linesBefore: linesBefore)
            var (rows, kept, bad, line) = (0, 0, [BadRow](), 1)
            for var portion in try FilePortion.portions(
                of: path, count: ranks, rowLimit: maxBytes, lineCount: LineReader.lineCount)
            {
                portion.firstLine = line
                let count = try portion.lineCount()
                try portion.forEachLine { line in
                    guard let parsed = parser.parse(line) else { return }
                    rows += 1
                    switch parsed {
                    case .success(let record):
                        kept += 1
                        records.append(record)
                    case .failure(let row): bad.append(row)
                    }
                }
                line += count
            }
            linesBefore += line - 1
            guard rows > 0 else { throw RDOError(.data, "the file has no rows", at: path) }
            report.count(DataReport.File(path: path, format: parser.format, rows: rows), kept: kept, bad: BadRows(bad))
        }
        try report.check(policy: policy)
        return (records, report)
    }
}

extension TokenizationPlan {
    func examples(of records: [PreferenceRecord], rows: Range<Int>) -> [Result<TokenizedExample, BadRow>] {
        rows.map { row in numbered(records, row) { record throws(BadRow) in try example(of: record) } }
    }

    func differenceExamples(of records: [PreferenceRecord], rows: Range<Int>) -> [Result<DifferenceExample, BadRow>] {
        rows.map { row in numbered(records, row) { record throws(BadRow) in try differenceExample(of: record) } }
    }

    private func numbered<Row>(
        _ records: [PreferenceRecord], _ row: Int, _ tokenize: (PreferenceRecord) throws(BadRow) -> Row
    ) -> Result<Row, BadRow> {
        var record = records[row]
        record.row = row
        return Result { () throws(BadRow) -> Row in try tokenize(record) }
    }
}

extension DataReport {
    mutating func admit(
        _ results: [Result<TokenizedExample, BadRow>], policy: BadRowPolicy
    ) throws -> [TokenizedExample] {
        let admitted = results.compactMap { try? $0.get() }
        let bad = results.compactMap { if case .failure(let row) = $0 { row } else { nil } }
        try admit(
            admitted.count, truncatedPrompts: admitted.count(where: \.isPromptTruncated),
            truncatedResponses: admitted.reduce(0) { $0 + $1.truncatedResponses.count { $0 } }, bad: BadRows(bad),
            policy: policy
        )
        return admitted
    }
}
