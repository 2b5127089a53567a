/// One record as token ids, ready for a token tree of prompt and responses.
package struct TokenizedExample: TokenizedRow, Equatable {
    /// Lines of all files before the record's.
    package var row: Int
    package var kind: PreferenceRecord.Kind
    /// BOS, when the tokenizer has one, and the prompt's ids; the same for all responses.
    package var prompt: [Int32]
    /// Ids of each response and EOS; without EOS when truncated.
    package var responses: [[Int32]]
    package var truncatedResponses: [Bool]
    /// The prompt lost tokens at its beginning.
    package var isPromptTruncated: Bool
    package var scores: [Double]?
    package var label: Bool?
    package var weight: Double?
    package var margin: Double?
    /// Where the two responses of a pair that was made from a list stand there.
    package var listPlaces: [Int]?
    /// The record's own texts, before the template.
    package var promptText: String
    package var responseTexts: [String]

    package init(
        row: Int, kind: PreferenceRecord.Kind, prompt: [Int32], responses: [[Int32]], truncatedResponses: [Bool],
        isPromptTruncated: Bool, scores: [Double]? = nil, label: Bool? = nil, weight: Double? = nil,
        margin: Double? = nil, promptText: String, responseTexts: [String]
    ) {
        (self.row, self.kind, self.prompt, self.responses) = (row, kind, prompt, responses)
        (self.truncatedResponses, self.isPromptTruncated) = (truncatedResponses, isPromptTruncated)
        (self.scores, self.label, self.weight, self.margin) = (scores, label, weight, margin)
        (self.promptText, self.responseTexts) = (promptText, responseTexts)
    }
}

/// One record as the difference model reads it: BOS? `Query: {x}` · `; Response 1: {a}` · `; Response 2: {b}` · EOS,
/// each segment tokenised by itself, for any a and b of its responses.
package struct DifferenceExample: TokenizedRow, Equatable {
    /// Lines of all files before the record's.
    package var row: Int
    /// BOS, when the tokenizer has one, and the ids of `Query: {x}`.
    package var query: [Int32]
    /// For each response the ids of `; Response 1: {y}`.
    package var asFirst: [[Int32]]
    /// For each response the ids of `; Response 2: {y}`, without the EOS that follows.
    package var asSecond: [[Int32]]
    /// The response was cut in one place or the other. EOS still follows: the difference is read there.
    package var truncatedResponses: [Bool]
    /// The query lost tokens at its beginning, `Query: ` among them.
    package var isPromptTruncated: Bool

    package init(
        row: Int, query: [Int32], asFirst: [[Int32]], asSecond: [[Int32]], truncatedResponses: [Bool],
        isPromptTruncated: Bool
    ) {
        (self.row, self.query, self.asFirst, self.asSecond) = (row, query, asFirst, asSecond)
        (self.truncatedResponses, self.isPromptTruncated) = (truncatedResponses, isPromptTruncated)
    }
}
