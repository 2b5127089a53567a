import Foundation
import Objectives
import Preferences
import Transformer
import Yams

/// A value that a configuration key can have: read from YAML, written back as YAML, described in the documentation.
protocol SettingValue {
    /// For messages and documentation: "integer ≥ 1", "one of a, b".
    static func kind(_ bounds: Bounds) -> String
    /// Nil when the node is of another kind.
    init?(node: Node)
    /// The part of a node that `init` refuses.
    static func misfit(in node: Node) -> Node
    func isWithin(_ bounds: Bounds) -> Bool
    /// Read again, this gives an equal value.
    var yaml: String { get }
}

extension SettingValue {
    static func misfit(in node: Node) -> Node { node }
    func isWithin(_ bounds: Bounds) -> Bool { true }
}

extension Int: SettingValue {
    static func kind(_ bounds: Bounds) -> String { "integer" + (bounds.text.map { " " + $0 } ?? "") }
    /// 32 bits, so that no product of two settings overflows.
    init?(node: Node) {
        guard let text = node.plain, let value = Int32(text) else { return nil }
        self = Int(value)
    }
    func isWithin(_ bounds: Bounds) -> Bool { bounds.contains(Double(self)) }
    var yaml: String { String(self) }
}

extension Double: SettingValue {
    static func kind(_ bounds: Bounds) -> String { "number" + (bounds.text.map { " " + $0 } ?? "") }
    init?(node: Node) {
        guard let text = node.plain, let value = Double(text), value.isFinite else { return nil }
        self = value
    }
    func isWithin(_ bounds: Bounds) -> Bool { bounds.contains(self) }
    var yaml: String { String(self) }
}

extension Bool: SettingValue {
    static func kind(_ bounds: Bounds) -> String { "true or false" }
    init?(node: Node) {
        guard let text = node.plain, let value = Bool(text) else { return nil }
        self = value
    }
    var yaml: String { String(self) }
}

extension String: SettingValue {
    static func kind(_ bounds: Bounds) -> String { "text" }
    init?(node: Node) {
        guard let scalar = node.scalar, !node.isNull else { return nil }
        self = scalar.string
    }
    var yaml: String {
        let escaped = unicodeScalars.map { scalar in
            switch scalar {
            case "\\": "\\\\"
            case "\"": "\\\""
            // YAML's line breaks and characters that it does not allow unescaped.
            case "\0"..<" ", "\u{7F}"..."\u{A0}", "\u{2028}"..."\u{2029}", "\u{FEFF}", "\u{FFFE}"..."\u{FFFF}":
                "\\u" + String(format: "%04X", scalar.value)
            default: String(scalar)
            }
        }
        return "\"\(escaped.joined())\""
    }
}

extension Optional: SettingValue where Wrapped: SettingValue {
    static func kind(_ bounds: Bounds) -> String { Wrapped.kind(bounds) + ", or null" }
    init?(node: Node) {
        if node.isNull {
            self = .none
        } else {
            guard let value = Wrapped(node: node) else { return nil }
            self = value
        }
    }
    static func misfit(in node: Node) -> Node { Wrapped.misfit(in: node) }
    func isWithin(_ bounds: Bounds) -> Bool { self?.isWithin(bounds) ?? true }
    var yaml: String { self?.yaml ?? "null" }
}

extension Array: SettingValue where Element: SettingValue {
    static func kind(_ bounds: Bounds) -> String { "\(Element.kind(bounds)), or a list of such" }
    /// A single value stands for a list of one.
    init?(node: Node) {
        let items = node.sequence.map(Array<Node>.init) ?? [node]
        let values = items.compactMap(Element.init)
        guard values.count == items.count else { return nil }
        self = values
    }
    static func misfit(in node: Node) -> Node { node.sequence?.first { Element(node: $0) == nil } ?? node }
    var yaml: String { "[" + map(\.yaml).joined(separator: ", ") + "]" }
}

/// An enumeration spelled by its raw values.
protocol SettingChoice: SettingValue, CaseIterable, RawRepresentable where RawValue == String {}

extension SettingChoice {
    static func kind(_ bounds: Bounds) -> String { "one of " + allCases.map(\.rawValue).joined(separator: ", ") }
    init?(node: Node) {
        guard let text = node.scalar?.string, let value = Self(rawValue: text) else { return nil }
        self = value
    }
    var yaml: String { rawValue }
}

extension PassName: SettingChoice {}
extension GatherMode: SettingChoice {}
extension Recomputation: SettingChoice {}
extension FrozenWeights: SettingChoice {}
extension ScheduleKind: SettingChoice {}
extension ScorerKind: SettingChoice {}
extension ScoredData: SettingChoice {}
extension SupervisedResponses: SettingChoice {}
extension ExportType: SettingChoice {}
extension AdapterExport: SettingChoice {}
extension Projection: SettingChoice {}
extension DataFormat: SettingChoice {}
extension PromptTemplate: SettingChoice {}
extension BadRowPolicy: SettingChoice {}
extension OverLongPolicy: SettingChoice {}
extension Disagreement: SettingChoice {}
extension Denominator: SettingChoice {}
extension PairwiseVariant: SettingChoice {}
extension Combination: SettingChoice {}
extension LengthRule: SettingChoice {}
extension RankingSource: SettingChoice {}
extension WeightColumn: SettingChoice {}
extension BaselineScope: SettingChoice {}
extension BaselinePairing: SettingChoice {}

extension Node {
    /// The text of a scalar without quotes; a default for a missing `--set` value has no style.
    fileprivate var plain: String? {
        scalar.flatMap { $0.style == .plain || $0.style == .any ? $0.string : nil }
    }

    var isNull: Bool { plain.map { ["", "~", "null"].contains($0) } ?? false }

    /// For messages.
    var shown: String {
        switch self {
        case .scalar(let scalar): "\"\(scalar.string)\""
        case .sequence: "a list"
        case .mapping: "a section"
        case .alias: "an alias"
        }
    }
}
