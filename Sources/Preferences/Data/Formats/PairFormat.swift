/// `{prompt, chosen, rejected}` as texts; the prompt may be an array of messages.
enum PairFormat {
    static func parse(_ row: JSONRow) throws(RowError) -> PreferenceRecord {
        let messages = row.isArray("prompt") ? try ChatFormat.messages(row, "prompt") : nil
        let prompt = if let messages { ChatFormat.text(of: messages) } else { try row.string("prompt") }
        return try row.record(
            .pair, prompt: prompt, messages: messages,
            responses: [try row.string("chosen"), try row.string("rejected")])
    }
}
