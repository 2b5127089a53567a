import Transformer

/// What a leaf asks of a model, counted: its floating-point operations follow from it.
public struct OperationCounts: Sendable, Equatable {
    public var tokens = 0
    /// Pairs of a token and one it sees.
    public var attentionPairs = 0
    /// Rows at which the head runs.
    public var headRows = 0

    public init(tokens: Int = 0, attentionPairs: Int = 0, headRows: Int = 0) {
        self.tokens = tokens
        self.attentionPairs = attentionPairs
        self.headRows = headRows
    }

    public init(_ forest: TokenForest, headRows: Int) {
        self.headRows = headRows
        for segment in forest.segments {
            let count = segment.rows.count
            tokens += count
            attentionPairs += count * segment.position + count * (count + 1) / 2
        }
    }
}
