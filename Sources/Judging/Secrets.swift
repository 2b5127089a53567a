import Diagnostics
import Foundation

/// The judges' keys: from the environment, into one header, and out of everything else.
///
/// Whatever a server says passes through `redacted` before it is looked at, so no file, message or cache can hold a key.
struct Secrets: Sendable {
    /// A shorter word is no key, and to strike it out of texts would mangle them.
    private static let shortest = 8
    static let mark = "[key]"

    /// By the judge's name.
    private let keys: [String: String]

    /// - Parameters:
    ///   - configuration: its whole text; `arguments`: the command line. Neither may hold a key.
    /// - Throws: `RDOError.usage` when a variable is missing or no key, or a key stands where others can read it.
    init(
        of judges: [JudgeSettings], environment: [String: String], configuration: (path: String, text: String),
        arguments: [String]
    ) throws {
        var keys: [String: String] = [:]
        for judge in judges {
            guard let variable = judge.keyVariable else { continue }
            guard let key = environment[variable], !key.isEmpty else {
                throw RDOError(
                    .usage, "judge \(judge.name): the environment variable that key_env names is not set",
                    at: configuration.path)
            }
            guard key.utf8.count >= Self.shortest, key.utf8.allSatisfy({ (0x21..<0x7F).contains($0) }) else {
                throw RDOError(
                    .usage, "judge \(judge.name): the variable that key_env names holds no key", at: configuration.path,
                    remedy: "a key has \(Self.shortest) characters or more, no blanks and no line breaks")
            }
            guard !configuration.text.contains(key) else {
                throw RDOError(
                    .usage, "the key of judge \(judge.name) stands in the file", at: configuration.path,
                    remedy: "take it out and get a new one: whoever could read the file has it")
            }
            guard !arguments.contains(where: { $0.contains(key) }) else {
                throw RDOError(
                    .usage, "the key of judge \(judge.name) stands on the command line",
                    remedy: "take it out and get a new one: every user of the machine could read it")
            }
            keys[judge.name] = key
        }
        self.keys = keys
    }

    /// Nil where the server wants none.
    func authorization(of judge: JudgeSettings) -> String? { keys[judge.name].map { "Authorization: Bearer " + $0 } }

    func redacted(_ text: String) -> String {
        keys.values.reduce(text) { $0.contains($1) ? $0.replacing($1, with: Self.mark) : $0 }
    }
}
