import Diagnostics
import Yams

/// A part of the configuration whose keys are declared once, in `fields`: reading, overriding, writing back and the
/// documentation all follow from that declaration.
protocol ConfigurationSection {
    init()
    static var fields: [Field<Self>] { get }
}

/// Where a value was given, for messages.
struct SettingPlace {
    /// `FILE` or `--set`.
    let source: String
    let key: String

    func error(_ what: String, line: Int?, remedy: String? = nil) -> RDOError {
        RDOError(.usage, what, at: line.map { "\(source):\($0)" } ?? source, remedy: remedy)
    }

    func child(_ name: String) -> SettingPlace {
        SettingPlace(source: source, key: key.isEmpty ? name : key + "." + name)
    }
}

/// The numbers that a key allows.
enum Bounds {
    case any
    case atLeast(Double)
    case above(Double)
    /// Both ends allowed.
    case within(Double, Double)
    /// The upper end excluded.
    case below(Double, Double)

    var text: String? {
        func short(_ x: Double) -> String { x == x.rounded() ? String(Int(x)) : String(x) }
        return switch self {
        case .any: nil
        case .atLeast(let low): "≥ \(short(low))"
        case .above(let low): "> \(short(low))"
        case .within(let low, let high): "\(short(low)) to \(short(high))"
        case .below(let low, let high): "≥ \(short(low)) and < \(short(high))"
        }
    }

    func contains(_ x: Double) -> Bool {
        switch self {
        case .any: true
        case .atLeast(let low): x >= low
        case .above(let low): x > low
        case .within(let low, let high): x >= low && x <= high
        case .below(let low, let high): x >= low && x < high
        }
    }
}

/// One key of a section: a value or a section of its own.
struct Field<Section> {
    let key: String
    let help: String
    /// Kind and bounds of a value, for the documentation; nil for a section.
    let kind: String?
    let assign: (inout Section, Node, SettingPlace) throws -> Void
    /// The value as YAML; a section as its indented lines.
    let yaml: (Section, _ indentation: String) -> String
    /// Documentation of the keys below: dotted key, kind, default, help.
    let rows: (Section, _ prefix: String) -> [DocumentationRow]
    /// Assigns a key below this one.
    let assignPath: (inout Section, ArraySlice<String>, Node, SettingPlace) throws -> Void

    static func value<Value: SettingValue>(
        _ path: WritableKeyPath<Section, Value>, _ key: String, _ bounds: Bounds, _ help: String
    ) -> Field {
        let kind = Value.kind + (bounds.text.map { " " + $0 } ?? "")
        func assign(_ section: inout Section, _ node: Node, _ place: SettingPlace) throws {
            guard let value = Value(node: node) else {
                throw place.error("\(place.key) must be \(kind), not \(Self.shown(node))", line: node.mark?.line)
            }
            for number in numbers(value) where !bounds.contains(number) {
                throw place.error("\(place.key) must be \(kind), not \(Self.shown(node))", line: node.mark?.line)
            }
            section[keyPath: path] = value
        }
        return Field(
            key: key, help: help, kind: kind, assign: assign,
            yaml: { section, _ in section[keyPath: path].yaml },
            rows: { section, prefix in
                [DocumentationRow(key: prefix + key, kind: kind, value: section[keyPath: path].yaml, help: help)]
            },
            assignPath: { section, rest, node, place in
                guard rest.isEmpty else {
                    throw place.error(
                        "\(place.key) is a value, it has no key \(rest.joined(separator: "."))", line: nil)
                }
                try assign(&section, node, place)
            })
    }

    static func value<Value: SettingValue>(
        _ path: WritableKeyPath<Section, Value>, _ key: String, _ help: String
    ) -> Field { value(path, key, .any, help) }

    static func section<Part: ConfigurationSection>(
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
    static func optionalSection<Part: ConfigurationSection>(
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
        if let text = node.scalar?.string, ["null", "~"].contains(text) { return nil }
        var part = part ?? Part()
        try SectionReader.read(&part, from: node, place)
        return part
    }

    /// The same field seen from a section that contains this one without a key of its own.
    func lifted<Outer>(_ path: WritableKeyPath<Outer, Section>) -> Field<Outer> {
        Field<Outer>(
            key: key, help: help, kind: kind, assign: { try assign(&$0[keyPath: path], $1, $2) },
            yaml: { yaml($0[keyPath: path], $1) }, rows: { rows($0[keyPath: path], $1) },
            assignPath: { try assignPath(&$0[keyPath: path], $1, $2, $3) })
    }

    private static func shown(_ node: Node) -> String {
        switch node {
        case .scalar(let scalar): "\"\(scalar.string)\""
        case .sequence: "a list"
        case .mapping: "a section"
        case .alias: "an alias"
        }
    }

    private static func numbers(_ value: some SettingValue) -> [Double] {
        switch value {
        case let value as Int: [Double(value)]
        case let value as Double: [value]
        case let value as Int?: value.map { [Double($0)] } ?? []
        case let value as Double?: value.map { [$0] } ?? []
        default: []
        }
    }
}

/// A line of the generated documentation.
struct DocumentationRow {
    let key: String
    let kind: String
    let value: String
    let help: String
}

/// Reads and writes whole sections.
enum SectionReader {
    static func read<Section: ConfigurationSection>(_ section: inout Section, from node: Node, _ place: SettingPlace)
        throws
    {
        if node.scalar.map({ ["", "null", "~"].contains($0.string) }) ?? false { return }
        guard let mapping = node.mapping else {
            throw place.error(
                place.key.isEmpty
                    ? "the configuration must be a mapping of keys" : "\(place.key) must be a section of keys",
                line: node.mark?.line)
        }
        for (keyNode, value) in mapping {
            let key = keyNode.scalar?.string ?? "?"
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
        // What a key was shortened from is nearer than a short key of other letters.
        func distance(_ known: String) -> (Int, Int) {
            (!key.isEmpty && known.hasPrefix(key) ? 0 : 1, EditDistance.between(key, known))
        }
        let nearest = fields.map(\.key).min { distance($0) < distance($1) } ?? ""
        throw place.error(
            "unknown key \(place.child(key).key)", line: line,
            remedy: "the nearest known key is \(place.child(nearest).key)")
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

/// Levenshtein's distance, for "the nearest known key".
enum EditDistance {
    static func between(_ a: String, _ b: String) -> Int {
        let (a, b) = (Array(a), Array(b))
        var previous = Array(0...b.count)
        for (i, x) in a.enumerated() {
            var current = [i + 1]
            for (j, y) in b.enumerated() {
                current.append(min(previous[j + 1] + 1, current[j] + 1, previous[j] + (x == y ? 0 : 1)))
            }
            previous = current
        }
        return previous[b.count]
    }
}
