import Coding

/// One row of a JSONL file with typed access to its fields.
struct JSONRow {
    private let fields: JSONValue
    private let file: String
    private let line: Int
    /// How messages name this object: "" for the row itself, "info." for the object under `info`.
    private let prefix: String
}

extension JSONRow {
    /// - Parameter file: the line's.
    init(_ line: LineReader.Line, file: String) throws(RowError) {
        let fields: JSONValue
        do {
            fields = try JSONParser.parse(file: line.bytes)
        } catch {
            throw RowError(error.what == JSONSyntaxError.encoding ? error.what : "malformed JSON")
        }
        guard fields.isObject else { throw RowError("not a JSON object") }
        self.init(fields: fields, file: file, line: line.number, prefix: "")
    }

    private func part(_ fields: JSONValue, _ prefix: String) -> JSONRow {
        JSONRow(fields: fields, file: file, line: line, prefix: self.prefix + prefix)
    }

    /// What this row says, with its place and its weight.
    func record(
        _ kind: PreferenceRecord.Kind, prompt: String, messages: [ChatMessage]? = nil, responses: [String],
        scores: [Double]? = nil, label: Bool? = nil
    ) throws(RowError) -> PreferenceRecord {
        let weight = try weight()
        if prompt.isBlank { throw RowError("empty prompt") }
        if responses.contains(where: \.isBlank) { throw RowError("empty response") }
        if Set(responses.map { UTF8Key($0.utf8) }).count < responses.count { throw RowError("identical responses") }
        return PreferenceRecord(
            file: file, line: line, kind: kind, prompt: prompt, messages: messages, responses: responses,
            scores: scores, label: label, weight: weight)
    }

    /// A null counts as absent.
    func has(_ name: String) -> Bool { fields[name] != nil }

    func isArray(_ name: String) -> Bool { fields[name]?.elements != nil }

    func string(_ name: String) throws(RowError) -> String { try value(name, "a string", \.text) }

    func strings(_ name: String) throws(RowError) -> [String] {
        try value(name, "an array of strings") { $0.elements(\.text) }
    }

    func stringsOrNulls(_ name: String) throws(RowError) -> [String?] {
        try value(name, "an array of strings or nulls") { value in
            value.elements { element -> String?? in
                if case .null = element { return .some(nil) }
                return element.text.map { .some($0) }
            }
        }
    }

    func integer(_ name: String) throws(RowError) -> Int { try value(name, "an integer", \.integer) }

    func bool(_ name: String) throws(RowError) -> Bool { try value(name, "true or false", \.bool) }

    func numbers(_ name: String) throws(RowError) -> [Double] {
        try value(name, "an array of numbers") { $0.elements(\.double) }
    }

    func object(_ name: String) throws(RowError) -> JSONRow {
        part(try value(name, "an object", Self.object), "\(name).")
    }

    func objects(_ name: String) throws(RowError) -> [JSONRow] {
        try value(name, "an array of objects") { $0.elements(Self.object) }.map { part($0, "\(name)[].") }
    }

    /// The optional weight of a row: a number that is not negative.
    private func weight() throws(RowError) -> Double? {
        guard has("weight") else { return nil }
        return try value("weight", "a number of at least 0") { value in value.double.flatMap { $0 >= 0 ? $0 : nil } }
    }

    private func value<Value>(
        _ name: String, _ expected: String, _ convert: (JSONValue) -> Value?
    ) throws(RowError) -> Value {
        guard let raw = fields[name] else { throw RowError("missing field \"\(prefix)\(name)\"") }
        guard let value = convert(raw) else { throw RowError("field \"\(prefix)\(name)\" is not \(expected)") }
        return value
    }

    private static func object(_ value: JSONValue) -> JSONValue? { value.isObject ? value : nil }
}
