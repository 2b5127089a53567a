import Coding
import Columns
import Diagnostics
import Generation
import Preferences
import Settings

/// The queries of some files as token ids, and on rank 0 what of their rows stands in the file of responses.
///
/// Every rank reads the files whole: prompts are short, and any rank may get any of them to answer.
final class GenerationPrompts {
    private let numbers = ScratchColumn<Int>()
    private let prompts = ScratchLists<Int32>()
    /// The query as JSON members, and the given responses.
    private let heads = ScratchLists<UInt8>()
    private let given = ScratchLists<UInt8>()
    private(set) var report = DataReport()
    /// Prompts that lost tokens at their beginning.
    private(set) var cutCount = 0

    var count: Int { prompts.count }

    /// - Parameters:
    ///   - room: tokens that a prompt may have.
    ///   - keepsRows: this rank writes the file.
    /// - Throws: `RDOError.data` when a file cannot be read, or a row is bad and `data.on_error` says so.
    init(
        _ files: [String], _ data: DataSettings, limit: Int?, plan: TokenizationPlan, room: Int, keepsRows: Bool
    ) throws {
        var linesBefore = 0
        for file in files {
            let parser = try PromptParser(file: file, data.rowRules, linesBefore: linesBefore)
            let lines = try LineReader(path: file, limit: data.maxRowBytes)
            var (rows, kept) = (0, 0)
            var bad = BadRows()
            while count < limit ?? .max, let line = try lines.next() {
                guard let parsed = parser.parse(line) else { continue }
                rows += 1
                do {
                    let record = try parsed.get()
                    let prompt = try plan.prompt(of: record, room: room)
                    cutCount += prompt.isTruncated ? 1 : 0
                    try add(record, prompt.ids, keepsRows: keepsRows)
                    kept += 1
                } catch let error as BadRow {
                    bad.add(error)
                }
            }
            linesBefore += lines.lineNumber
            report.count(DataReport.File(path: file, format: parser.format, rows: rows), kept: kept, bad: bad)
        }
        try report.check(policy: data.onError)
    }

    private func add(_ record: PreferenceRecord, _ ids: [Int32], keepsRows: Bool) throws {
        try numbers.append(contentsOf: [record.row])
        try prompts.append(ids)
        guard keepsRows else { return }
        try heads.append(Array(Self.head(record).utf8))
        var texts = ByteWriter()
        texts.write(record.responses) { $1.write($0) }
        try given.append(texts.bytes)
    }

    private static func head(_ record: PreferenceRecord) -> String {
        guard let messages = record.messages else { return "\"query\": \(record.prompt.quotedAsJSON)" }
        let turns = messages.map {
            "{\"role\": \($0.role.rawValue.quotedAsJSON), \"content\": \($0.content.quotedAsJSON)}"
        }
        return "\"messages\": [\(turns.joined(separator: ", "))]"
    }

    func queries(_ range: Range<Int>) -> [GenerationQuery] {
        range.map { GenerationQuery(number: numbers[$0], prompt: prompts[$0]) }
    }

    /// Members of the row's object, on the rank that keeps rows.
    func head(_ index: Int) -> String { String(decoding: heads[index], as: UTF8.self) }

    func given(_ index: Int) throws -> [String] { try ByteReader.array(of: given[index]) { try $0.readString() } }

    func update(_ identity: DigestStream) {
        for index in 0..<count { identity.update(prompts[index] + [-1, Int32(truncatingIfNeeded: numbers[index])]) }
    }
}
