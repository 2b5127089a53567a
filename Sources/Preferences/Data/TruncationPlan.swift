/// What to do with a response that does not fit (`data.over_long`).
package enum OverLongPolicy: String, Sendable, CaseIterable {
    /// The row is bad: `data.on_error` says what becomes of it.
    case reject
    /// The response is cut at its end, gets no EOS and is flagged.
    case truncate
}

/// How one query's prompt and responses are cut to fit, decided once for all of its responses.
///
/// When the prompt and the longest response together exceed the limit, the prompt loses tokens at its beginning (BOS
/// stays) until they fit or the prompt is down to its floor. A response that exceeds the room then left is too long.
struct TruncationPlan: Equatable {
    static let responseTooLong = "response longer than the limit"

    /// Tokens of the prompt that stay, BOS included.
    let promptCount: Int
    /// Tokens left for a response, its EOS included.
    let responseRoom: Int

    /// - Parameters:
    ///   - promptCount: tokens of the whole prompt; `longestResponse`: of the longest response with its EOS.
    ///   - maxTokens: the limit for both together; `promptFloor`: how many tokens a prompt may always keep, at least
    ///     1 and below `maxTokens`.
    init(promptCount: Int, longestResponse: Int, maxTokens: Int, promptFloor: Int) {
        self.promptCount = min(promptCount, max(promptFloor, maxTokens - longestResponse))
        responseRoom = maxTokens - self.promptCount
    }

    /// The end of `prompt`, `promptCount` tokens in all; its first token stays when `keepingFirst`.
    func cut(prompt: [Int32], keepingFirst: Bool) -> [Int32] {
        guard prompt.count > promptCount else { return prompt }
        return keepingFirst ? [prompt[0]] + prompt.suffix(promptCount - 1) : Array(prompt.suffix(promptCount))
    }
}
