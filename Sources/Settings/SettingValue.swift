import Diagnostics
import Foundation
import Objectives
import Preferences
import Transformer
import Yams

/// A value that a configuration key can have: read from YAML, written back as YAML, described in the documentation.
package protocol SettingValue {
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
    package static func misfit(in node: Node) -> Node { node }
    package func isWithin(_ bounds: Bounds) -> Bool { true }
}

extension Int: SettingValue {
    package static func kind(_ bounds: Bounds) -> String { "integer" + (bounds.text.map { " " + $0 } ?? "") }
    /// 32 bits, so that no product of two settings overflows.
    package init?(node: Node) {
        guard let text = node.plain, let value = Int32(text) else { return nil }
        self = Int(value)
    }
    package func isWithin(_ bounds: Bounds) -> Bool { bounds.contains(Double(self)) }
    package var yaml: String { String(self) }
}

extension Double: SettingValue {
    package static func kind(_ bounds: Bounds) -> String { "number" + (bounds.text.map { " " + $0 } ?? "") }
    package init?(node: Node) {
        guard let text = node.plain, let value = Double(text), value.isFinite else { return nil }
        self = value
    }
    package func isWithin(_ bounds: Bounds) -> Bool { bounds.contains(self) }
    package var yaml: String { String(self) }
}

extension Bool: SettingValue {
    package static func kind(_ bounds: Bounds) -> String { "true or false" }
    package init?(node: Node) {
        guard let text = node.plain, let value = Bool(text) else { return nil }
        self = value
    }
    package var yaml: String { String(self) }
}

extension String: SettingValue {
    package static func kind(_ bounds: Bounds) -> String { "text" }
    package init?(node: Node) {
        guard let scalar = node.scalar, !node.isNull, !scalar.string.utf8.contains(0) else { return nil }
        self = scalar.string
    }
    package var yaml: String {
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
    package static func kind(_ bounds: Bounds) -> String { Wrapped.kind(bounds) + ", or null" }
    package init?(node: Node) {
        let value = node.isNull ? nil : Wrapped(node: node)
        guard value != nil || node.isNull else { return nil }
        self = value
    }
    package static func misfit(in node: Node) -> Node { Wrapped.misfit(in: node) }
    package func isWithin(_ bounds: Bounds) -> Bool { self?.isWithin(bounds) ?? true }
    package var yaml: String { self?.yaml ?? "null" }
}

extension Array: SettingValue where Element: SettingValue {
    package static func kind(_ bounds: Bounds) -> String { "\(Element.kind(bounds)), or a list of such" }
    /// A single value stands for a list of one.
    package init?(node: Node) {
        let items = node.sequence.map(Array<Node>.init) ?? [node]
        let values = items.compactMap(Element.init)
        guard values.count == items.count else { return nil }
        self = values
    }
    package static func misfit(in node: Node) -> Node { node.sequence?.first { Element(node: $0) == nil } ?? node }
    package var yaml: String { "[" + map(\.yaml).joined(separator: ", ") + "]" }
}

/// One of a few, spelled by its raw value.
package protocol SettingChoice: SettingValue, CaseIterable, RawRepresentable where RawValue == String {}

extension SettingChoice {
    package static func kind(_ bounds: Bounds) -> String {
        "one of " + allCases.map(\.rawValue).joined(separator: ", ")
    }
    package init?(node: Node) {
        guard let text = node.scalar?.string, let value = Self.allCases.first(where: { $0.rawValue == text })
        else { return nil }
        self = value
    }
    package var yaml: String { rawValue }
}

extension Projection: SettingChoice {}
extension DataFormat: SettingChoice {}
extension TemplateName: SettingChoice {}
extension TurnTemplate.SystemPlace: SettingChoice {}
extension BadRowPolicy: SettingChoice {}
extension OverLongPolicy: SettingChoice {}
extension Disagreement: SettingChoice {}
extension Denominator: SettingChoice {}
extension PairwiseLoss: SettingChoice {}
extension Combination: SettingChoice {}
extension LengthRule: SettingChoice {}
extension BaselineScope: SettingChoice {}
extension BaselinePairing: SettingChoice {}

extension Node {
    /// The text of a scalar without quotes; a default for a missing `--set` value has no style.
    fileprivate var plain: String? { scalar.flatMap { $0.style == .plain || $0.style == .any ? $0.string : nil } }

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
