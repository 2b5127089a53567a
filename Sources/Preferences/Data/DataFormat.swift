/// How rows of preference data are laid out (`data.format`).
package enum DataFormat: String, Sendable, Codable, CaseIterable {
    /// Decided for each file from the keys of its first row that has known ones.
    case auto
    /// `{prompt, chosen, rejected}`.
    case pairs
    /// Anthropic HH: `{chosen, rejected}`, two whole dialogues that differ in the last assistant turn.
    case hh
    /// `{prompt, response, chosen, rejected}`: `response` repeats one of the others and is not read.
    case dahoas
    /// OpenAI summarisation comparisons: `{info: {subreddit, title, post}, summaries: [{text}, {text}], choice}`.
    case tldr
    /// `{chosen, rejected}` as arrays of `{role, content}`, with an optional `prompt` (an array or a text).
    case messages
    /// `{query or prompt, responses[]}` and, where they are scored, `scores[]`.
    case lists
    /// `{prompt, completion, label}`; prompt and completion may be arrays of `{role, content}`.
    case kto
    /// `{question, chosen, rejected}` and, where there is one, `system`, as in Orca's DPO pairs.
    case questions

    static let unrecognised = "the row's fields fit no known data format"
    static var named: String { allCases.filter { $0 != .auto }.map(\.rawValue).joined(separator: ", ") }

    /// The format whose keys `row` has; nil when it has those of none.
    static func detect(_ row: JSONRow) -> DataFormat? {
        func has(_ names: String...) -> Bool { names.allSatisfy { row.has($0) } }
        if has("completion", "label") { return .kto }
        if has("responses") { return .lists }
        if has("summaries", "choice") { return .tldr }
        guard has("chosen", "rejected") else { return nil }
        if row.isArray("chosen") { return .messages }
        if has("question") && !has("prompt") { return .questions }
        guard has("prompt") else { return .hh }
        return has("response") ? .dahoas : .pairs
    }

    /// Reads one row.
    func parse(_ row: JSONRow) throws(RowError) -> PreferenceRecord {
        switch self {
        case .auto: preconditionFailure("the format must be decided before rows are read")
        case .pairs, .dahoas: try PairFormat.parse(row)
        case .hh: try DialogueFormat.parse(row)
        case .tldr: try SummaryFormat.parse(row)
        case .messages: try ChatFormat.parse(row)
        case .questions: try QuestionFormat.parse(row)
        case .lists: try ListFormat.parse(row)
        case .kto: try UnpairedFormat.parse(row)
        }
    }
}

/// Comparisons byte by byte: Swift's own take "é" in two encodings for equal and "\r\n" for one character.
extension String {
    func hasSameBytes(as other: String) -> Bool { utf8.elementsEqual(other.utf8) }

    func hasByteSuffix(_ suffix: String) -> Bool { utf8.suffix(suffix.utf8.count).elementsEqual(suffix.utf8) }

    func hasBytePrefix(_ prefix: String) -> Bool { utf8.starts(with: prefix.utf8) }

    /// Nothing but white space.
    var isBlank: Bool { unicodeScalars.allSatisfy(\.properties.isWhitespace) }
}
