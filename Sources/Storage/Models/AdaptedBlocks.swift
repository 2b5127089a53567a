import Coding
import Preferences

/// The blocks that an adapter changes: `layers_to_transform` and `layers_pattern` of an adapter_config.json.
struct AdaptedBlocks: Equatable, Sendable {
    static let all = AdaptedBlocks(indices: nil, names: [], expressions: [])

    /// Nil for all.
    private let indices: Set<Int>?
    /// What the list of blocks is called, as regular expressions; empty for whatever it is called.
    private let names: [String]
    private let expressions: [RegularExpression]

    private init(indices: Set<Int>?, names: [String], expressions: [RegularExpression]) {
        (self.indices, self.names, self.expressions) = (indices, names, expressions)
    }

    /// - Throws: what `bad` makes of values of another kind.
    init(_ object: JSONValue, _ bad: AdapterConfiguration.Complaint) throws {
        guard let value = object["layers_to_transform"], value.elements?.isEmpty != true else { self = .all; return }
        guard let indices = value.integer.map({ [$0] }) ?? value.elements(\.integer) else {
            throw bad("layers_to_transform is neither a number nor a list of numbers", nil)
        }
        let names = object["layers_pattern"].map { $0.text.map { [$0] } ?? $0.elements(\.text) } ?? []
        guard let names = names?.filter({ !$0.isEmpty }) else {
            throw bad("layers_pattern is neither a name nor a list of names", nil)
        }
        let expressions = try names.map { name in
            try AdapterConfiguration.expression("(?:^|.*?\\.)\(name)\\.(\\d+)\\.", of: name, in: "layers_pattern", bad)
        }
        self.init(indices: Set(indices), names: names, expressions: expressions)
    }

    /// - Parameter module: the name of a module of the block, in which no other number stands.
    /// - Throws: `RegularExpression.PatternError` when a match takes too many steps.
    func contains(_ block: Int, of module: String) throws -> Bool {
        guard let indices else { return true }
        return try indices.contains(block) && (names.isEmpty || expressions.contains { try $0.matches(module) })
    }

    static func == (one: AdaptedBlocks, other: AdaptedBlocks) -> Bool {
        one.indices == other.indices && one.names == other.names
    }
}
