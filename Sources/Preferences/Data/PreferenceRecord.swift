/// One row of preference data, whatever format it came in.
package struct PreferenceRecord: Sendable, Equatable {
    package enum Kind: String, Sendable, CaseIterable {
        /// Two responses: chosen, then rejected.
        case pair
        /// Two or more responses, with scores unless nobody scored them yet.
        case list
        /// One response with a label (KTO).
        case unpaired
    }

    package var file: String
    /// Counted from 1.
    package var line: Int
    /// Lines of all files before this one, blank and bad ones too: the row that messages, traces and ledgers name.
    package var row = 0
    package var kind: Kind
    /// The query's text before any template. For a chat: the contents of its messages, blank lines between them.
    package var prompt: String
    /// The query as a chat, when the row has one: then templates render this and not `prompt`.
    package var messages: [ChatMessage]?
    package var responses: [String]
    /// One for each response of a scored list.
    package var scores: [Double]?
    /// Is the response of an unpaired record desirable?
    package var label: Bool?
    /// The row's optional `weight` field.
    package var weight: Double?
    /// How much better the first response of a pair is than the second, where the row says so.
    package var margin: Double?
    /// Two dialogues that differ before their last turn: the responses hold several turns.
    package var differsEarly = false
    /// Of chats that do: the turns whose contents such a response is.
    package var continuations: [[ChatMessage]] = []

    /// The turns that a response stands for; nil for a single one.
    func continuation(_ response: String) -> [ChatMessage]? {
        continuations.first { ChatFormat.text(of: $0).hasSameBytes(as: response) }
    }
}

/// One turn of a chat.
package struct ChatMessage: Sendable, Equatable {
    /// A tool's message is what a function call gave back.
    package enum Role: String, Sendable, CaseIterable { case system, user, assistant, tool }

    package var role: Role
    package var content: String

    /// Byte by byte, as tokenizers see texts.
    package static func == (a: ChatMessage, b: ChatMessage) -> Bool {
        a.role == b.role && a.content.hasSameBytes(as: b.content)
    }
}
