import Coding
import Preferences

/// Values of single modules: `rank_pattern` and `alpha_pattern` of an adapter_config.json.
///
/// As in `peft`, a key is a regular expression for the end of a module's name, and of several that match the first in the
/// file counts.
struct ModuleValues<Value: Equatable & Sendable>: Equatable, Sendable {
    private struct Entry: Equatable, Sendable {
        let pattern: String
        let expression: RegularExpression
        let value: Value

        static func == (one: Entry, other: Entry) -> Bool { one.pattern == other.pattern && one.value == other.value }
    }

    private var entries: [Entry] = []

    init() {}

    /// - Parameters:
    ///   - kind: what a value must be, for messages.
    ///   - read: nil for what is no such value.
    /// - Throws: what `bad` makes of a key that is no expression, or a value of another kind.
    init(
        _ key: String, of object: JSONValue, _ kind: String, _ bad: AdapterConfiguration.Complaint,
        read: (JSONValue) -> Value?
    ) throws {
        guard let found = object[key] else { return }
        guard case .object(let members) = found else { throw bad("\(key) is \(found.kind), not an object", nil) }
        entries = try members.map { name, member in
            let name = String(decoding: name, as: UTF8.self)
            guard let value = read(member) else { throw bad("\(key) has for \(name) no \(kind)", nil) }
            let expression = try AdapterConfiguration.expression("(.*\\.)?(\(name))$", of: name, in: key, bad)
            return Entry(pattern: name, expression: expression, value: value)
        }
    }

    var isEmpty: Bool { entries.isEmpty }

    /// Keys and values, for a digest.
    var identity: String { "\(entries.map { "\($0.pattern): \($0.value)" })" }

    /// The value for the module of a name; nil where no key matches.
    /// - Throws: when a match takes too many steps.
    subscript(module: String) -> Value? {
        get throws { try entries.first { try $0.expression.matches(module) }?.value }
    }
}
