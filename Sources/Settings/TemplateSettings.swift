import Preferences

/// A template of the user's own: a `TurnTemplate` in YAML.
package struct TurnsSettings: ConfigurationSection {
    package var system: SystemTurnSettings?
    package var user = TurnSettings()
    package var assistant = TurnSettings()
    package var tool: TurnSettings?
    package var alternate = false

    package init() {}

    package static var fields: [Field<Self>] {
        [
            .optionalSection(
                \.system, "system", "The system message; without this section a row with one is a bad row."),
            .section(\.user, "user", "A message of the user; a query is one."),
            .section(
                \.assistant, "assistant",
                "An earlier message of the assistant. Its prefix opens the response; a space at its end goes to the "
                    + "response, unless that begins with one."),
            .optionalSection(
                \.tool, "tool", "What a tool gave back; without this section a row with such a message is a bad row."),
            .value(
                \.alternate, "alternate",
                "A chat must be user, assistant, user and so on, perhaps after one system message, a tool's messages "
                    + "aside; others are bad rows."
            ),
        ]
    }

    /// The template that it describes.
    package var turns: TurnTemplate {
        TurnTemplate(
            system: system.map { .init($0.turn, place: $0.place, standard: $0.default) }, user: user.turn,
            assistant: assistant.turn, tool: tool?.turn, alternate: alternate)
    }
}

/// What stands around one message.
package struct TurnSettings: ConfigurationSection {
    package var prefix = ""
    package var suffix = ""
    package var trim = false

    package init() {}

    package static var fields: [Field<Self>] {
        [
            .value(\.prefix, "prefix", "Text before the message's own, in double quotes, where \\n is a line feed."),
            .value(\.suffix, "suffix", "Text after it."),
            .value(\.trim, "trim", "Leave out white space around the message's text."),
        ]
    }

    fileprivate var turn: TurnTemplate.Turn { .init(prefix, suffix, trim: trim) }
}

/// The same for the system message.
package struct SystemTurnSettings: ConfigurationSection {
    package var message = TurnSettings()
    package var place = TurnTemplate.SystemPlace.turn
    package var `default`: String?

    package init() {}

    package static var fields: [Field<Self>] {
        TurnSettings.fields.map { $0.lifted(\.message) } + [
            .value(
                \.place, "place",
                "A turn of its own, or inside the first or last turn of the user, before its text (a system message "
                    + "can then only come first)."),
            .value(
                \.default, "default", "The system message of a chat or query that has none; by default there is none."),
        ]
    }

    fileprivate var turn: TurnTemplate.Turn { message.turn }
}

extension DataSettings {
    /// The template that the settings say; nil for auto, which a model says.
    package var namedTemplate: PromptTemplate? {
        template == .custom ? turns.map { .turns($0.turns) } : template.builtIn
    }
}
