import Diagnostics
import Yams

/// A part of the configuration whose keys are declared once, in `fields`: reading, overriding, writing back and the
/// documentation all follow from that declaration.
protocol ConfigurationSection {
    init()
    static var fields: [Field<Self>] { get }
    /// The key that a value in the section's place is for; without one a section must be a mapping.
    static var shortForm: String? { get }
}

extension ConfigurationSection {
    static var shortForm: String? { nil }
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

    private static func find<Section>(
        _ key: String, in fields: [Field<Section>], _ place: SettingPlace, line: Int?
    ) throws -> Field<Section> {
        if let field = fields.first(where: { $0.key == key }) { return field }
        throw place.error(
            "unknown key \(place.child(key).key)", line: line,
            remedy: "the nearest known key is \(Configuration.nearestKey(to: key, in: place.key))")
    }

    static func yaml<Section: ConfigurationSection>(_ section: Section, _ indentation: String) -> String {
        let lines = Section.fields.map { field in
            let text = field.yaml(section, indentation + "  ")
            return indentation + field.key + ":" + (text.hasPrefix("\n") ? text : " " + text)
        }
        return (indentation.isEmpty ? "" : "\n") + lines.joined(separator: "\n")
    }

    static func rows<Section: ConfigurationSection>(_ section: Section, prefix: String) -> [DocumentationRow] {
        Section.fields.flatMap { $0.rows(section, prefix) }
    }
}
