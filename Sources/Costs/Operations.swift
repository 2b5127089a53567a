import Transformer

/// What a leaf asks of a model, counted: its floating-point operations follow from it.
package struct OperationCounts: Sendable, Equatable {
    package var tokens = 0
    /// Pairs of a token and one it sees.
    package var attentionPairs = 0
    /// Rows at which the head runs.
    package var headRows = 0

    package init(tokens: Int = 0, attentionPairs: Int = 0, headRows: Int = 0) {
        (self.tokens, self.attentionPairs, self.headRows) = (tokens, attentionPairs, headRows)
    }

    package init(_ forest: TokenForest, headRows: Int) {
        self.headRows = headRows
        for segment in forest.segments {
            let count = segment.rows.count
            tokens += count
            attentionPairs += count * segment.position + count * (count + 1) / 2
        }
    }
}

/// Floating-point operations by the part of the model that does them.
package struct Operations: Sendable, Equatable {
    package var blocks: Double
    package var attention: Double
    package var head: Double

    package var total: Double { blocks + attention + head }
}

/// Floating-point operations of token trees, from the model's sizes. Costs of leaves, `mfu`, plans and rates all follow
/// from these rules.
package struct CostModel: Sendable {
    /// Operations of the forward pass for each token in the blocks' matrices.
    package let perToken: Double
    /// Operations for each pair of a query token and a token it sees, in all heads and blocks. A window is not looked at:
    /// blocks that see less cost less than this.
    package let perAttentionPair: Double
    /// Operations for each row that the head runs at.
    package let perHeadRow: Double

    package let head: HeadKind

    package init(_ configuration: ModelConfiguration, head: HeadKind) {
        let c = configuration
        self.head = head
        let attentionWeights = 2 * c.hiddenSize * c.headSize * (c.headCount + c.keyValueHeadCount)
        let weights = attentionWeights + 3 * c.hiddenSize * c.intermediateSize
        perToken = 2 * Double(weights * c.layerCount)
        perAttentionPair = 4 * Double(c.headCount * c.headSize * c.layerCount)
        perHeadRow = 2 * Double(c.hiddenSize) * (head == .languageModel ? Double(c.vocabularySize) : 1)
    }

    /// Operations of the forward pass: what leaves are balanced by.
    package func cost(of forest: TokenForest, headRows: Int) -> Double {
        forest.segments.reduce(perHeadRow * Double(headRows)) { sum, segment in
            let tokens = Double(segment.rows.count)
            let pairs = tokens * Double(segment.position) + tokens * (tokens + 1) / 2
            return sum + perToken * tokens + perAttentionPair * pairs
        }
    }

    package func forward(_ counts: OperationCounts) -> Operations {
        Operations(
            blocks: perToken * Double(counts.tokens), attention: perAttentionPair * Double(counts.attentionPairs),
            head: perHeadRow * Double(counts.headRows))
    }

    /// Forward and backward. What is done a second time to save memory (logits, recomputed blocks) is not in it.
    package func training(_ counts: OperationCounts, isAdapted: Bool) -> Operations {
        let (forward, factors) = (forward(counts), Self.trainingFactors(isAdapted: isAdapted))
        return Operations(
            blocks: factors.weights * forward.blocks, attention: factors.attention * forward.attention,
            head: factors.weights * forward.head)
    }

    /// Forward and backward over forward alone. Backward forms two products for each of the forward pass with weights,
    /// the gradients of inputs and of weights; of a frozen weight only the former. In attention it is five for two, as
    /// the scores are formed again. The adapters' own are not counted.
    package static func trainingFactors(isAdapted: Bool = false) -> (weights: Double, attention: Double) {
        (isAdapted ? 2 : 3, 3.5)
    }
}

extension ForestRequest {
    /// What a leaf of these trees asks of the model.
    package var counts: OperationCounts { OperationCounts(forest, headRows: headRows) }
}
