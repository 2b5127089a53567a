/// ms-swift's `{messages}`, which end in a response: the better one beside `rejected_response` or `rejected_messages`; one that
/// `label` judges; or one to learn from.
enum RejectedResponseFormat {
    static func parse(_ row: JSONRow) throws(RowError) -> PreferenceRecord {
        var query = try ChatFormat.messages(row, "messages")
        let chosen = try ChatFormat.takeResponse(from: &query, "messages")
        let prompt = ChatFormat.text(of: query)
        guard row.has("rejected_response") || row.has("rejected_messages") else {
            return try row.record(
                .unpaired, prompt: prompt, messages: query, responses: [chosen],
                label: row.has("label") ? try row.bool("label") : nil)
        }
        if row.has("rejected_messages") {
            var other = try ChatFormat.messages(row, "rejected_messages")
            let rejected = try ChatFormat.takeResponse(from: &other, "rejected_messages")
            return try ChatFormat.record(
                row, ChatFormat.Chat(query: query, response: chosen), ChatFormat.Chat(query: other, response: rejected))
        }
        return try row.record(
            .pair, prompt: prompt, messages: query, responses: [chosen, try row.string("rejected_response")])
    }
}
