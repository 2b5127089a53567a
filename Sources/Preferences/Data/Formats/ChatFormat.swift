/// `{chosen, rejected}` as arrays of `{role, content}` that share all but the last message. Where they differ before that, the
/// query ends with the last turn of the user that they share, and the responses are all turns that follow.
///
/// A `prompt` may stand beside them: as an array it comes before the messages of both, unless they begin with it
/// already; as a text it must be one of the user's messages, or is the only one when chosen and rejected hold nothing
/// but the response.
enum ChatFormat {
    static func parse(_ row: JSONRow) throws(RowError) -> PreferenceRecord {
        let chosen = try dialogue(row, "chosen")
        let rejected = try dialogue(row, "rejected")
        return try record(row, chosen, rejected)
    }

    /// A pair of two chats' ends.
    static func record(_ row: JSONRow, _ chosen: Chat, _ rejected: Chat) throws(RowError) -> PreferenceRecord {
        guard chosen.query != rejected.query else {
            return try row.record(
                .pair, prompt: text(of: chosen.query), messages: chosen.query,
                responses: [chosen.response, rejected.response])
        }
        let (one, other) = (chosen.messages, rejected.messages)
        // Both responses begin with a turn of the assistant.
        var shared = zip(one.dropLast(), other.dropLast()).prefix { $0 == $1 }.map(\.0)
        while !shared.isEmpty, one[shared.count].role != .assistant || other[shared.count].role != .assistant {
            shared.removeLast()
        }
        guard shared.contains(where: { $0.role == .user }) else {
            throw RowError("the prompts of chosen and rejected differ")
        }
        let continuations = [one, other].map { Array($0[shared.count...]) }
        var record = try row.record(
            .pair, prompt: text(of: shared), messages: shared, responses: continuations.map(text))
        (record.differsEarly, record.continuations) = (true, continuations)
        return record
    }

    /// A chat that ends in a response.
    struct Chat {
        var query: [ChatMessage]
        var response: String
        var messages: [ChatMessage] { query + [ChatMessage(role: .assistant, content: response)] }
    }

    /// What a report shows of a chat.
    static func text(of messages: [ChatMessage]) -> String { messages.map(\.content).joined(separator: "\n\n") }

    /// The messages of an array field.
    static func messages(_ row: JSONRow, _ field: String) throws(RowError) -> [ChatMessage] {
        var messages: [ChatMessage] = []
        for object in try row.objects(field) { messages.append(try message(object, field + "[].")) }
        return messages
    }

    /// `{role, content}`, or `{from, value}` with ShareGPT's names of the roles.
    ///
    /// - Parameter place: the object's, for messages.
    static func message(_ object: JSONRow, _ place: String) throws(RowError) -> ChatMessage {
        if object.has("tool_calls") { throw RowError("field \"\(place)tool_calls\" is not read by any template") }
        let isShareGPT = !object.has("role") && object.has("from")
        let (key, content) = isShareGPT ? ("from", "value") : ("role", "content")
        let name = try object.string(key)
        guard let role = ChatMessage.Role(rawValue: isShareGPT ? shareGPTRoles[name] ?? name : name) else {
            throw RowError("field \"\(place)\(key)\" is not system, user, assistant or tool")
        }
        return ChatMessage(role: role, content: try object.string(content))
    }

    /// Takes the assistant's message from the end of a chat.
    static func takeResponse(from chat: inout [ChatMessage], _ field: String) throws(RowError) -> String {
        guard let last = chat.popLast(), last.role == .assistant else {
            throw RowError("field \"\(field)\" does not end in an assistant message")
        }
        return last.content
    }

    private static let shareGPTRoles = ["human": "user", "gpt": "assistant", "observation": "tool"]

    private static func dialogue(_ row: JSONRow, _ field: String) throws(RowError) -> Chat {
        var query = try messages(row, field)
        let response = try takeResponse(from: &query, field)
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
        return Chat(query: query, response: response)
    }
}
