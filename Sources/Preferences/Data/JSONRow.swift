import Coding
import Diagnostics

/// One row of a JSONL file with typed access to its fields.
struct JSONRow {
    private let fields: JSONValue
    /// Of the row itself; an object within it is not asked.
    let known: KnownFields
    private let file: String
    private let line: Int
    /// How messages name this object: "" for the row itself, "info." for the object under `info`.
    private let prefix: String
    /// What the file calls a field of the row itself, where it has another name for it.
    private let columns: [String: String]
}

extension JSONRow {
    init(_ line: LineReader.Line, _ file: String, _ rules: RowRules) throws(RowError) {
        guard !line.isTooLong else {
            throw RowError("a line of more than \(rules.maxBytes) bytes (data.max_row_bytes)")
        }
        let fields: JSONValue
        do {
            fields = try JSONParser.parse(file: line.bytes, allowsNonFinite: true)
        } catch {
            if error.isOfEncoding { throw RowError(error.what) }
            throw RowError("malformed JSON: \(error.what)", column: error.column)
        }
        guard case .object(let members) = fields else { throw RowError("not a JSON object") }
        let named = rules.columns.isEmpty ? members : Self.renamed(members, rules.columns)
        self.init(
            fields: .object(named), known: KnownFields(named), file: file, line: line.number, prefix: "",
            columns: rules.columns)
    }

    /// The members under the formats' names; one whose name another takes is out of sight.
    private static func renamed(
        _ members: [(key: [UInt8], value: JSONValue)], _ columns: [String: String]
    ) -> [(key: [UInt8], value: JSONValue)] {
        let known = Dictionary(columns.map { ($1, $0) }, uniquingKeysWith: { one, _ in one })
        return members.compactMap { key, value in
            let name = String(decoding: key, as: UTF8.self)
            if let known = known[name] { return (Array(known.utf8), value) }
            return columns[name] == nil ? (key, value) : nil
        }
    }

    private func part(_ fields: JSONValue, _ prefix: String) -> JSONRow {
        JSONRow(
            fields: fields, known: KnownFields([]), file: file, line: line, prefix: self.prefix + prefix, columns: [:])
    }

    /// Names of its fields, for messages; not more than a message holds.
    private var names: String {
        guard case .object(let members) = fields else { return "" }
        let names = members.prefix(12).map { String(decoding: $0.key, as: UTF8.self).shortened(to: 40) }
        return names.joined(separator: ", ") + (members.count > 12 ? ", …" : "")
    }

    var unrecognised: RowError { RowError("the row's fields (\(names)) \(DataFormat.unrecognised)") }

    func ambiguous(_ formats: [DataFormat]) -> RowError {
        RowError("the row's fields \(DataFormat.ambiguous): \(formats.map(\.rawValue).joined(separator: ", "))")
    }

    /// What this row says, with its place and its weight.
    ///
    /// - Parameter reads: fields with text that the format has read itself.
    func record(
        _ kind: PreferenceRecord.Kind, prompt: String, messages: [ChatMessage]? = nil, responses: [String],
        scores: [Double]? = nil, label: Bool? = nil, margin: Double? = nil, reads: Set<String> = []
    ) throws(RowError) -> PreferenceRecord {
        let weight = try weight()
        try refuseUnread(except: reads)
        let (prompt, messages) = try underSystem(prompt, messages, reads)
        if prompt.isBlank { throw RowError("empty prompt") }
        if responses.contains(where: \.isBlank) { throw RowError("empty response") }
        if Self.haveEqual(responses) { throw RowError("identical responses") }
        return PreferenceRecord(
            file: file, line: line, kind: kind, prompt: prompt, messages: messages, responses: responses,
            scores: scores, label: label, weight: weight, margin: kind == .pair ? margin ?? self.margin : nil)
    }

    private static func haveEqual(_ responses: [String]) -> Bool {
        if responses.count == 2 { return responses[0].hasSameBytes(as: responses[1]) }
        return Set(responses.map { UTF8Key($0.utf8) }).count < responses.count
    }

    /// Fields whose text changes what a response answers: to leave one out in silence would train on another question.
    private static let texts = ["history", "input", "tools", "tool_calls", "functions", "images", "videos", "audios"]
    private static let textBits = KnownFields.bits(of: texts)

    /// Fields with two ratings, the better response's first.
    private static let ratings = [("score_chosen", "score_rejected"), ("chosen_rating", "rejected_rating")]
    private static let ratingBits = KnownFields.bits(of: ratings.map(\.0))

    /// What rows of any format are asked.
    static var fieldNames: Set<String> {
        Set(texts + ratings.flatMap { [$0, $1] } + [Self.system, Self.weight, Self.margin])
    }

    private static let system = "system"
    private static let weight = "weight"
    private static let margin = "margin"
    private static let systemBit = KnownFields.bits(of: [system])
    private static let weightBit = KnownFields.bits(of: [weight])
    private static let marginBit = KnownFields.bits(of: [margin])

    private func refuseUnread(except read: Set<String>) throws(RowError) {
        guard known.all & Self.textBits != 0 else { return }
        for name in Self.texts where !read.contains(name) && fields[name].map(\.isBlank) == false {
            throw RowError("field \"\(name)\" has a content that is not read in this format")
        }
    }

    /// The query after the row's `system`, which makes it a chat.
    private func underSystem(
        _ prompt: String, _ messages: [ChatMessage]?, _ read: Set<String>
    ) throws(RowError) -> (String, [ChatMessage]?) {
        guard known.all & Self.systemBit != 0, !read.contains(Self.system) else { return (prompt, messages) }
        let system = try string(Self.system)
        if system.isBlank { return (prompt, messages) }
        let turns = messages ?? [ChatMessage(role: .user, content: prompt)]
        if let first = turns.first, first.role == .system {
            guard first.content.hasSameBytes(as: system) else {
                throw RowError("field \"system\" is not the system message of the chat")
            }
            return (prompt, messages)
        }
        let chat = [ChatMessage(role: .system, content: system)] + turns
        return (ChatFormat.text(of: chat), chat)
    }

    /// How much better the chosen response is, where the row says so: what is no number says nothing.
    private var margin: Double? {
        if known.all & Self.marginBit != 0 { return fields[Self.margin]?.double }
        guard known.all & Self.ratingBits != 0 else { return nil }
        for (chosen, rejected) in Self.ratings {
            if let better = fields[chosen]?.double, let worse = fields[rejected]?.double { return better - worse }
        }
        return nil
    }

    /// A null counts as absent.
    func has(_ name: String) -> Bool { fields[name] != nil }

    func isArray(_ name: String) -> Bool { fields[name]?.elements != nil }

    func isObject(_ name: String) -> Bool { fields[name]?.isObject == true }

    func string(_ name: String) throws(RowError) -> String { try value(name, "a string", \.text) }

    func strings(_ name: String) throws(RowError) -> [String] {
        try value(name, "an array of strings") { $0.elements(\.text) }
    }

    func stringLists(_ name: String) throws(RowError) -> [[String]] {
        try value(name, "an array of arrays of strings") { $0.elements { $0.elements(\.text) } }
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

    /// A label, which some write as 0 or 1.
    func bool(_ name: String) throws(RowError) -> Bool {
        try value(name, "true or false, 1 or 0") { value in
            if let bool = value.bool { return bool }
            return value.integer.flatMap { (0...1).contains($0) ? $0 == 1 : nil }
        }
    }

    func number(_ name: String) throws(RowError) -> Double { try value(name, "a number", \.double) }

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
        guard known.all & Self.weightBit != 0 else { return nil }
        return try value(Self.weight, "a number of at least 0") { value in value.double.flatMap { $0 >= 0 ? $0 : nil } }
    }

    private func value<Value>(
        _ name: String, _ expected: String, _ convert: (JSONValue) -> Value?
    ) throws(RowError) -> Value {
        var own: String { prefix + (columns[name] ?? name) }
        guard let raw = fields[name] else { throw RowError("missing field \"\(own)\"") }
        guard let value = convert(raw) else { throw RowError("field \"\(own)\" is not \(expected)") }
        return value
    }

    private static func object(_ value: JSONValue) -> JSONValue? { value.isObject ? value : nil }
}

extension JSONValue {
    /// Nothing that anybody could read.
    fileprivate var isBlank: Bool {
        switch self {
        case .null: true
        case .string: text?.isBlank ?? true
        case .array(let elements): elements.allSatisfy(\.isBlank)
        case .object(let members): members.isEmpty
        default: false
        }
    }
}
