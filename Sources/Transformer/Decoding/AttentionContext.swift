import Tensors

/// What the tokens of a batch attend to.
protocol AttentionContext {
    /// - Parameters:
    ///   - qkv: `[tokens, attention.width]`, queries and keys already rotated.
    ///   - output: `[tokens, heads * headSize]`, written.
    ///   - logSumExp: `[tokens, heads]`, written where there will be a backward pass.
    func attend(_ attention: TreeAttention, _ qkv: Matrix, layer: Int, into output: Matrix, logSumExp: Matrix)
}

/// Each other, along the trees.
extension TokenForest: AttentionContext {
    func attend(_ attention: TreeAttention, _ qkv: Matrix, layer: Int, into output: Matrix, logSumExp: Matrix) {
        attention.forward(qkv, forest: self, into: output, logSumExp: logSumExp)
    }
}

/// Each other, and their keys and values are kept: the prompts of queries that are about to be answered.
struct PromptReading: AttentionContext {
    /// A root for each prompt.
    let forest: TokenForest
    let caches: [KeyValueCache]

    func attend(_ attention: TreeAttention, _ qkv: Matrix, layer: Int, into output: Matrix, logSumExp: Matrix) {
        forest.attend(attention, qkv, layer: layer, into: output, logSumExp: logSumExp)
        for (segment, cache) in zip(forest.segments, caches) {
            cache.keep(attention.keysAndValues(qkv).rows(segment.rows), layer: layer, at: 0)
        }
    }
}

/// The next token of every response that goes on, after what is kept of its query.
package struct DecodingStep: AttentionContext {
    package struct Response {
        package let token: Int32
        /// Rows of the cache that hold the response's tokens, the last of them for this one.
        package let rows: ArraySlice<Int32>

        package init(token: Int32, rows: ArraySlice<Int32>) { (self.token, self.rows) = (token, rows) }
    }

    package typealias Query = (cache: KeyValueCache, responses: [Response])

    let queries: [Query]

    package init(_ queries: [Query]) { self.queries = queries }

    var tokens: [Int32] { queries.flatMap { $0.responses.map(\.token) } }

    var positions: [Int] {
        queries.flatMap { query in query.responses.map { query.cache.promptCount + $0.rows.count - 1 } }
    }

    func attend(_ attention: TreeAttention, _ qkv: Matrix, layer: Int, into output: Matrix, logSumExp: Matrix) {
        let longest = (positions.max() ?? 0) + 1
        let shared = attention.heads / attention.keyValueHeads
        let scores = Matrix(rows: shared, columns: longest)
        let (queries, size) = (attention.queries(qkv), attention.headSize)
        let keysAndValues = attention.keysAndValues(qkv)
        var row = 0
        for (cache, responses) in self.queries {
            let first = row
            for response in responses {
                guard let place = response.rows.last else { preconditionFailure("a token needs a row of the cache") }
                cache.keep(keysAndValues.rows(row..<row + 1), layer: layer, at: Int(place))
                row += 1
            }
            let (keys, values) = (cache.keys(layer), cache.values(layer))
            for head in 0..<attention.keyValueHeads {
                let own = head * size..<(head + 1) * size
                let heads = head * shared * size..<(head + 1) * shared * size
                for (index, response) in responses.enumerated() {
                    let token = first + index..<first + index + 1
                    // Before the window nothing is seen.
                    let skipped = attention.window.map { max(0, cache.promptCount + response.rows.count - $0) } ?? 0
                    KeptAttention.forward(
                        queries.rows(token).columns(heads), keys: keys.columns(own), values: values.columns(own),
                        run: min(skipped, cache.promptCount)..<cache.promptCount,
                        named: response.rows.dropFirst(max(0, skipped - cache.promptCount)), scale: attention.scale,
                        scores: scores, into: output.rows(token).columns(heads))
                }
            }
        }
    }
}
