import Foundation

/// One row of a JSONL file with typed access to its fields.
struct JSONRow {
    private let fields: [String: Any]
    /// How messages name this object: "" for the row itself, "info." for the object under `info`.
    private let prefix: String

    init(_ line: LineReader.Line) throws(RowError) {
        guard line.text != nil else { throw RowError("not valid UTF-8") }
        guard let value = try? JSONSerialization.jsonObject(with: Data(line.bytes), options: [.fragmentsAllowed]) else {
            throw RowError("malformed JSON")
        }
        guard let fields = value as? [String: Any] else { throw RowError("not a JSON object") }
        self.init(fields: fields, prefix: "")
    }

    private init(fields: [String: Any], prefix: String) {
        self.fields = fields
        self.prefix = prefix
    }

    /// A null counts as absent.
    func has(_ name: String) -> Bool { fields[name].map { !($0 is NSNull) } ?? false }

    func isArray(_ name: String) -> Bool { fields[name] is [Any] }

    func string(_ name: String) throws(RowError) -> String { try value(name, "a string") { $0 as? String } }

    func strings(_ name: String) throws(RowError) -> [String] {
        try value(name, "an array of strings") { $0 as? [String] }
    }

    func integer(_ name: String) throws(RowError) -> Int { try value(name, "an integer") { Self.number($0) as? Int } }

    func bool(_ name: String) throws(RowError) -> Bool {
        try value(name, "true or false") { Self.isBool($0) ? $0 as? Bool : nil }
    }

    func numbers(_ name: String) throws(RowError) -> [Double] {
        try value(name, "an array of numbers") { value in
            guard let elements = value as? [Any] else { return nil }
            let numbers = elements.compactMap { Self.number($0)?.doubleValue }
            return numbers.count == elements.count && numbers.allSatisfy(\.isFinite) ? numbers : nil
        }
    }

    func object(_ name: String) throws(RowError) -> JSONRow {
        let fields = try value(name, "an object") { $0 as? [String: Any] }
        return JSONRow(fields: fields, prefix: "\(prefix)\(name).")
    }

    func objects(_ name: String) throws(RowError) -> [JSONRow] {
        let objects = try value(name, "an array of objects") { $0 as? [[String: Any]] }
        return objects.map { JSONRow(fields: $0, prefix: "\(prefix)\(name)[].") }
    }

    /// The optional weight of a row: a number that is not negative.
    func weight() throws(RowError) -> Double? {
        guard has("weight") else { return nil }
        return try value("weight", "a number of at least 0") { value in
            Self.number(value).map(\.doubleValue).flatMap { $0.isFinite && $0 >= 0 ? $0 : nil }
        }
    }

    private func value<Value>(_ name: String, _ expected: String, _ convert: (Any) -> Value?) throws(RowError) -> Value
    {
        guard has(name), let raw = fields[name] else { throw RowError("missing field \"\(prefix)\(name)\"") }
        guard let value = convert(raw) else { throw RowError("field \"\(prefix)\(name)\" is not \(expected)") }
        return value
    }

    /// Foundation converts between true and 1 on its own; data that says one for the other is wrong.
    private static func isBool(_ value: Any) -> Bool {
        (value as? NSNumber).map { String(cString: $0.objCType) == "c" } ?? false
    }

    private static func number(_ value: Any) -> NSNumber? { isBool(value) ? nil : value as? NSNumber }
}
