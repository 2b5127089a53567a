import Foundation
import Preferences
import Objectives
import Yams

/// A value that a configuration key can have: read from YAML, written back as YAML, described in the documentation.
protocol SettingValue {
    /// For messages and documentation: "integer", "one of a, b".
    static var kind: String { get }
    /// Nil when the node is of another kind.
    init?(node: Node)
    var yaml: String { get }
}

extension Int: SettingValue {
    static var kind: String { "integer" }
    init?(node: Node) {
        guard let scalar = node.scalar, scalar.style == .plain || scalar.style == .any, let value = Int(scalar.string)
        else { return nil }
        self = value
    }
    var yaml: String { String(self) }
}

extension Double: SettingValue {
    static var kind: String { "number" }
    init?(node: Node) {
        guard let scalar = node.scalar, scalar.style == .plain || scalar.style == .any,
            let value = Double(scalar.string), value.isFinite
        else { return nil }
        self = value
    }
    var yaml: String { String(self) }
}

extension Bool: SettingValue {
    static var kind: String { "true or false" }
    init?(node: Node) {
        switch node.scalar?.string {
        case "true": self = true
        case "false": self = false
        default: return nil
        }
    }
    var yaml: String { String(self) }
}

extension String: SettingValue {
    static var kind: String { "text" }
    init?(node: Node) {
        guard let scalar = node.scalar, !(scalar.style == .plain && ["null", "~", ""].contains(scalar.string)) else {
            return nil
        }
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
    static var kind: String { Wrapped.kind + " or null" }
    init?(node: Node) {
        if let scalar = node.scalar, scalar.style == .plain || scalar.style == .any,
            ["null", "~", ""].contains(scalar.string)
        {
            self = .none
            return
        }
        guard let value = Wrapped(node: node) else { return nil }
        self = value
    }
    var yaml: String { self?.yaml ?? "null" }
}

extension Array: SettingValue where Element: SettingValue {
    static var kind: String { "list of \(Element.kind), or one" }
    init?(node: Node) {
        guard let sequence = node.sequence else {
            guard let one = Element(node: node) else { return nil }
            self = [one]
            return
        }
        var values: [Element] = []
        for item in sequence {
            guard let value = Element(node: item) else { return nil }
            values.append(value)
        }
        self = values
    }
    var yaml: String { "[" + map(\.yaml).joined(separator: ", ") + "]" }
}

/// An enumeration spelled by its raw values.
protocol SettingChoice: SettingValue, CaseIterable, RawRepresentable where RawValue == String {}

extension SettingChoice {
    static var kind: String { "one of " + allCases.map(\.rawValue).joined(separator: ", ") }
    init?(node: Node) {
        guard let text = node.scalar?.string, let value = Self(rawValue: text) else { return nil }
        self = value
    }
    var yaml: String { rawValue }
}

extension PassName: SettingChoice {}
extension GatherMode: SettingChoice {}
extension ScheduleKind: SettingChoice {}
extension ScorerKind: SettingChoice {}
extension ScoredData: SettingChoice {}
extension SupervisedResponses: SettingChoice {}
extension ExportType: SettingChoice {}
extension DataFormat: SettingChoice {}
extension PromptTemplate: SettingChoice {}
extension BadRowPolicy: SettingChoice {}
extension OverLongPolicy: SettingChoice {}
extension Disagreement: SettingChoice {}
extension Denominator: SettingChoice {}
extension PairwiseVariant: SettingChoice {}
