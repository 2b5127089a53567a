import Diagnostics
import Foundation
import Yams

/// A part of the configuration whose keys are declared once, in `fields`: reading, overriding, writing back and the
/// documentation all follow from that declaration.
package protocol ConfigurationSection: Equatable, Sendable {
    init()
    static var fields: [Field<Self>] { get }
    /// The key that a value in the section's place is for; without one a section must be a mapping.
    static var shortForm: String? { get }
}

extension ConfigurationSection {
    package static var shortForm: String? { nil }

    /// All values as YAML that gives the same section when read.
    package var yaml: String { yaml(indentation: "") + "\n" }

    /// Reads a whole document.
    ///
    /// - Parameters:
    ///   - settings: `section.key=value`, applied over it.
    ///   - source: names the document in messages.
    /// - Throws: `RDOError.usage` naming source, line and key.
    package init(reading yaml: String, settings: [String], source: String) throws {
        self.init()
        if let root = try Node.composed(of: yaml, source) {
            try assign([], root, SettingPlace(source: source, keys: KnownKeys(of: Self())))
        }
        try apply(settings)
    }

    /// - Parameter settings: `section.key=value`.
    /// - Throws: `RDOError.usage` naming the key.
    package mutating func apply(_ settings: [String]) throws {
        let place = SettingPlace(source: SettingPlace.commandLine, keys: KnownKeys(of: Self()))
        for setting in settings {
            guard let equals = setting.firstIndex(of: "="), equals != setting.startIndex else {
                throw RDOError(.usage, "--set \(setting): expected section.key=value")
            }
            let path = setting[..<equals].split(separator: ".", omittingEmptySubsequences: false).map(String.init)
            let text = String(setting[setting.index(after: equals)...])
            try assign(path[...], try Node.composed(of: text, "--set \(setting)") ?? Node(""), place)
        }
    }

    /// The values of the section `name` that a resumed run must share with the run that it continues, by dotted key.
    ///
    /// Left out are the fields declared `neutral`: what changes how long a run is or what it writes, not what a step
    /// computes, and what is compared by content elsewhere (models, data, weights).
    package func fingerprint(of name: String) -> [String: String] {
        Dictionary(uniqueKeysWithValues: rows(of: name).filter { !$0.isNeutral }.map { ($0.key, $0.value) })
    }

    /// All keys of the section `name`, dotted.
    package func rows(of name: String) -> [SettingRow] { Self.fields.first { $0.key == name }?.rows(self, "") ?? [] }

    /// Reads the section, or the key below it that `path` names.
    mutating func assign(_ path: ArraySlice<String>, _ node: Node, _ place: SettingPlace) throws {
        if let key = path.first { return try assign(key, path.dropFirst(), node, place, line: nil) }
        if node.isNull { return }
        if node.mapping == nil, let key = Self.shortForm { return try assign(key, [], node, place, line: nil) }
        guard let mapping = node.mapping else {
            let what = place.key.isEmpty ? "the configuration must be a mapping" : "\(place.key) must be a section"
            throw place.error("\(what) of keys", line: node.mark?.line)
        }
        for (keyNode, value) in mapping {
            guard let key = keyNode.scalar?.string else {
                throw place.error("a key must be a word, not \(keyNode.shown)", line: keyNode.mark?.line)
            }
            try assign(key, [], value, place, line: keyNode.mark?.line)
        }
    }

    private mutating func assign(
        _ key: String, _ rest: ArraySlice<String>, _ node: Node, _ place: SettingPlace, line: Int?
    ) throws {
        guard let field = Self.fields.first(where: { $0.key == key }) else {
            throw place.error(
                "unknown key \(place.child(key).key)", line: line,
                remedy: "the nearest known key is \(place.keys.nearest(to: key, in: place.known))")
        }
        try field.assign(&self, rest, node, place.child(key))
    }

    func yaml(indentation: String) -> String {
        let lines = Self.fields.map { field in
            let text = field.yaml(self, indentation + "  ")
            return indentation + field.key + ":" + (text.hasPrefix("\n") ? text : " " + text)
        }
        return (indentation.isEmpty ? "" : "\n") + lines.joined(separator: "\n")
    }

    /// All keys, dotted.
    package var rows: [SettingRow] { rows(prefix: "") }

    func rows(prefix: String) -> [SettingRow] { Self.fields.flatMap { $0.rows(self, prefix) } }
}

extension Node {
    private static var aliasLimit: Int { 32 }

    fileprivate static func composed(of text: String, _ source: String) throws -> Node? {
        // What an alias stands for is counted again wherever it stands: a few lines can mean billions of nodes.
        let aliases = text.utf8.indices.count { index in
            guard text.utf8[index] == UInt8(ascii: "*") else { return false }
            let before = index == text.utf8.startIndex ? nil : text.utf8[text.utf8.index(before: index)]
            return before.map { " \t\n,[{?:-".utf8.contains($0) } ?? true
        }
        guard aliases <= aliasLimit else {
            throw RDOError(
                .usage, "more than \(aliasLimit) YAML aliases (*name)", at: source, remedy: "write the values out")
        }
        do {
            return try Yams.compose(yaml: text)
        } catch let error as YamlError {
            switch error {
            case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
                .composer(_, let problem, let mark, _):
                throw RDOError(.usage, "not YAML: \(problem)", at: "\(source):\(mark.line)")
            case .duplicatedKeysInMapping(let duplicates, let context):
                throw RDOError(
                    .usage, "the key \(duplicates.sorted().joined(separator: ", ")) stands more than once",
                    at: "\(source):\(context.mark.line)")
            case .reader(let problem, _, _, _): throw RDOError(.usage, "not YAML: \(problem)", at: source)
            default: throw RDOError(.usage, "not YAML: \(error)", at: source)
            }
        }
    }
}
