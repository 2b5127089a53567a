/// Two responses in an order that says nothing, and a judgement: HelpSteer2's and HelpSteer3's preferences, PKU-SafeRLHF,
/// Stanford Human Preferences. HelpSteer's strength of a preference is the margin.
enum JudgedPairFormat {
    static func parse(_ row: JSONRow, _ format: DataFormat) throws(RowError) -> PreferenceRecord {
        switch format {
        case .helpsteer2:
            return try strength(row, "preference_strength", prompt: row.string("prompt"), "response_1", "response_2")
        case .helpsteer3:
            let context = row.isArray("context") ? try ChatFormat.messages(row, "context") : nil
            let prompt = if let context { ChatFormat.text(of: context) } else { try row.string("context") }
            return try strength(
                row, "overall_preference", prompt: prompt, messages: context, "response1", "response2")
        case .saferlhf:
            let better = try row.integer("better_response_id")
            guard (0...1).contains(better) else { throw RowError("field \"better_response_id\" is neither 0 nor 1") }
            return try pair(row, row.string("prompt"), "response_0", "response_1", firstIsBetter: better == 0)
        default:
            return try pair(
                row, row.string("history"), "human_ref_A", "human_ref_B", firstIsBetter: row.bool("labels"),
                reads: ["history"])
        }
    }

    /// Positive for the second response; 0 is a tie, of which nothing can be learned.
    private static func strength(
        _ row: JSONRow, _ field: String, prompt: String, messages: [ChatMessage]? = nil, _ first: String,
        _ second: String
    ) throws(RowError) -> PreferenceRecord {
        let strength = try row.number(field)
        guard strength != 0 else { throw RowError("field \"\(field)\" is 0: neither response is preferred") }
        return try pair(
            row, prompt, messages: messages, first, second, firstIsBetter: strength < 0, margin: abs(strength))
    }

    private static func pair(
        _ row: JSONRow, _ prompt: String, messages: [ChatMessage]? = nil, _ first: String, _ second: String,
        firstIsBetter: Bool, margin: Double? = nil, reads: Set<String> = []
    ) throws(RowError) -> PreferenceRecord {
        let responses = [try row.string(first), try row.string(second)]
        return try row.record(
            .pair, prompt: prompt, messages: messages, responses: firstIsBetter ? responses : responses.reversed(),
            margin: margin, reads: reads)
    }
}
