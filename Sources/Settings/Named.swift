import Diagnostics
import Yams

/// Sections under names of the user's own, in the order in which they were given.
package struct Named<Part: ConfigurationSection>: Equatable, Sendable {
    package struct Entry: Equatable, Sendable {
        package let name: String
        package fileprivate(set) var part: Part
    }

    package private(set) var entries: [Entry] = []

    package init() {}

    package var isEmpty: Bool { entries.isEmpty }
    package var names: [String] { entries.map(\.name) }

    /// Nil when nothing has the name.
    package subscript(name: String) -> Part? { entries.first { $0.name == name }?.part }

    /// Stands for a name where none is given: in the documentation, and in the nearest known key.
    static var placeholder: String { "NAME" }

    /// Reads the whole mapping, or the part that `path` names. Null leaves no name.
    mutating func assign(_ path: ArraySlice<String>, _ node: Node, _ place: SettingPlace) throws {
        if let name = path.first { return try assign(name, path.dropFirst(), node, place, line: nil) }
        if node.isNull {
            entries = []
            return
        }
        guard let mapping = node.mapping else {
            throw place.error("\(place.key) must be a section of names, not \(node.shown)", line: node.mark?.line)
        }
        for (keyNode, value) in mapping {
            guard let name = keyNode.scalar?.string else {
                throw place.error("a name must be a word, not \(keyNode.shown)", line: keyNode.mark?.line)
            }
            try assign(name, [], value, place, line: keyNode.mark?.line)
        }
    }

    private mutating func assign(
        _ name: String, _ rest: ArraySlice<String>, _ node: Node, _ place: SettingPlace, line: Int?
    ) throws {
        // A name stands in dotted keys and in names of files.
        guard name.wholeMatch(of: /[A-Za-z0-9][A-Za-z0-9_-]*/) != nil else {
            throw place.error(
                "\(place.key): a name has letters, digits, _ and - and begins with one of the first two, not \"\(name)\"",
                line: line)
        }
        let index = entries.firstIndex { $0.name == name } ?? entries.count
        if index == entries.count { entries.append(Entry(name: name, part: Part())) }
        try entries[index].part.assign(rest, node, place.child(name, known: Self.placeholder))
    }

    func yaml(indentation: String) -> String {
        if entries.isEmpty { return "{}" }
        return entries.map { "\n" + indentation + $0.name + ":" + $0.part.yaml(indentation: indentation + "  ") }
            .joined()
    }

    func rows(prefix: String) -> [SettingRow] {
        if entries.isEmpty { return Part().rows(prefix: prefix + Self.placeholder + ".") }
        return entries.flatMap { $0.part.rows(prefix: prefix + $0.name + ".") }
    }
}

/// Two names, written `[a, b]`.
package struct NamePair: SettingValue, Equatable, Sendable {
    package let first: String
    package let second: String

    package init(_ first: String, _ second: String) { (self.first, self.second) = (first, second) }

    package static func kind(_ bounds: Bounds) -> String { "[name, name]" }
    package init?(node: Node) {
        guard let items = node.sequence.map(Array<Node>.init), items.count == 2,
            let first = String(node: items[0]), let second = String(node: items[1])
        else { return nil }
        self.init(first, second)
    }
    package var yaml: String { "[\(first.yaml), \(second.yaml)]" }
}
