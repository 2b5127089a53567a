import Transformer

/// The token tree of a prompt and its responses: what log-probabilities and pointwise rewards are computed on.
package enum ResponseTree {
    /// Appends the example's tree and returns the segment of each response, in order.
    package static func append(_ example: TokenizedExample, to forest: inout TokenForest) -> [Int] {
        let prompt = forest.append(example.prompt)
        return example.responses.map { forest.append($0, under: prompt) }
    }
}
