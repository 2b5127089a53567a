/// `{prompt, chosen, rejected}` as texts.
enum PairFormat {
    static func parse(_ row: JSONRow) throws(RowError) -> PreferenceRecord {
        try row.record(
            .pair, prompt: try row.string("prompt"),
            responses: [try row.string("chosen"), try row.string("rejected")])
    }
}
