/// Anthropic HH: `{chosen, rejected}`, whole dialogues "\n\nHuman: … \n\nAssistant: …".
///
/// The query is everything up to and including the last "\n\nAssistant:", which must be the same in both; the response
/// is the rest and keeps its leading space.
enum DialogueFormat {
    static let assistantTurn = "\n\nAssistant:"
    static let humanTurn = "\n\nHuman:"

    static func parse(_ row: JSONRow) throws(RowError) -> PreferenceRecord {
        let chosen = try split(try row.string("chosen"), field: "chosen")
        let rejected = try split(try row.string("rejected"), field: "rejected")
        guard chosen.prompt.hasSameBytes(as: rejected.prompt) else {
            throw RowError("the prompts of chosen and rejected differ")
        }
        return try row.record(.pair, prompt: chosen.prompt, responses: [chosen.response, rejected.response])
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
        let (bytes, pattern) = (Array(text.utf8), Array(marker.utf8))
        guard bytes.count >= pattern.count else { return nil }
        for start in stride(from: bytes.count - pattern.count, through: 0, by: -1)
        where bytes[start..<(start + pattern.count)].elementsEqual(pattern) {
            return text.utf8.index(text.startIndex, offsetBy: start + pattern.count)
        }
        return nil
    }
}
