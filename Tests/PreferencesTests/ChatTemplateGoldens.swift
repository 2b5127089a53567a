import Foundation

@testable import Preferences

/// What `Tests/scripts/golden_chat_templates.py` stored: chats, and how `transformers` renders them with each template.
struct ChatTemplateGoldens: Decodable {
    struct Message: Decodable { let role, content: String }

    struct Chat: Decodable {
        /// Nil where the template refuses the chat.
        let prompt: String?
        /// With the answer `ChatTemplateGoldens.answer` in place of the opening.
        let answered: String?
        /// Ids of the prompt, without BOS and with it.
        let smollm2, llama32k: [Int32]?
    }

    struct Template: Decodable {
        let name: String
        /// The value of `data.template`; nil for one that is only recognised.
        let template: String?
        let eos: String
        /// Nil for a model's own.
        let jinja: String?
        let chats: [String: Chat]
    }

    static let answer = "7, and 9 \n"

    private let chats: [String: [Message]]
    let templates: [Template]

    static func read() throws -> ChatTemplateGoldens {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent(
            "chat-templates.json")
        return try JSONDecoder().decode(ChatTemplateGoldens.self, from: Data(contentsOf: file))
    }

    func template(_ name: String) -> Template? { templates.first { $0.name == name } }

    func messages(_ title: String) -> [ChatMessage] {
        (chats[title] ?? []).compactMap { message in
            ChatMessage.Role(rawValue: message.role).map { ChatMessage(role: $0, content: message.content) }
        }
    }
}

extension PromptTemplate {
    /// The text of a chat; nil when it is refused.
    func text(_ messages: [ChatMessage]) -> String? { try? prompt(messages) }

    /// Why a chat is refused.
    func refusal(of messages: [ChatMessage]) -> String? {
        do throws(RowError) { _ = try prompt(messages) } catch { return error.reason }
        return nil
    }
}
