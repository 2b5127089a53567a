/// `{prompt, completion, label}`: one response and whether it is desirable, as KTO takes them; or a response alone.
enum UnpairedFormat {
    static func parse(_ row: JSONRow, isLabelled: Bool = true) throws(RowError) -> PreferenceRecord {
        let messages = row.isArray("prompt") ? try ChatFormat.messages(row, "prompt") : nil
        let prompt = if let messages { ChatFormat.text(of: messages) } else { try row.string("prompt") }
        return try row.record(
            .unpaired, prompt: prompt, messages: messages, responses: [try completion(row)],
            label: isLabelled ? try row.bool("label") : nil)
    }

    private static func completion(_ row: JSONRow) throws(RowError) -> String {
        guard row.isArray("completion") else { return try row.string("completion") }
        let messages = try ChatFormat.messages(row, "completion")
        guard messages.count == 1, messages[0].role == .assistant else {
            throw RowError("field \"completion\" is not one assistant message")
        }
        return messages[0].content
    }
}
