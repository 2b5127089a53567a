/// Turns a query and its responses into the texts that a model reads (`template`). No template emits BOS or EOS:
/// `TokenizationPlan` alone does.
///
/// | template | query | response |
/// |---|---|---|
/// | `plain` | as is | as is |
/// | `hh` | `\n\nHuman: {query}\n\nAssistant:`, unless it ends in `\n\nAssistant:` already | a space before it, unless there is one |
/// | `alpaca` | Stanford Alpaca's prompt for an instruction without input, ending in `### Response:` | as is |
/// | `tldr` | `POST: {query}\n\nTL;DR:`; no `POST: ` when it begins with `SUBREDDIT: `, nothing when it ends in `\n\nTL;DR:` | a space before it, unless there is one |
/// | `chatml` | `<\|im_start\|>user\n{query}<\|im_end\|>\n<\|im_start\|>assistant\n` | as is |
///
/// A chat has one turn after the other: in `chatml` `<|im_start|>{role}\n{content}<|im_end|>\n`, in `hh`
/// `\n\nHuman: {content}`, `\n\nAssistant: {content}`, `\n\nSystem: {content}`; then the opening of the assistant's
/// turn. No system message is added. The other templates cannot render chats.
package enum PromptTemplate: String, Sendable, CaseIterable {
    case plain, hh, alpaca, tldr, chatml

    static let chatUnsupported = "chat messages need the template chatml or hh"

    /// The model's text for a query.
    package func prompt(_ query: String) -> String {
        switch self {
        case .plain: query
        case .hh:
            query.hasByteSuffix(DialogueFormat.assistantTurn)
                ? query : "\(DialogueFormat.humanTurn) \(query)\(DialogueFormat.assistantTurn)"
        case .alpaca:
            "Below is an instruction that describes a task. Write a response that appropriately completes the request."
                + "\n\n### Instruction:\n\(query)\n\n### Response:"
        case .tldr:
            query.hasByteSuffix(Self.summaryTurn)
                ? query : (query.hasBytePrefix("SUBREDDIT: ") ? query : "POST: \(query)") + Self.summaryTurn
        case .chatml: Self.chatML([ChatMessage(role: .user, content: query)])
        }
    }

    /// The model's text for a chat; nil when the template has none for chats.
    package func prompt(_ messages: [ChatMessage]) -> String? {
        switch self {
        case .plain, .alpaca, .tldr: nil
        case .hh:
            messages.map { "\n\n\(Self.speaker($0.role)): \($0.content)" }.joined() + DialogueFormat.assistantTurn
        case .chatml: Self.chatML(messages)
        }
    }

    /// The model's text for a response.
    package func response(_ response: String) -> String {
        switch self {
        case .plain, .alpaca, .chatml: response
        case .hh, .tldr: response.hasBytePrefix(" ") ? response : " " + response
        }
    }

    /// The text that stands for the record's query in the difference model's input: the query without template; a
    /// chat as `prompt` renders it.
    func query(of record: PreferenceRecord) throws(RowError) -> String {
        record.messages == nil ? record.prompt : try prompt(of: record)
    }

    func prompt(of record: PreferenceRecord) throws(RowError) -> String {
        guard let messages = record.messages else { return prompt(record.prompt) }
        guard let text = prompt(messages) else { throw RowError(Self.chatUnsupported) }
        return text
    }

    private static let summaryTurn = "\n\nTL;DR:"

    private static func speaker(_ role: ChatMessage.Role) -> String {
        switch role {
        case .system: "System"
        case .user: "Human"
        case .assistant: "Assistant"
        }
    }

    private static func chatML(_ messages: [ChatMessage]) -> String {
        messages.map { "<|im_start|>\($0.role.rawValue)\n\($0.content)<|im_end|>\n" }.joined()
            + "<|im_start|>assistant\n"
    }
}
