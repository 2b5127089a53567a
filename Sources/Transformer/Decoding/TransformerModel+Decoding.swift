import Tensors

/// Answering queries token by token: `read` keeps the prompts' keys and values, `advance` adds a token to every response.
///
/// Both return the hidden state of each token that predicts the next one, `[rows, hidden]`, and are collective over the
/// ranks that share `parameters`: a rank without work passes none.
extension TransformerModel {
    /// - Parameters:
    ///   - prompts: at least one token each.
    ///   - room: rows that each cache has for responses at first.
    /// - Throws: what `parameters` throws.
    package func read(
        _ prompts: [[Int32]], room: Int, parameters: any ParameterSource
    ) throws -> (caches: [KeyValueCache], hidden: Matrix) {
        var forest = TokenForest()
        for prompt in prompts { forest.append(prompt) }
        let caches = prompts.map {
            KeyValueCache(configuration, promptCount: $0.count, rows: $0.count + room)
        }
        let output = try trunk(
            forest.tokens, seeing: PromptReading(forest: forest, caches: caches),
            rotary: RotaryTables(positions: forest.positions, configuration), parameters: parameters)
        let last = Matrix(rows: prompts.count, columns: output.columns)
        for (row, segment) in forest.segments.enumerated() {
            last.rows(row..<row + 1).copy(from: output.rows(segment.rows.upperBound - 1..<segment.rows.upperBound))
        }
        return (caches, last)
    }

    /// - Throws: what `parameters` throws.
    package func advance(_ step: DecodingStep, parameters: any ParameterSource) throws -> Matrix {
        try trunk(
            step.tokens, seeing: step, rotary: RotaryTables(positions: step.positions, configuration),
            parameters: parameters)
    }
}
