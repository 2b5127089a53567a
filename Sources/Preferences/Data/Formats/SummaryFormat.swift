/// OpenAI's summarisation comparisons: `{info: {subreddit, title, post}, summaries: [{text}, {text}], choice}`.
///
/// The query is "SUBREDDIT: r/…", "TITLE: …", "POST: …" and "TL;DR:", blank lines between them.
enum SummaryFormat {
    static func parse(_ row: JSONRow) throws(RowError) -> PreferenceRecord {
        let info = try row.object("info")
        let (subreddit, title, post) = (
            try info.string("subreddit"), try info.string("title"), try info.string("post")
        )
        var summaries: [String] = []
        for summary in try row.objects("summaries") { summaries.append(try summary.string("text")) }
        guard summaries.count == 2 else { throw RowError("field \"summaries\" does not hold two summaries") }
        let choice = try row.integer("choice")
        guard summaries.indices.contains(choice) else { throw RowError("field \"choice\" is neither 0 nor 1") }
        if post.isBlank { throw RowError("empty prompt") }
        return try row.record(
            .pair, prompt: "SUBREDDIT: r/\(subreddit)\n\nTITLE: \(title)\n\nPOST: \(post)\n\nTL;DR:",
            responses: [summaries[choice], summaries[1 - choice]])
    }
}
