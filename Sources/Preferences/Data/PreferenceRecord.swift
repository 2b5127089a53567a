/// One row of preference data, whatever format it came in.
public struct PreferenceRecord: Sendable, Equatable {
    public enum Kind: String, Sendable, Codable, CaseIterable {
        /// Two responses: chosen, then rejected.
        case pair
        /// Two or more responses with scores.
        case list
        /// One response with a label (KTO).
        case unpaired
    }

    public var file: String
    /// Counted from 1.
    public var line: Int
    public var kind: Kind
    /// The query's text before any template. For a chat: the contents of its messages, blank lines between them.
    public var prompt: String
    /// The query as a chat, when the row has one: then templates render this and not `prompt`.
    public var messages: [ChatMessage]?
    public var responses: [String]
    /// Of a list: one for each response.
    public var scores: [Double]?
    /// Of an unpaired response: is it desirable?
    public var label: Bool?
    /// The row's optional `weight` field.
    public var weight: Double?

    public init(
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
public struct ChatMessage: Sendable, Equatable {
    public enum Role: String, Sendable, Codable, CaseIterable { case system, user, assistant }

    public var role: Role
    public var content: String

    public init(role: Role, content: String) {
        self.role = role
        self.content = content
    }

    /// Byte by byte, as tokenizers see texts.
    public static func == (a: ChatMessage, b: ChatMessage) -> Bool {
        a.role == b.role && a.content.hasSameBytes(as: b.content)
    }
}
