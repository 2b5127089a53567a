/// Token trees packed end to end in pre-order, without padding (docs/token-trees.md).
///
/// A segment is a run of tokens under a parent segment. A token sees its own segment up to itself and every
/// token of the segment's ancestors; its position is its depth in tokens. So a query shared by several responses
/// is stored and computed once.
package struct TokenForest: Sendable {
    package struct Segment: Sendable, Equatable {
        /// Rows of the packed batch that hold this segment.
        package let rows: Range<Int>
        /// Index of the parent segment; nil for a root.
        package let parent: Int?
        /// Position of the first token: how many tokens the ancestors hold.
        package let position: Int
    }

    package private(set) var tokens: [Int32] = []
    package private(set) var segments: [Segment] = []

    package init() {}

    /// Appends a segment and returns its index. A parent is appended before its children, so the order is pre-order.
    @discardableResult
    package mutating func append(_ ids: [Int32], under parent: Int? = nil) -> Int {
        let position = parent.map { segments[$0].position + segments[$0].rows.count } ?? 0
        let start = tokens.count
        tokens += ids
        segments.append(Segment(rows: start..<tokens.count, parent: parent, position: position))
        return segments.count - 1
    }

    /// Of every token: how many come before it on its path.
    package var positions: [Int] { segments.flatMap { $0.position..<$0.position + $0.rows.count } }

    /// Rows of the ancestors of `segment`, outermost first, then its own: its whole context.
    package func path(to segment: Int) -> [Range<Int>] {
        var path: [Range<Int>] = []
        var next: Int? = segment
        while let index = next {
            path.append(segments[index].rows)
            next = segments[index].parent
        }
        return path.reversed()
    }

    /// The last row before `segment` on its path: it predicts the segment's first token. Nil when nothing comes before.
    package func rowBefore(_ segment: Int) -> Int? {
        path(to: segment).dropLast().last { !$0.isEmpty }.map { $0.upperBound - 1 }
    }

    /// The token predictions that make up the response in `segment`. The first token of a root has no predictor and is left out.
    package func predictions(of segment: Int) -> [Prediction] {
        let rows = segments[segment].rows
        return rows.compactMap { row in
            let before = row == rows.lowerBound ? rowBefore(segment) : row - 1
            return before.map { Prediction(row: $0, target: tokens[row]) }
        }
    }
}

/// "The hidden state at `row` must predict `target`."
package struct Prediction: Sendable, Equatable {
    package let row: Int
    package let target: Int32

    package init(row: Int, target: Int32) { (self.row, self.target) = (row, target) }
}
