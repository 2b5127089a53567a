import Foundation

/// What stands before and after each message of a chat: `data.turns` of a configuration, and most built-in templates
/// (`BuiltInTurns.swift`).
///
/// A query alone is a chat of one user message. After the messages stands the assistant's prefix. Where that ends in a
/// space, the prompt ends before it and the response begins with it, unless the response's text begins with one:
/// tokenizers join a space to the word that follows.
package struct TurnTemplate: Sendable, Hashable, Codable {
    package struct Turn: Sendable, Hashable, Codable {
        package var prefix: String
        package var suffix: String
        /// Whether white space around a message's text is left out.
        package var trim: Bool

        package init(_ prefix: String, _ suffix: String, trim: Bool = false) {
            (self.prefix, self.suffix, self.trim) = (prefix, suffix, trim)
        }

        func text(_ content: String, after inside: String = "") -> String {
            prefix + inside + (trim ? content.strippedOfWhiteSpace : content) + suffix
        }
    }

    /// Where the system message stands.
    package enum SystemPlace: String, Sendable, CaseIterable, Codable {
        /// As a turn of its own, wherever the chat has it.
        case turn
        /// In the first turn of the user, between its prefix and its text; so only a chat's first message can be one.
        case firstUser = "first_user"
        /// The same in the last turn of the user.
        case lastUser = "last_user"
    }

    package struct SystemTurn: Sendable, Hashable, Codable {
        package var turn: Turn
        package var place: SystemPlace
        /// What a chat that does not begin with a system message gets; nil for none.
        package var standard: String?

        package init(_ turn: Turn, place: SystemPlace = .turn, standard: String? = nil) {
            (self.turn, self.place, self.standard) = (turn, place, standard)
        }

        private enum CodingKeys: String, CodingKey {
            case turn, place
            case standard = "default"
        }
    }

    /// Nil where a system message cannot be rendered.
    package var system: SystemTurn?
    package var user: Turn
    package var assistant: Turn
    /// Nil where a tool's message cannot be rendered.
    package var tool: Turn?
    /// Whether a chat must be user, assistant, user and so on, perhaps after one system message, a tool's messages aside.
    package var alternate: Bool

    package init(
        system: SystemTurn?, user: Turn, assistant: Turn, tool: Turn? = nil, alternate: Bool = false
    ) {
        (self.system, self.user, self.assistant, self.tool) = (system, user, assistant, tool)
        self.alternate = alternate
    }

    /// The same with one text per role, `\(role)` for its name.
    /// - Parameter hasTools: a tool is a role as the others are.
    init(hasTools: Bool = true, everyRole turn: (_ role: String) -> Turn) {
        self.init(
            system: SystemTurn(turn("system")), user: turn("user"), assistant: turn("assistant"),
            tool: hasTools ? turn("tool") : nil)
    }

    // MARK: - Rendering

    /// The model's text for a query.
    func prompt(_ query: String) -> String { text([ChatMessage(role: .user, content: query)]) }

    /// The model's text for a chat.
    /// - Throws: what of the chat the template cannot render.
    func prompt(_ messages: [ChatMessage]) throws(RowError) -> String {
        try check(messages)
        return text(messages)
    }

    /// The model's text for a response, without what ends it.
    func response(_ response: String) -> String {
        let text = assistant.trim ? response.strippedOfWhiteSpace : response
        return assistant.prefix.hasByteSuffix(" ") && !text.hasBytePrefix(" ") ? " " + text : text
    }

    /// The model's text for several turns that answer a query, without what ends the last one.
    /// - Throws: what of the chat the template cannot render, or that the query is another text before them.
    func response(_ turns: [ChatMessage], after query: [ChatMessage]) throws(RowError) -> String {
        let (start, whole) = (try prompt(query), try prompt(query + turns.dropLast()))
        guard whole.hasBytePrefix(start) else { throw RowError(Self.queryChanges) }
        return String(decoding: whole.utf8.dropFirst(start.utf8.count), as: UTF8.self)
            + response(turns.last?.content ?? "")
    }

    /// What the prompt ends with.
    var opening: String {
        let scalars = assistant.prefix.unicodeScalars
        return scalars.last == " " ? String(scalars.dropLast()) : assistant.prefix
    }

    /// What ends an assistant's turn, where that looks like one token: `<|im_end|>`, `<|eot_id|>`, `</s>`.
    package var endToken: String? {
        let text = assistant.suffix.strippedOfWhiteSpace
        let isOne = text.hasBytePrefix("<") && text.utf8.last == UInt8(ascii: ">")
        return isOne && text.utf8.count { $0 == UInt8(ascii: "<") } == 1 ? text : nil
    }

    /// Of a chat that passed `check`.
    private func text(_ messages: [ChatMessage]) -> String {
        var turns = messages[...]
        if let standard = system?.standard, turns.first?.role != .system {
            turns = [ChatMessage(role: .system, content: standard)] + turns
        }
        var (inside, place) = ("", Int?.none)
        if let system, system.place != .turn, let first = turns.first, first.role == .system {
            turns = turns.dropFirst()
            let isUser = { (message: ChatMessage) in message.role == .user }
            inside = system.turn.text(first.content)
            place = system.place == .firstUser ? turns.firstIndex(where: isUser) : turns.lastIndex(where: isUser)
        }
        let texts = turns.indices.map { index in
            turn(of: turns[index].role).text(turns[index].content, after: index == place ? inside : "")
        }
        return texts.joined() + opening
    }

    private func turn(of role: ChatMessage.Role) -> Turn {
        switch role {
        case .system: system?.turn ?? Turn("", "")
        case .user: user
        case .assistant: assistant
        case .tool: tool ?? Turn("", "")
        }
    }

    static let toolUnsupported = "the template has no place for a tool's message"
    static let systemUnsupported = "the template has no place for a system message"
    static let systemNotFirst = "the template has a place for a system message at the beginning only"
    static let notAlternating = "the template needs messages of user and assistant in turn, the last one of the user"
    static let queryChanges = "the template renders the query in another way before more turns"
    static let noUser = "the template puts the system message into a user's message, and there is none"

    private func check(_ messages: [ChatMessage]) throws(RowError) {
        if tool == nil, messages.contains(where: { $0.role == .tool }) { throw RowError(Self.toolUnsupported) }
        let isLed = messages.first?.role == .system
        let dialogue = messages.dropFirst(isLed ? 1 : 0)
        let hasLaterSystem = dialogue.contains { $0.role == .system }
        guard let system else {
            if isLed || hasLaterSystem { throw RowError(Self.systemUnsupported) }
            return try checkTurns(dialogue)
        }
        if hasLaterSystem, alternate || system.place != .turn { throw RowError(Self.systemNotFirst) }
        try checkTurns(dialogue)
        if system.place != .turn, isLed || system.standard != nil, !dialogue.contains(where: { $0.role == .user }) {
            throw RowError(Self.noUser)
        }
    }

    private func checkTurns(_ dialogue: ArraySlice<ChatMessage>) throws(RowError) {
        guard alternate else { return }
        // What a tool gave back is not counted, and may come last.
        let roles = dialogue.map(\.role).filter { $0 != .tool }
        let expected = roles.indices.map { $0 % 2 == 0 ? ChatMessage.Role.user : .assistant }
        let isAsked = dialogue.last.map { $0.role == .user || $0.role == .tool } ?? false
        if roles != expected || !isAsked { throw RowError(Self.notAlternating) }
    }

    /// All of it, in one spelling.
    var json: String {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        // A value of strings and booleans always encodes.
        guard let data = try? encoder.encode(self) else { preconditionFailure("a template must encode as JSON") }
        return String(decoding: data, as: UTF8.self)
    }
}

extension String {
    /// Without white space at both ends, as Python and so Jinja's `trim` understand it: Unicode's and four separators.
    var strippedOfWhiteSpace: String {
        let isText = { (scalar: Unicode.Scalar) in !scalar.isSpace && !("\u{1C}"..."\u{1F}").contains(scalar) }
        guard let first = unicodeScalars.firstIndex(where: isText), let last = unicodeScalars.lastIndex(where: isText)
        else { return "" }
        return String(unicodeScalars[first...last])
    }
}
