import Diagnostics
import Yams

/// One key of a section: a value or a section of its own.
package struct Field<Section> {
    package let key: String
    let help: String
    /// Kind and bounds of a value, for the documentation; nil for a section.
    let kind: String?
    /// Assigns the field, or the key below it that `path` names.
    let assign: (inout Section, _ path: ArraySlice<String>, Node, SettingPlace) throws -> Void
    /// The value as YAML; a section as its indented lines.
    let yaml: (Section, _ indentation: String) -> String
    /// The keys below, dotted, with their values.
    var rows: (Section, _ prefix: String) -> [SettingRow]

    package static func value<Value: SettingValue>(
        _ path: WritableKeyPath<Section, Value>, _ key: String, _ bounds: Bounds, _ help: String
    ) -> Field {
        let kind = Value.kind(bounds)
        return Field(
            key: key, help: help, kind: kind,
            assign: { section, rest, node, place in
                guard rest.isEmpty else {
                    throw place.error("\(place.key) is a value, it has no key \(rest.joined(separator: "."))")
                }
                guard let value = Value(node: node), value.isWithin(bounds) else {
                    let misfit = Value.misfit(in: node)
                    throw place.error("\(place.key) must be \(kind), not \(misfit.shown)", line: misfit.mark?.line)
                }
                section[keyPath: path] = value
            },
            yaml: { section, _ in section[keyPath: path].yaml },
            rows: { [SettingRow(key: $1 + key, kind: kind, value: $0[keyPath: path].yaml, help: help)] })
    }

    package static func value<Value: SettingValue>(
        _ path: WritableKeyPath<Section, Value>, _ key: String, _ help: String
    ) -> Field { value(path, key, .any, help) }

    package static func section<Part: ConfigurationSection>(
        _ path: WritableKeyPath<Section, Part>, _ key: String, _ help: String
    ) -> Field {
        Field(
            key: key, help: help, kind: nil, assign: { try $0[keyPath: path].assign($1, $2, $3) },
            yaml: { $0[keyPath: path].yaml(indentation: $1) },
            rows: { $0[keyPath: path].rows(prefix: $1 + key + ".") })
    }

    /// A section that may be absent: naming it or one of its keys makes it, null removes it.
    package static func optionalSection<Part: ConfigurationSection>(
        _ path: WritableKeyPath<Section, Part?>, _ key: String, _ help: String
    ) -> Field {
        Field(
            key: key, help: help, kind: nil,
            assign: { section, rest, node, place in
                var part = rest.isEmpty && node.isNull ? nil : section[keyPath: path] ?? Part()
                try part?.assign(rest, node, place)
                section[keyPath: path] = part
            },
            yaml: { $0[keyPath: path]?.yaml(indentation: $1) ?? "null" },
            rows: { ($0[keyPath: path] ?? Part()).rows(prefix: $1 + key + ".") })
    }

    /// A list of sections. In messages an item is the list's key; the line says which it is.
    package static func sections<Part: ConfigurationSection>(
        _ path: WritableKeyPath<Section, [Part]>, _ key: String, _ help: String
    ) -> Field {
        Field(
            key: key, help: help, kind: nil,
            assign: { section, rest, node, place in
                guard rest.isEmpty, let items = node.sequence else {
                    throw place.error("\(place.key) must be a list of sections", line: node.mark?.line)
                }
                section[keyPath: path] = try items.map { item in
                    var part = Part()
                    try part.assign([], item, place)
                    return part
                }
            },
            yaml: { section, indentation in
                let items = section[keyPath: path]
                if items.isEmpty { return "[]" }
                return items.map { "\n\(indentation)-" + $0.yaml(indentation: indentation + "  ") }.joined()
            },
            rows: { Part().rows(prefix: $1 + key + ".") })
    }

    /// The same field, for settings that a resumed run need not share with the run that it continues.
    package var neutral: Field { marked(asCosmetic: false) }

    /// The same field, for settings that change nothing of what is computed: a finished pass stays finished.
    package var cosmetic: Field { marked(asCosmetic: true) }

    private func marked(asCosmetic isCosmetic: Bool) -> Field {
        var field = self
        field.rows = { [rows] section, prefix in
            rows(section, prefix).map { row in
                var row = row
                (row.isNeutral, row.isCosmetic) = (true, row.isCosmetic || isCosmetic)
                return row
            }
        }
        return field
    }

    /// The same field seen from a section that contains this one without a key of its own.
    package func lifted<Outer>(_ path: WritableKeyPath<Outer, Section>) -> Field<Outer> {
        Field<Outer>(
            key: key, help: help, kind: kind, assign: { try assign(&$0[keyPath: path], $1, $2, $3) },
            yaml: { yaml($0[keyPath: path], $1) }, rows: { rows($0[keyPath: path], $1) })
    }
}

/// One key with its value, for the documentation and for comparing runs.
package struct SettingRow {
    package let key: String
    package let kind: String
    package let value: String
    package let help: String
    package var isNeutral = false
    package var isCosmetic = false
}
