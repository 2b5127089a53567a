/// Anthropic HH: `{chosen, rejected}`, whole dialogues "\n\nHuman: … \n\nAssistant: …".
///
/// The query is everything up to and including the last "\n\nAssistant:"; the response is the rest and keeps its leading
/// space. Where the two differ before that, the query ends with the last "\n\nAssistant:" that they share, and the responses
/// are all turns that follow.
enum DialogueFormat {
    static let assistantTurn = "\n\nAssistant:"
    static let humanTurn = "\n\nHuman:"

    static func parse(_ row: JSONRow) throws(RowError) -> PreferenceRecord {
        let texts = (chosen: try row.string("chosen"), rejected: try row.string("rejected"))
        let chosen = try split(texts.chosen, field: "chosen")
        let rejected = try split(texts.rejected, field: "rejected")
        if chosen.prompt.hasSameBytes(as: rejected.prompt) {
            return try row.record(.pair, prompt: chosen.prompt, responses: [chosen.response, rejected.response])
        }
        let shared = zip(texts.chosen.utf8, texts.rejected.utf8).prefix { $0 == $1 }.map(\.0)
        guard let end = endOfLast(Array(assistantTurn.utf8), in: shared) else {
            throw RowError("the prompts of chosen and rejected differ")
        }
        func after(_ text: String) -> String { String(decoding: text.utf8.dropFirst(end), as: UTF8.self) }
        var record = try row.record(
            .pair, prompt: String(decoding: shared[..<end], as: UTF8.self),
            responses: [after(texts.chosen), after(texts.rejected)])
        record.differsEarly = true
        return record
    }

    private static func split(_ dialogue: String, field: String) throws(RowError) -> (prompt: String, response: String)
    {
        guard let end = endOfLast(assistantTurn, in: dialogue) else {
            throw RowError("field \"\(field)\" has no assistant turn")
        }
        let response = String(dialogue[end...])
        guard endOfLast(humanTurn, in: response) == nil else {
            throw RowError("field \"\(field)\" does not end in an assistant turn")
        }
        return (String(dialogue[..<end]), response)
    }

    /// Where the last occurrence of `marker` (ASCII) ends, found byte by byte.
    private static func endOfLast(_ marker: String, in text: String) -> String.Index? {
        endOfLast(Array(marker.utf8), in: Array(text.utf8)).map { text.utf8.index(text.startIndex, offsetBy: $0) }
    }

    private static func endOfLast(_ pattern: [UInt8], in bytes: [UInt8]) -> Int? {
        guard bytes.count >= pattern.count else { return nil }
        for start in stride(from: bytes.count - pattern.count, through: 0, by: -1)
        where bytes[start..<(start + pattern.count)].elementsEqual(pattern) {
            return start + pattern.count
        }
        return nil
    }
}
