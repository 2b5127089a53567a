/// `{chosen, rejected}` as arrays of `{role, content}` that share all but the last message.
///
/// A `prompt` may stand beside them: as an array it comes before the messages of both, unless they begin with it
/// already; as a text it must be one of the user's messages, or is the only one when chosen and rejected hold nothing
/// but the response.
enum ChatFormat {
    static func parse(_ row: JSONRow) throws(RowError) -> PreferenceRecord {
        let chosen = try dialogue(row, "chosen")
        let rejected = try dialogue(row, "rejected")
        guard chosen.query == rejected.query else { throw RowError("the prompts of chosen and rejected differ") }
        return try row.record(
            .pair, prompt: text(of: chosen.query), messages: chosen.query,
            responses: [chosen.response, rejected.response])
    }

    /// What a report shows of a chat.
    static func text(of messages: [ChatMessage]) -> String { messages.map(\.content).joined(separator: "\n\n") }

    /// The messages of an array field.
    static func messages(_ row: JSONRow, _ field: String) throws(RowError) -> [ChatMessage] {
        var messages: [ChatMessage] = []
        for object in try row.objects(field) {
            guard let role = ChatMessage.Role(rawValue: try object.string("role")) else {
                throw RowError("field \"\(field)[].role\" is not system, user or assistant")
            }
            messages.append(ChatMessage(role: role, content: try object.string("content")))
        }
        return messages
    }

    private static func dialogue(
        _ row: JSONRow, _ field: String
    ) throws(RowError) -> (query: [ChatMessage], response: String) {
        var query = try messages(row, field)
        guard let last = query.popLast(), last.role == .assistant else {
            throw RowError("field \"\(field)\" does not end in an assistant message")
        }
        if row.isArray("prompt") {
            let prompt = try messages(row, "prompt")
            if !query.starts(with: prompt, by: ==) { query = prompt + query }
        } else if row.has("prompt") {
            let prompt = try row.string("prompt")
            if query.isEmpty {
                query = [ChatMessage(role: .user, content: prompt)]
            } else if !query.contains(where: { $0 == ChatMessage(role: .user, content: prompt) }) {
                throw RowError("field \"prompt\" is no user message of \"\(field)\"")
            }
        }
        guard query.contains(where: { $0.role == .user && !$0.content.isBlank }) else { throw RowError("empty prompt") }
        return (query, last.content)
    }
}
