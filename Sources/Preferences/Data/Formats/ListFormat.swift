/// `{query or prompt, responses[], scores[]}`: two or more responses, a number for each, greater is better.
enum ListFormat {
    static func parse(_ row: JSONRow) throws(RowError) -> PreferenceRecord {
        let prompt = try row.string(row.has("query") ? "query" : "prompt")
        let (responses, scores) = (try row.strings("responses"), try row.numbers("scores"))
        guard responses.count == scores.count else { throw RowError("responses and scores differ in number") }
        guard responses.count >= 2 else { throw RowError("fewer than two responses") }
        return try row.record(.list, prompt: prompt, responses: responses, scores: scores)
    }
}
