import Transformer

/// What a leaf asks of a model, counted: its floating-point operations follow from it.
package struct OperationCounts: Sendable, Equatable {
    package var tokens = 0
    /// Pairs of a token and one it sees.
    package var attentionPairs = 0
    /// Rows at which the head runs.
    package var headRows = 0

    package init(tokens: Int = 0, attentionPairs: Int = 0, headRows: Int = 0) {
        self.tokens = tokens
        self.attentionPairs = attentionPairs
        self.headRows = headRows
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
