/// A chat template in Jinja that is known by the texts it prints, and the turns that render the same.
///
/// Looked at are the pieces around a message's text (`JinjaPieces`), not the whole file: how conditions, tools and errors
/// are written differs between versions that render chats alike.
struct KnownChatTemplate: Sendable {
    /// For people.
    let name: String
    let turns: TurnTemplate
    /// Of each at least one must be there.
    private let pieces: [[String]]

    private init(_ name: String, _ turns: TurnTemplate, pieces: [[String]]? = nil) {
        (self.name, self.turns) = (name, turns)
        self.pieces = pieces ?? Self.pieces(of: turns)
    }

    private static let all = [
        KnownChatTemplate("chatml", .chatml),
        KnownChatTemplate("llama3", .llama3),
        KnownChatTemplate("mistral", .mistral),
        KnownChatTemplate("mistral v0.1", .mistralWithSpace),
        KnownChatTemplate("mistral v0.1 and v0.2 with system", .mistralWithSystem),
        KnownChatTemplate("mistral v0.3", .mistralWithTools),
        KnownChatTemplate("gemma", .gemma, pieces: gemmaPieces),
        KnownChatTemplate("gemma 1 and 2", .gemmaWithoutSystem),
        KnownChatTemplate("zephyr", .zephyr),
        KnownChatTemplate("vicuna", .vicuna),
    ]

    /// What a template writes that begins with a date or lets the model think aloud: another template, whatever its turns.
    private static let foreign = ["Knowledge Date", "Knowledge Cutoff", "strftime_now", "date_string", "think>"]

    /// The known template that a Jinja text is a spelling of, with the Jinja's own standard system message; nil when it is
    /// none, or more than one.
    ///
    /// - Parameter tokens: the texts of `eos_token` and the like.
    static func recognised(_ jinja: String, tokens: [String: String]) -> (name: String, turns: TurnTemplate)? {
        guard !foreign.contains(where: jinja.contains) else { return nil }
        let printed = Set(JinjaPieces(of: jinja, tokens: tokens).pieces.map(UTF8Piece.init))
        let found = all.filter { known in
            known.pieces.allSatisfy { $0.contains { printed.contains(UTF8Piece($0)) } }
        }
        guard found.count == 1, var turns = found.first?.turns else { return nil }
        // Whoever prints the first message's text elsewhere has a place for a system message.
        if turns.system == nil, printed.contains(where: \.holdsFirstMessage) { return nil }
        if let tool = turns.tool, !Self.prints(tool, printed, jinja) { turns.tool = nil }
        var name = found[0].name
        if let system = turns.system, system.place == .turn {
            let standards = printed.compactMap { $0.standard(of: system.turn) }
            guard standards.count < 2 else { return nil }
            turns.system?.standard = standards.first
            if turns.system != found[0].turns.system {
                name += standards.isEmpty ? " without its system message" : " with a system message of its own"
            }
        }
        return (name, turns)
    }

    /// Whoever puts in the name of any role does so with a tool's, unless the template says something of tools.
    private static func prints(_ tool: TurnTemplate.Turn, _ printed: Set<UTF8Piece>, _ jinja: String) -> Bool {
        !jinja.contains("tool") && ways(tool, ["tool"]).dropFirst().contains { printed.contains(UTF8Piece($0)) }
    }

    /// How a turn may be written: for its role alone, and for any of the names put in.
    private static func ways(
        _ turn: TurnTemplate.Turn, _ roles: [String], inside: String = "", content: String = "content"
    ) -> [String] {
        let prefixes =
            [turn.prefix]
            + roles.compactMap { role in
                turn.prefix.contains(role) ? turn.prefix.replacing(role, with: "⟦role⟧") : nil
            }
        return prefixes.map { $0 + inside + "⟦\(content)\(turn.trim ? "|trim" : "")⟧" + turn.suffix }
    }

    /// The usual ways to write turns: a piece for each role, or one for all with the role's name put in.
    private static func pieces(of turns: TurnTemplate) -> [[String]] {
        var pieces = [ways(turns.user, ["user"]), ways(turns.assistant, ["assistant", "model"])]
        if !turns.opening.isEmpty { pieces.append([turns.opening]) }
        guard let system = turns.system else { return pieces }
        let first = "messages[0].content"
        pieces.append(
            system.place == .turn
                ? ways(system.turn, ["system"]) + ways(system.turn, [], content: first)
                : ways(turns.user, [], inside: ways(system.turn, [], content: first)[0]))
        return pieces
    }

    /// Gemma 3 prints a turn's beginning, text and end apart, because a text may be a list of parts.
    private static let gemmaPieces = [
        ["<start_of_turn>⟦role⟧\n⟦(first_user_prefix if loop.first else\"\")⟧"], ["⟦messages[0].content⟧\n\n"],
        ["⟦content|trim⟧"], ["<end_of_turn>\n"], ["<start_of_turn>model\n"],
    ]
}

/// A piece, compared by its bytes.
private struct UTF8Piece: Hashable {
    private let key: UTF8Key

    init(_ text: String) { key = UTF8Key(text.utf8) }

    var holdsFirstMessage: Bool { String(decoding: key.bytes, as: UTF8.self).contains("⟦messages[0].content") }

    /// The text between a system turn's prefix and suffix where there is nothing but text.
    func standard(of turn: TurnTemplate.Turn) -> String? {
        let text = String(decoding: key.bytes, as: UTF8.self)
        guard text.hasBytePrefix(turn.prefix), text.hasByteSuffix(turn.suffix), !text.contains("⟦") else { return nil }
        let inner = text.utf8.dropFirst(turn.prefix.utf8.count).dropLast(turn.suffix.utf8.count)
        return inner.isEmpty ? nil : String(decoding: inner, as: UTF8.self)
    }
}

/// Versions that have no name of their own in `data.template`.
extension TurnTemplate {
    /// Mistral 7B Instruct v0.1 as it came out: a space after the end of an answer.
    fileprivate static let mistralWithSpace = with(.mistral) { $0.assistant.suffix = "</s> " }

    /// Mistral 7B Instruct v0.1 and v0.2 since 2024: spaces before `[INST]` and the answer, and a system message.
    fileprivate static let mistralWithSystem = TurnTemplate(
        system: SystemTurn(Turn("", "\n\n"), place: .firstUser), user: Turn(" [INST] ", " [/INST]"),
        assistant: Turn(" ", "</s>"), alternate: true)

    /// Mistral 7B Instruct v0.3, whose template takes tools: the system message stands in the last turn of the user.
    fileprivate static let mistralWithTools = TurnTemplate(
        system: SystemTurn(Turn("", "\n\n"), place: .lastUser), user: Turn("[INST] ", "[/INST]"),
        assistant: Turn(" ", "</s>", trim: true), alternate: true)

    /// Gemma 1 and 2.
    fileprivate static let gemmaWithoutSystem = with(.gemma) { $0.system = nil }

    private static func with(_ turns: TurnTemplate, _ change: (inout TurnTemplate) -> Void) -> TurnTemplate {
        var turns = turns
        change(&turns)
        return turns
    }
}
