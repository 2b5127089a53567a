import Diagnostics
import Tensors
import Transformer

/// Answers queries with a model, many at once. A query's prompt is read once for all of its responses; a response that ends
/// makes room for the next query's at the next step (continuous batching, Yu et al. 2022, Orca).
///
/// The same queries with the same settings give the same responses, whatever else the ranks do.
package struct Generator {
    let model: TransformerModel
    let parameters: any ParameterSource
    let decoding: Decoding
    let stop: StopCondition
    /// Responses that are carried along at once.
    let batch: Int
    /// Tokens of prompts that are read in one step, beside the responses, unless a single one is longer.
    private static let promptTokens = 2048

    /// Tokens that run through the model at once at most.
    package static func treeTokens(batch: Int, longestPrompt: Int) -> Int {
        max(batch, promptTokens, longestPrompt)
    }

    package init(
        model: TransformerModel, parameters: any ParameterSource, decoding: Decoding, stop: StopCondition, batch: Int
    ) {
        (self.model, self.parameters, self.decoding, self.stop) = (model, parameters, decoding, stop)
        self.batch = batch
    }

    private struct Answer {
        let index: Int
        let cache: KeyValueCache
        var search: any ResponseSearch
    }

    /// - Parameters:
    ///   - queries: each prompt has a token at least and room for the longest response.
    ///   - goesOn: whether any rank that shares the parameters has work left; asked before every step.
    /// - Returns: each query's responses.
    /// - Throws: what the parameters throw.
    package func responses(
        to queries: [GenerationQuery], goesOn: (_ hasWork: Bool) throws -> Bool = { $0 }
    ) throws -> [[GeneratedResponse]] {
        var results: [[GeneratedResponse]] = Array(repeating: [], count: queries.count)
        var waiting = queries.indices[...]
        var answers: [Answer] = []
        while try goesOn(!waiting.isEmpty || !answers.isEmpty) {
            answers += try begin(&waiting, queries, beside: answers.count)
            try advance(&answers)
            for answer in answers where answer.search.open.isEmpty { results[answer.index] = answer.search.responses }
            answers.removeAll { $0.search.open.isEmpty }
        }
        return results
    }

    /// Reads the prompts of the next queries, as far as there is room.
    private func begin(
        _ waiting: inout Range<Int>.SubSequence, _ queries: [GenerationQuery], beside count: Int
    ) throws -> [Answer] {
        var (own, tokens) = ([Int](), 0)
        while let next = waiting.first, own.isEmpty || tokens + queries[next].prompt.count <= Self.promptTokens,
            (count + own.count) * decoding.width < batch || count + own.count == 0
        {
            own.append(next)
            tokens += queries[next].prompt.count
            waiting.removeFirst()
        }
        let (caches, hidden) = try model.read(
            own.map { queries[$0].prompt }, room: decoding.width * min(decoding.maxTokens, 32), parameters: parameters)
        try check(hidden)
        var answers = zip(own, caches).map { Answer(index: $0, cache: $1, search: search(for: queries[$0])) }
        try model.forEachLogits(of: hidden, items: own.map { _ in 1 }, parameters: parameters) { index, logits in
            try answers[index].search.advance(logits)
        }
        return answers
    }

    /// The model reads the last token of every open response, and each search chooses the next ones.
    private func advance(_ answers: inout [Answer]) throws {
        for answer in answers.indices {
            for index in answers[answer].search.open.indices {
                answers[answer].search.open[index].rows.append(answers[answer].cache.addRow())
            }
        }
        let step = DecodingStep(
            answers.map { answer in
                let responses = answer.search.open.compactMap { response in
                    response.ids.last.map { DecodingStep.Response(token: $0, rows: response.rows[...]) }
                }
                return (answer.cache, responses)
            })
        let hidden = try model.advance(step, parameters: parameters)
        try check(hidden)
        let counts = answers.map(\.search.open.count)
        try model.forEachLogits(of: hidden, items: counts, parameters: parameters) { index, logits in
            if counts[index] > 0 { try answers[index].search.advance(logits) }
        }
    }

    /// A likeliest token could be found among numbers that are none.
    private func check(_ hidden: Matrix) throws {
        guard hidden.elements.allSatisfy(\.isFinite) else {
            throw RDOError(
                .numerical, "the model's hidden state is not finite", remedy: "check its weights and its config.json")
        }
    }

    private func search(for query: GenerationQuery) -> any ResponseSearch {
        switch decoding.strategy {
        case .greedy, .sample: IndependentResponses(query, decoding, stop)
        case .beam, .diverseBeam: BeamSearch(query, decoding, stop)
        }
    }
}
