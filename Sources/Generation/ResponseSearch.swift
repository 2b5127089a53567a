import Tensors

/// A response that is being made.
struct OpenResponse {
    var ids: [Int32] = []
    /// Rows of the query's cache that hold its tokens, but for the last one, which the model has not read yet.
    var rows: [Int32] = []
    /// Sum of its tokens' log-probabilities; of beams.
    var logProbability: Float = 0

    func adding(_ token: Int32) -> OpenResponse {
        var longer = self
        longer.ids.append(token)
        return longer
    }
}

/// The way from a query to its responses, a token at a time.
protocol ResponseSearch {
    /// What the model is to read next; at the start one empty response. Empty when the search is over.
    var open: [OpenResponse] { get set }
    /// In order, when the search is over.
    var responses: [GeneratedResponse] { get }

    /// - Parameter logits: of the next token of each open response, `[open.count, vocabulary]`; overwritten.
    /// - Throws: when the tokenizer cannot read what has been chosen.
    mutating func advance(_ logits: Matrix) throws
}

/// Responses that know nothing of each other: greedy or drawn.
struct IndependentResponses: ResponseSearch {
    var open = [OpenResponse()]
    /// Which response each open one is.
    private var numbers: [Int] = []
    private var finished: [GeneratedResponse?]
    private let (query, decoding, stop): (GenerationQuery, Decoding, StopCondition)
    private let chooser: TokenChooser

    init(_ query: GenerationQuery, _ decoding: Decoding, _ stop: StopCondition) {
        (self.query, self.decoding, self.stop) = (query, decoding, stop)
        chooser = TokenChooser(decoding: decoding)
        finished = Array(repeating: nil, count: decoding.responses)
    }

    var responses: [GeneratedResponse] { finished.compactMap { $0 } }

    mutating func advance(_ logits: Matrix) throws {
        if numbers.isEmpty {
            // All begin at the end of the prompt.
            let row = Matrix(rows: 1, columns: logits.columns)
            numbers = Array(finished.indices)
            open = numbers.map { number in
                row.copy(from: logits)
                return open[0].adding(token(row, after: [], number))
            }
        } else {
            for index in open.indices {
                open[index].ids.append(token(logits.rows(index..<index + 1), after: open[index].ids, numbers[index]))
            }
        }
        for (response, number) in zip(open, numbers) {
            finished[number] = try stop.end(of: response.ids).map { GeneratedResponse(ids: response.ids, end: $0) }
        }
        let left = open.indices.filter { finished[numbers[$0]] == nil }
        (open, numbers) = (left.map { open[$0] }, left.map { numbers[$0] })
    }

    private func token(_ row: Matrix, after ids: [Int32], _ number: Int) -> Int32 {
        chooser.penalizeRepetition(row, seen: [query.prompt, ids])
        guard decoding.strategy == .sample else { return chooser.likeliest(row) }
        // Seeded by query and response: whatever else is computed, here or on other ranks, changes nothing.
        let random = KeyedRandom(seed: decoding.seed, stream: UInt64(query.number) << 20 | UInt64(number))
        return chooser.drawn(row, uniform: random.uniform(at: UInt64(ids.count)))
    }
}
