import Coding
import Diagnostics
import Foundation

/// The chat template that a model directory has for `transformers`: its file, and what it is when it is a known one.
package struct OwnChatTemplate {
    package let file: String
    /// Nil when it is none of the known ones.
    package let known: (name: String, template: PromptTemplate)?

    /// Where a directory may have one, in the order in which they count.
    package static let fileNames = ["chat_template.jinja", configName, "chat_template.json"]
    private static let configName = "tokenizer_config.json"

    /// Nil when the directory has none.
    /// - Throws: `RDOError.artefact` when a file that may hold it cannot be read or understood.
    package static func read(_ directory: String) throws -> OwnChatTemplate? {
        let config = try json(directory + "/" + configName)
        for name in fileNames {
            let file = directory + "/" + name
            guard let jinja = name.hasSuffix(".jinja") ? try text(file) : try template(in: json(file)) else { continue }
            let found = KnownChatTemplate.recognised(jinja, tokens: try tokens(config))
            return OwnChatTemplate(file: file, known: found.map { ($0.name, .turns($0.turns)) })
        }
        return nil
    }

    /// A text, or of several by name the one called `default`.
    private static func template(in root: JSONField?) throws -> String? {
        guard let field = root?["chat_template"] else { return nil }
        guard case .array = field.value else { return try field.string() }
        return try field.array().first { try $0["name"]?.string() == "default" }?.required("template").string()
    }

    /// The texts of the tokens that templates name; a token is a text or an object that has one.
    private static func tokens(_ config: JSONField?) throws -> [String: String] {
        var tokens: [String: String] = [:]
        for name in ["eos_token", "pad_token", "unk_token"] {
            guard let field = config?[name] else { continue }
            tokens[name] = try (field["content"] ?? field).string()
        }
        return tokens
    }

    private static func json(_ path: String) throws -> JSONField? {
        try bytes(path).map { try JSONField(parsing: $0, file: path) }
    }

    private static func text(_ path: String) throws -> String? {
        guard let bytes = try bytes(path) else { return nil }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw RDOError(.artefact, "not UTF-8 text", at: path, remedy: "fetch the file again")
        }
        return text
    }

    /// Nil when the file is not there.
    private static func bytes(_ path: String) throws -> [UInt8]? {
        try InputFile.contents(of: path)
    }
}
