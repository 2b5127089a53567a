/// `{system, question, chosen, rejected}`: a question with two answers, asked under a system message where it has one.
enum QuestionFormat {
    static func parse(_ row: JSONRow) throws(RowError) -> PreferenceRecord {
        let question = try row.string("question")
        let system = row.has("system") ? try row.string("system") : ""
        let messages = [ChatMessage(role: .system, content: system), ChatMessage(role: .user, content: question)]
        return try row.record(
            .pair, prompt: system.isBlank ? question : ChatFormat.text(of: messages),
            messages: system.isBlank ? nil : messages,
            responses: [try row.string("chosen"), try row.string("rejected")])
    }
}
