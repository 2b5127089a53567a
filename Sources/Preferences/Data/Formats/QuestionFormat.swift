/// `{system, question, chosen, rejected}`: a question with two answers, asked under a system message where it has one.
enum QuestionFormat {
    static func parse(_ row: JSONRow) throws(RowError) -> PreferenceRecord {
        try row.record(
            .pair, prompt: try row.string("question"),
            responses: [try row.string("chosen"), try row.string("rejected")])
    }
}
