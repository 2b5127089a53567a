import Transformer

/// Forward floating-point operations of token trees, from the model's sizes; backward is proportional.
package struct CostModel: Sendable {
    /// Operations for each token in the blocks' matrices.
    package let perToken: Double
    /// Operations for each pair of a query token and a token it sees, in all heads and blocks.
    package let perAttentionPair: Double
    /// Operations for each row that the head runs at.
    package let perHeadRow: Double

    private let head: HeadKind

    package init(_ configuration: ModelConfiguration, head: HeadKind) {
        let c = configuration
        self.head = head
        let attentionWeights = 2 * c.hiddenSize * c.headSize * (c.headCount + c.keyValueHeadCount)
        let weights = attentionWeights + 3 * c.hiddenSize * c.intermediateSize
        perToken = 2 * Double(weights * c.layerCount)
        perAttentionPair = 4 * Double(c.headCount * c.headSize * c.layerCount)
        perHeadRow = 2 * Double(c.hiddenSize) * (head == .languageModel ? Double(c.vocabularySize) : 1)
    }

    /// Prompt and responses. The vocabulary head runs at every response token, the scalar head once for each response.
    package func cost(of example: TokenizedExample) -> Double {
        var forest = TokenForest()
        let segments = ResponseTree.append(example, to: &forest)
        let tokens = segments.reduce(0) { $0 + forest.segments[$1].rows.count }
        return cost(of: forest, headRows: head == .languageModel ? tokens : segments.count)
    }

    /// The training tree of a pair, with the chosen response first and duplicated.
    package func cost(of example: DifferenceExample) -> Double {
        var forest = TokenForest()
        _ = DifferenceTree.append(example, swap: false, duplicated: 0, eos: 0, to: &forest)
        return cost(of: forest, headRows: 3)
    }

    func cost(of forest: TokenForest, headRows: Int) -> Double {
        forest.segments.reduce(perHeadRow * Double(headRows)) { sum, segment in
            let tokens = Double(segment.rows.count)
            let pairs = tokens * Double(segment.position) + tokens * (tokens + 1) / 2
            return sum + perToken * tokens + perAttentionPair * pairs
        }
    }
}
