/// A JSON value whose strings are UTF-8 bytes and whose objects keep every member in file order.
///
/// Foundation's JSON gives dictionaries keyed by `String`, which takes canonically equivalent spellings ("é" composed
/// and decomposed) for the same key, and keeps one of two equal keys. A vocabulary holds both spellings, and a tensor
/// that is named twice must be noticed. A Boolean is no number here, nor a number a Boolean.
package enum JSONValue: Sendable {
    case null
    case bool(Bool)
    case integer(Int)
    case number(Double)
    case string([UInt8])
    case array([JSONValue])
    case object([(key: [UInt8], value: JSONValue)])

    /// For error messages.
    package var kind: String {
        switch self {
        case .null: "null"
        case .bool: "a boolean"
        case .integer, .number: "a number"
        case .string: "a string"
        case .array: "an array"
        case .object: "an object"
        }
    }

    /// The member `key`, the last of equal ones; nil when it is absent or null, or when this is not an object.
    package subscript(key: String) -> JSONValue? {
        guard case .object(let members) = self else { return nil }
        var key = key
        let place = key.withUTF8 { key in members.lastIndex { $0.key.hasSameBytes(as: key) } }
        guard let place else { return nil }
        if case .null = members[place].value { return nil }
        return members[place].value
    }

    package var isObject: Bool { if case .object = self { true } else { false } }

    /// Nil when this is not a string.
    package var text: String? {
        if case .string(let bytes) = self { String(decoding: bytes, as: UTF8.self) } else { nil }
    }

    /// Nil when this is not a Boolean.
    package var bool: Bool? { if case .bool(let bool) = self { bool } else { nil } }

    /// Nil when this is not a number, or not a finite one.
    package var double: Double? {
        switch self {
        case .integer(let integer): Double(integer)
        case .number(let number): number.isFinite ? number : nil
        default: nil
        }
    }

    /// Nil when this is not a number, or not a whole one; 2.0 is.
    package var integer: Int? {
        switch self {
        case .integer(let integer): integer
        case .number(let number): Int(exactly: number)
        default: nil
        }
    }

    /// Nil when this is not an array.
    package var elements: [JSONValue]? { if case .array(let elements) = self { elements } else { nil } }

    /// Nil when this is not an array, or `element` is nil for one of its elements.
    package func elements<Element>(_ element: (JSONValue) -> Element?) -> [Element]? {
        guard let elements else { return nil }
        let converted = elements.compactMap(element)
        return converted.count == elements.count ? converted : nil
    }
}
