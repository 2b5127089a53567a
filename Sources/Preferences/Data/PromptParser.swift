/// Turns the lines of a file into queries to answer: rows of any data format, whose responses come along, or rows that hold
/// a query alone: `{prompt or query}` as a text or an array of `{role, content}`, or `{messages}` without an answer.
package struct PromptParser: Sendable {
    private let rows: RowParser

    /// - Throws: `RDOError.data` when the file cannot be read.
    package init(file: String, _ rules: RowRules, linesBefore: Int) throws {
        rows = try RowParser(file: file, rules, linesBefore: linesBefore, passesOver: Self.isQueryAlone)
    }

    package var file: String { rows.file }
    package var format: DataFormat { rows.format }

    /// Nil for a blank line. A row without responses is a list of none.
    package func parse(_ line: LineReader.Line) -> Result<PreferenceRecord, BadRow>? {
        rows.parse(line) { row throws(RowError) in
            guard rows.rules.format == .auto, Self.isQueryAlone(row) else {
                return try rows.record(row, line: line.number)
            }
            return try Self.query(row)
        }
    }

    /// No format's responses are there. Messages that end in a question are a format's that answer it elsewhere, or not yet.
    private static func isQueryAlone(_ row: JSONRow) -> Bool {
        let found = DataFormat.candidates(row)
        guard found == [.swift], !["rejected_response", "rejected_messages", "label"].contains(where: row.has) else {
            return found.isEmpty
        }
        // Damaged messages are a query's bad ones.
        do { return try ChatFormat.messages(row, "messages").last?.role != .assistant } catch { return true }
    }

    private static func query(_ row: JSONRow) throws(RowError) -> PreferenceRecord {
        guard let field = ["messages", "prompt", "query"].first(where: row.has) else {
            throw RowError("neither a query nor a known data format")
        }
        guard row.isArray(field) else { return try row.record(.list, prompt: row.string(field), responses: []) }
        let messages = try ChatFormat.messages(row, field)
        guard messages.last?.role != .assistant else {
            throw RowError("field \"\(field)\" ends in an assistant message")
        }
        return try row.record(.list, prompt: ChatFormat.text(of: messages), messages: messages, responses: [])
    }
}
