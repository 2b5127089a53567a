import Diagnostics
import Yams

/// One key of a section: a value or a section of its own.
package struct Field<Section> {
    package let key: String
    let help: String
    /// Kind and bounds of a value, for the documentation; nil for a section.
    let kind: String?
    let assign: (inout Section, Node, SettingPlace) throws -> Void
    /// The value as YAML; a section as its indented lines.
    let yaml: (Section, _ indentation: String) -> String
    /// The keys below, dotted, with their values.
    var rows: (Section, _ prefix: String) -> [SettingRow]
    /// Assigns a key below this one.
    let assignPath: (inout Section, ArraySlice<String>, Node, SettingPlace) throws -> Void

    package static func value<Value: SettingValue>(
        _ path: WritableKeyPath<Section, Value>, _ key: String, _ bounds: Bounds, _ help: String
    ) -> Field {
        let kind = Value.kind(bounds)
        func assign(_ section: inout Section, _ node: Node, _ place: SettingPlace) throws {
            guard let value = Value(node: node), value.isWithin(bounds) else {
                let misfit = Value.misfit(in: node)
                throw place.error("\(place.key) must be \(kind), not \(misfit.shown)", line: misfit.mark?.line)
            }
            section[keyPath: path] = value
        }
        return Field(
            key: key, help: help, kind: kind, assign: assign,
            yaml: { section, _ in section[keyPath: path].yaml },
            rows: { section, prefix in
                [SettingRow(key: prefix + key, kind: kind, value: section[keyPath: path].yaml, help: help)]
            },
            assignPath: { section, rest, node, place in
                guard rest.isEmpty else {
                    throw place.error(
                        "\(place.key) is a value, it has no key \(rest.joined(separator: "."))", line: nil)
                }
                try assign(&section, node, place)
            })
    }

    package static func value<Value: SettingValue>(
        _ path: WritableKeyPath<Section, Value>, _ key: String, _ help: String
    ) -> Field { value(path, key, .any, help) }

    package static func section<Part: ConfigurationSection>(
        _ path: WritableKeyPath<Section, Part>, _ key: String, _ help: String
    ) -> Field {
        Field(
            key: key, help: help, kind: nil,
            assign: { try SectionReader.read(&$0[keyPath: path], from: $1, $2) },
            yaml: { SectionReader.yaml($0[keyPath: path], $1) },
            rows: { SectionReader.rows($0[keyPath: path], prefix: $1 + key + ".") },
            assignPath: { try SectionReader.assign(&$0[keyPath: path], $1, $2, $3) })
    }

    /// A section that may be absent: naming it or one of its keys makes it, null removes it.
    package static func optionalSection<Part: ConfigurationSection>(
        _ path: WritableKeyPath<Section, Part?>, _ key: String, _ help: String
    ) -> Field {
        Field(
            key: key, help: help, kind: nil,
            assign: { section, node, place in
                section[keyPath: path] = try replaced(section[keyPath: path], by: node, place)
            },
            yaml: { section, indentation in
                section[keyPath: path].map { SectionReader.yaml($0, indentation) } ?? "null"
            },
            rows: { SectionReader.rows($0[keyPath: path] ?? Part(), prefix: $1 + key + ".") },
            assignPath: { section, rest, node, place in
                guard !rest.isEmpty else {
                    section[keyPath: path] = try replaced(section[keyPath: path], by: node, place)
                    return
                }
                var part = section[keyPath: path] ?? Part()
                try SectionReader.assign(&part, rest, node, place)
                section[keyPath: path] = part
            })
    }

    private static func replaced<Part: ConfigurationSection>(
        _ part: Part?, by node: Node, _ place: SettingPlace
    ) throws -> Part? {
        if node.isNull { return nil }
        var part = part ?? Part()
        try SectionReader.read(&part, from: node, place)
        return part
    }

    /// The same field, for settings that a resumed run need not share with the run that it continues.
    package var neutral: Field {
        var field = self
        field.rows = { [rows] section, prefix in
            rows(section, prefix).map {
                var row = $0
                row.isNeutral = true
                return row
            }
        }
        return field
    }

    /// The same field seen from a section that contains this one without a key of its own.
    package func lifted<Outer>(_ path: WritableKeyPath<Outer, Section>) -> Field<Outer> {
        Field<Outer>(
            key: key, help: help, kind: kind, assign: { try assign(&$0[keyPath: path], $1, $2) },
            yaml: { yaml($0[keyPath: path], $1) }, rows: { rows($0[keyPath: path], $1) },
            assignPath: { try assignPath(&$0[keyPath: path], $1, $2, $3) })
    }
}

/// One key with its value, for the documentation and for comparing runs.
package struct SettingRow {
    package let key: String
    package let kind: String
    package let value: String
    package let help: String
    package var isNeutral = false
}
