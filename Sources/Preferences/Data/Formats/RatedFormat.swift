/// Lists whose responses stand with their ratings: UltraFeedback's `{instruction, completions: [{response, overall_score}]}`,
/// Nectar's `{prompt, answers: [{answer, rank}]}` and NeMo-RL's `{context, completions: [{rank, completion}]}`. A rank's score
/// is its negative: greater is better.
enum RatedFormat {
    static func parse(_ row: JSONRow, _ format: DataFormat) throws(RowError) -> PreferenceRecord {
        switch format {
        case .ultrafeedback:
            return try list(row, prompt: row.string("instruction"), "completions") { object throws(RowError) in
                let name = object.has("overall_score") ? "overall_score" : "fine-grained_score"
                return (try object.string("response"), try object.number(name))
            }
        case .nectar:
            return try list(row, prompt: row.string("prompt"), "answers") { object throws(RowError) in
                (try object.string("answer"), -(try object.number("rank")))
            }
        default:
            let context = row.isArray("context") ? try ChatFormat.messages(row, "context") : nil
            let prompt = if let context { ChatFormat.text(of: context) } else { try row.string("context") }
            return try list(row, prompt: prompt, messages: context, "completions") { object throws(RowError) in
                let rank = try object.number("rank")
                guard object.isArray("completion") else { return (try object.string("completion"), -rank) }
                let messages = try ChatFormat.messages(object, "completion")
                guard messages.count == 1, messages[0].role == .assistant else {
                    throw RowError("field \"completions[].completion\" is not one assistant message")
                }
                return (messages[0].content, -rank)
            }
        }
    }

    private static func list(
        _ row: JSONRow, prompt: String, messages: [ChatMessage]? = nil, _ field: String,
        _ read: (JSONRow) throws(RowError) -> (response: String, score: Double)
    ) throws(RowError) -> PreferenceRecord {
        var (responses, scores) = ([String](), [Double]())
        for object in try row.objects(field) {
            let (response, score) = try read(object)
            responses.append(response)
            scores.append(score)
        }
        guard responses.count >= 2 else { throw RowError("fewer than two responses") }
        return try row.record(.list, prompt: prompt, messages: messages, responses: responses, scores: scores)
    }
}
