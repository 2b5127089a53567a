/// ShareGPT's `{conversations: [{from, value}]}`, in LLaMA-Factory's forms: with one message each in `chosen` and `rejected`;
/// ending in a response that `label` or `kto_tag` judges; or ending in one to learn from. `messages` of `{role, content}` may
/// stand in its place.
enum ConversationFormat {
    static func parse(_ row: JSONRow) throws(RowError) -> PreferenceRecord {
        let field = row.has("conversations") ? "conversations" : "messages"
        var query = try ChatFormat.messages(row, field)
        if row.has("chosen") || row.has("rejected") {
            return try row.record(
                .pair, prompt: ChatFormat.text(of: query), messages: query,
                responses: [try response(row, "chosen"), try response(row, "rejected")])
        }
        let last = try ChatFormat.takeResponse(from: &query, field)
        let tag = ["kto_tag", "label"].first(where: row.has)
        let label = if let tag { try row.bool(tag) } else { Bool?.none }
        return try row.record(
            .unpaired, prompt: ChatFormat.text(of: query), messages: query, responses: [last], label: label)
    }

    private static func response(_ row: JSONRow, _ field: String) throws(RowError) -> String {
        guard row.isObject(field) else { return try row.string(field) }
        let message = try ChatFormat.message(try row.object(field), field + ".")
        guard message.role == .assistant else { throw RowError("field \"\(field)\" is not an assistant message") }
        return message.content
    }
}
