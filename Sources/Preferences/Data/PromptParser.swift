/// Turns the lines of a file into queries to answer: rows of any data format, whose responses come along, or rows that hold
/// a query alone: `{prompt or query}` as a text or an array of `{role, content}`, or `{messages}`.
package struct PromptParser: Sendable {
    private let rows: RowParser

    /// - Throws: `RDOError.data` when the file cannot be read.
    package init(file: String, _ rules: RowRules, linesBefore: Int) throws {
        rows = try RowParser(file: file, rules, linesBefore: linesBefore)
    }

    package var file: String { rows.file }
    package var format: DataFormat { rows.format }

    /// Nil for a blank line. A row without responses is a list of none.
    package func parse(_ line: LineReader.Line) -> Result<PreferenceRecord, BadRow>? {
        format == .auto ? rows.parse(line, with: Self.query) : rows.parse(line)
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
