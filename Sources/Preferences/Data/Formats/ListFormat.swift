/// `{query or prompt, responses[], scores[]}`: two or more responses, a number for each, greater is better. `messages`, or a
/// prompt that is an array of `{role, content}`, is a chat. Without scores a list can be scored, and trained on once it is.
enum ListFormat {
    static func parse(_ row: JSONRow) throws(RowError) -> PreferenceRecord {
        let chat = ["messages", "prompt"].first(where: row.isArray)
        let messages = if let chat { try ChatFormat.messages(row, chat) } else { [ChatMessage]?.none }
        let prompt =
            if let messages { ChatFormat.text(of: messages) } else {
                try row.string(row.has("query") ? "query" : "prompt")
            }
        let responses = try row.strings("responses")
        let scores = row.has("scores") ? try row.numbers("scores") : nil
        guard scores.map({ $0.count == responses.count }) ?? true else {
            throw RowError("responses and scores differ in number")
        }
        guard responses.count >= 2 else { throw RowError("fewer than two responses") }
        return try row.record(.list, prompt: prompt, messages: messages, responses: responses, scores: scores)
    }
}
