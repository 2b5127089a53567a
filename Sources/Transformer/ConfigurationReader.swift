import Coding
import Diagnostics
import Foundation

/// Typed access to the keys of a config.json, with errors that name file and key.
struct ConfigurationReader {
    private let object: JSONValue
    private let file: String

    init(_ data: Data, file: String) throws {
        let bytes = [UInt8](data)
        let object: JSONValue
        do { object = try JSONParser.parse(file: bytes) } catch { throw error.error(in: file, bytes) }
        guard object.isObject else { throw RDOError(.artefact, "not a JSON object", at: file) }
        self.init(object, file)
    }

    private init(_ object: JSONValue, _ file: String) { (self.object, self.file) = (object, file) }

    func error(_ key: String, _ what: String, remedy: String? = nil) -> RDOError {
        RDOError(.artefact, "\(key) \(what)", at: file, remedy: remedy)
    }

    func has(_ key: String) -> Bool { object[key] != nil }

    /// Written as null rather than left out.
    func isNull(_ key: String) -> Bool {
        guard case .object(let members) = object,
            case .null? = members.last(where: { $0.key.elementsEqual(key.utf8) })?.value
        else { return false }
        return true
    }

    /// Nil when missing.
    private func value<Value>(_ key: String, _ kind: String, _ read: (JSONValue) -> Value?) throws -> Value? {
        guard let value = object[key] else { return nil }
        guard let result = read(value) else { throw error(key, "is not \(kind)") }
        return result
    }

    /// Nil when missing; the list's elements as `element` reads them.
    func list<Element>(_ key: String, of kind: String, _ element: (JSONValue) -> Element?) throws -> [Element]? {
        try value(key, "a list of \(kind)") { $0.elements(element) }
    }

    func object(_ key: String) throws -> ConfigurationReader? {
        try value(key, "an object") { $0.isObject ? ConfigurationReader($0, file) : nil }
    }

    /// What the file calls itself, for messages.
    var architecture: String? { object["architectures"]?.elements(\.text)?.first }

    func optionalText(_ key: String) throws -> String? { try value(key, "a text", \.text) }

    func text(_ key: String) throws -> String {
        guard let text = try optionalText(key) else { throw error(key, "is missing") }
        return text
    }

    func optionalNumber(_ key: String) throws -> Double? {
        try value(key, "a positive number") { $0.double.flatMap { $0 > 0 ? $0 : nil } }
    }

    func number(_ key: String, default fallback: Double? = nil) throws -> Double {
        guard let number = try optionalNumber(key) ?? fallback else { throw error(key, "is missing") }
        return number
    }

    /// A size: a whole number from 1 to 2³¹.
    func count(_ key: String, default fallback: Int? = nil) throws -> Int {
        guard let number = try optionalNumber(key) else {
            guard let fallback, fallback > 0 else { throw error(key, "is missing") }
            return fallback
        }
        guard number == number.rounded(), number >= 1, number < 2_147_483_648 else {
            throw error(key, "is \(number), not a whole number above 0")
        }
        return Int(number)
    }

    func flag(_ key: String, default fallback: Bool) throws -> Bool {
        try value(key, "true or false", \.bool) ?? fallback
    }

    /// A token id or a list of them; empty when missing.
    func ids(_ key: String) throws -> [Int32] {
        guard let value = object[key] else { return [] }
        return try (value.elements ?? [value]).map { item in
            guard let number = item.double, let id = Int32(exactly: number), id >= 0 else {
                throw error(key, "is not a token id")
            }
            return id
        }
    }
}
