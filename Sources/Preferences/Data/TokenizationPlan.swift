import Diagnostics

/// How texts become token ids. The one place that puts BOS and EOS.
///
/// Prompt ids are BOS? + ids(prompt text), response ids are ids(response text) + EOS; the two are tokenised separately,
/// so no token straddles their boundary. Nothing is padded.
package struct TokenizationPlan: Sendable {
    package let tokenizer: any Tokenizer
    package let template: PromptTemplate
    package let eosTokenID: Int32
    /// Nil when the tokenizer puts no BOS before a text.
    package let bosTokenID: Int32?
    /// Most tokens of a prompt and one response together; of a difference model's whole input.
    package let maxTokens: Int
    /// How many tokens a prompt keeps however long the responses are.
    ///
    /// By default half of `maxTokens`, and a third in the difference model's input, which holds two responses.
    package let maxPromptTokens: Int?
    package let overLong: OverLongPolicy
    /// How many tokens the model knows, where the tokenizer has more; nil where every token has its row.
    package let modelRows: Int?
    /// Responses are a policy's own, which may be empty or equal; those of preference data may not.
    private var readsPolicies = false

    /// The same plan for what policies answered.
    package var forPolicies: TokenizationPlan {
        var plan = self
        plan.readsPolicies = true
        return plan
    }

    /// - Throws: `RDOError.usage` when the limits leave no room.
    package init(
        tokenizer: any Tokenizer, template: PromptTemplate, eosTokenID: Int32, bosTokenID: Int32?, maxTokens: Int,
        maxPromptTokens: Int? = nil, overLong: OverLongPolicy = .reject, modelRows: Int? = nil
    ) throws {
        guard maxTokens >= 8 else {
            throw RDOError(
                .usage, "max_tokens is \(maxTokens)", remedy: "set it to the model's context length, at least 8")
        }
        if let maxPromptTokens, !(2...(maxTokens - 3)).contains(maxPromptTokens) {
            throw RDOError(
                .usage, "max_prompt_tokens is \(maxPromptTokens) with max_tokens \(maxTokens)",
                remedy: "set it between 2 and max_tokens - 3, so that a response fits beside the prompt")
        }
        (self.tokenizer, self.template) = (tokenizer, template)
        (self.eosTokenID, self.bosTokenID) = (eosTokenID, bosTokenID)
        (self.maxTokens, self.maxPromptTokens, self.overLong) = (maxTokens, maxPromptTokens, overLong)
        self.modelRows = modelRows.flatMap { $0 < tokenizer.vocabularySize ? $0 : nil }
    }

    /// - Throws: where and why the record cannot be used.
    package func example(of record: PreferenceRecord) throws(BadRow) -> TokenizedExample {
        do throws(RowError) { return try tokenized(record) } catch { throw BadRow(record, error) }
    }

    /// - Throws: where and why the difference model cannot use the record.
    package func differenceExample(of record: PreferenceRecord) throws(BadRow) -> DifferenceExample {
        do throws(RowError) { return try compared(record) } catch { throw BadRow(record, error) }
    }

    /// The ids of a query alone, cut at its beginning to `room` tokens.
    /// - Throws: where and why the record cannot be used.
    package func prompt(of record: PreferenceRecord, room: Int) throws(BadRow) -> (ids: [Int32], isTruncated: Bool) {
        do throws(RowError) {
            let ids = try promptIDs(template.prompt(of: record))
            let plan = TruncationPlan(
                promptCount: ids.count, longestResponse: maxTokens - room, maxTokens: maxTokens, promptFloor: 1)
            return (plan.cut(prompt: ids, keepingFirst: bosTokenID != nil), ids.count > plan.promptCount)
        } catch { throw BadRow(record, error) }
    }

    private func tokenized(_ record: PreferenceRecord) throws(RowError) -> TokenizedExample {
        let prompt = try promptIDs(template.prompt(of: record))
        var whole: [[Int32]] = []
        for response in record.responses {
            whole.append(try responseIDs(template.response(response, of: record), response, record))
        }
        let longest = whole.reduce(0) { max($0, $1.count + 1) }
        let plan = TruncationPlan(
            promptCount: prompt.count, longestResponse: longest, maxTokens: maxTokens,
            promptFloor: maxPromptTokens ?? maxTokens / 2)
        let isTruncated = whole.map { $0.count + 1 > plan.responseRoom }
        try checkLengths(isTruncated, longest, plan)
        let responses = zip(whole, isTruncated).map { ids, isTruncated in
            isTruncated ? Array(ids.prefix(plan.responseRoom)) : ids + [eosTokenID]
        }
        try checkDistinct(responses)
        return TokenizedExample(
            row: record.row, kind: record.kind, prompt: plan.cut(prompt: prompt, keepingFirst: bosTokenID != nil),
            responses: responses, truncatedResponses: isTruncated, isPromptTruncated: prompt.count > plan.promptCount,
            scores: record.scores, label: record.label, weight: record.weight, margin: record.margin,
            promptText: record.prompt, responseTexts: record.responses)
    }

    private func compared(_ record: PreferenceRecord) throws(RowError) -> DifferenceExample {
        let query = try promptIDs("Query: " + template.query(of: record))
        var asFirst: [[Int32]] = []
        var asSecond: [[Int32]] = []
        for response in record.responses {
            let text = try template.answer(response, of: record)
            asFirst.append(try responseIDs("; Response 1: " + text, response, record))
            asSecond.append(try responseIDs("; Response 2: " + text, response, record))
        }
        func longest(_ responses: [[Int32]]) -> Int { responses.reduce(0) { max($0, $1.count) } }
        let plan = TruncationPlan(
            promptCount: query.count, longestResponse: longest(asFirst) + longest(asSecond) + 1, maxTokens: maxTokens,
            promptFloor: maxPromptTokens ?? maxTokens / 3)
        // Any response may stand in either place or in both, so when not all fit, each gets half of the room.
        let fits = longest(asFirst) + longest(asSecond) + 1 <= plan.responseRoom
        let room = fits ? plan.responseRoom : (plan.responseRoom - 1) / 2
        let isTruncated = zip(asFirst, asSecond).map { max($0.count, $1.count) > room }
        try checkLengths(isTruncated, longest(asFirst) + longest(asSecond) + 1, plan)
        let (first, second) = (asFirst.map { Array($0.prefix(room)) }, asSecond.map { Array($0.prefix(room)) })
        try checkDistinct(first)
        try checkDistinct(second)
        return DifferenceExample(
            row: record.row, query: plan.cut(prompt: query, keepingFirst: bosTokenID != nil), asFirst: first,
            asSecond: second,
            truncatedResponses: isTruncated, isPromptTruncated: query.count > plan.promptCount)
    }

    /// The ids of a text.
    func ids(of text: String) throws(RowError) -> [Int32] {
        let ids: [Int32]
        do throws(RDOError) { ids = try tokenizer.encode(text) } catch { throw RowError("\(error)") }
        if let modelRows, let id = ids.first(where: { $0 >= modelRows }) {
            throw RowError(
                "the token \(tokenizer.spelling(of: id)?.quoted ?? "") has the id \(id), and the model has only "
                    + "\(modelRows) rows of tokens")
        }
        return ids
    }

    /// BOS? and the ids of a prompt's text.
    private func promptIDs(_ text: String) throws(RowError) -> [Int32] {
        let ids = try ids(of: text)
        if ids.isEmpty { throw RowError("the prompt has no tokens") }
        guard let bosTokenID else { return ids }
        if ids[0] == bosTokenID { throw RowError("the prompt's text begins with the BOS token") }
        return [bosTokenID] + ids
    }

    /// The ids of a response's text, without EOS.
    private func responseIDs(
        _ text: String, _ response: String, _ record: PreferenceRecord
    ) throws(RowError) -> [Int32] {
        let found = try ids(of: text)
        if found.isEmpty && !readsPolicies { throw RowError("a response has no tokens") }
        // Of several turns the template itself ends all but the last.
        let own = record.continuation(response) == nil ? found : try ids(of: response)
        if own.contains(eosTokenID) { throw RowError("a response's text contains the EOS token") }
        return found
    }

    private func checkLengths(_ isTruncated: [Bool], _ longest: Int, _ plan: TruncationPlan) throws(RowError) {
        if overLong == .reject && isTruncated.contains(true) {
            throw RowError(
                "\(TruncationPlan.responseTooLong) of \(maxTokens) tokens",
                detail: "\(longest) beside \(plan.promptCount) of the prompt")
        }
    }

    /// A pair whose responses are the same tokens says nothing, whatever the texts were.
    private func checkDistinct(_ responses: [[Int32]]) throws(RowError) {
        if readsPolicies { return }
        let areDistinct = responses.count == 2 ? responses[0] != responses[1] : Set(responses).count == responses.count
        guard areDistinct else {
            throw RowError("identical responses after tokenization")
        }
    }
}
