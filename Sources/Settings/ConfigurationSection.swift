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
    package var yaml: String { SectionReader.yaml(self, "") + "\n" }

    /// Reads a whole document.
    ///
    /// - Parameters:
    ///   - settings: `section.key=value`, applied over it.
    ///   - source: names the document in messages.
    /// - Throws: `RDOError.usage` naming source, line and key.
    package init(reading yaml: String, settings: [String], source: String) throws {
        self.init()
        if let root = try SectionReader.compose(yaml, source) {
            let place = SettingPlace(source: source, key: "", keys: KnownKeys(of: self))
            try SectionReader.read(&self, from: root, place)
        }
        try apply(settings)
    }

    /// - Parameter settings: `section.key=value`.
    /// - Throws: `RDOError.usage` naming the key.
    package mutating func apply(_ settings: [String]) throws {
        let keys = KnownKeys(of: self)
        for setting in settings { try SectionReader.apply(setting, to: &self, keys) }
    }
}

/// Reads and writes whole sections.
enum SectionReader {
    static func read<Section: ConfigurationSection>(_ section: inout Section, from node: Node, _ place: SettingPlace)
        throws
    {
        if node.isNull { return }
        if node.mapping == nil, let key = Section.shortForm {
            return try find(key, in: Section.fields, place, line: nil).assign(&section, node, place.child(key))
        }
        guard let mapping = node.mapping else {
            throw place.error(
                place.key.isEmpty
                    ? "the configuration must be a mapping of keys" : "\(place.key) must be a section of keys",
                line: node.mark?.line)
        }
        for (keyNode, value) in mapping {
            guard let key = keyNode.scalar?.string else {
                throw place.error("a key must be a word, not \(keyNode.shown)", line: keyNode.mark?.line)
            }
            let field = try find(key, in: Section.fields, place, line: keyNode.mark?.line)
            try field.assign(&section, value, place.child(key))
        }
    }

    static func assign<Section: ConfigurationSection>(
        _ section: inout Section, _ path: ArraySlice<String>, _ node: Node, _ place: SettingPlace
    ) throws {
        guard let key = path.first else { return try read(&section, from: node, place) }
        let field = try find(key, in: Section.fields, place, line: nil)
        try field.assignPath(&section, path.dropFirst(), node, place.child(key))
    }

    /// One `section.key=value` of the command line.
    static func apply<Section: ConfigurationSection>(
        _ setting: String, to section: inout Section, _ keys: KnownKeys
    ) throws {
        guard let equals = setting.firstIndex(of: "="), equals != setting.startIndex else {
            throw RDOError(.usage, "--set \(setting): expected section.key=value")
        }
        let path = setting[..<equals].split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        let text = String(setting[setting.index(after: equals)...])
        let node = try compose(text, "--set \(setting)") ?? Node("")
        try assign(&section, path[...], node, SettingPlace(source: SettingPlace.commandLine, key: "", keys: keys))
    }

    static func compose(_ text: String, _ source: String) throws -> Node? {
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

    private static func find<Section>(
        _ key: String, in fields: [Field<Section>], _ place: SettingPlace, line: Int?
    ) throws -> Field<Section> {
        if let field = fields.first(where: { $0.key == key }) { return field }
        throw place.error(
            "unknown key \(place.child(key).key)", line: line,
            remedy: "the nearest known key is \(place.keys.nearest(to: key, in: place.key))")
    }

    static func yaml<Section: ConfigurationSection>(_ section: Section, _ indentation: String) -> String {
        let lines = Section.fields.map { field in
            let text = field.yaml(section, indentation + "  ")
            return indentation + field.key + ":" + (text.hasPrefix("\n") ? text : " " + text)
        }
        return (indentation.isEmpty ? "" : "\n") + lines.joined(separator: "\n")
    }

    static func rows<Section: ConfigurationSection>(_ section: Section, prefix: String) -> [SettingRow] {
        Section.fields.flatMap { $0.rows(section, prefix) }
    }
}
