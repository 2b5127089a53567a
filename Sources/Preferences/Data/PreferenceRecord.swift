/// One row of preference data, whatever format it came in.
package struct PreferenceRecord: Sendable, Equatable {
    package enum Kind: String, Sendable, Codable, CaseIterable {
        /// Two responses: chosen, then rejected.
        case pair
        /// Two or more responses with scores.
        case list
        /// One response with a label (KTO).
        case unpaired
    }

    package var file: String
    /// Counted from 1.
    package var line: Int
    package var kind: Kind
    /// The query's text before any template. For a chat: the contents of its messages, blank lines between them.
    package var prompt: String
    /// The query as a chat, when the row has one: then templates render this and not `prompt`.
    package var messages: [ChatMessage]?
    package var responses: [String]
    /// Of a list: one for each response.
    package var scores: [Double]?
    /// Of an unpaired response: is it desirable?
    package var label: Bool?
    /// The row's optional `weight` field.
    package var weight: Double?

    package init(
        file: String, line: Int, kind: Kind, prompt: String, messages: [ChatMessage]? = nil, responses: [String],
        scores: [Double]? = nil, label: Bool? = nil, weight: Double? = nil
    ) {
        self.file = file
        self.line = line
        self.kind = kind
        self.prompt = prompt
        self.messages = messages
        self.responses = responses
        self.scores = scores
        self.label = label
        self.weight = weight
    }
}

/// One turn of a chat.
package struct ChatMessage: Sendable, Equatable {
    package enum Role: String, Sendable, Codable, CaseIterable { case system, user, assistant }

    package var role: Role
    package var content: String

    package init(role: Role, content: String) {
        self.role = role
        self.content = content
    }

    /// Byte by byte, as tokenizers see texts.
    package static func == (a: ChatMessage, b: ChatMessage) -> Bool {
        a.role == b.role && a.content.hasSameBytes(as: b.content)
    }
}
