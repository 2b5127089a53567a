import Tensors

/// Grouped-query attention over packed token trees.
///
/// The queries of a segment are taken a block of rows at a time; the keys are the ancestors' rows, outermost first,
/// then the segment's own up to the block's end. Scores never exist for more than one head and one block. Backward
/// recomputes probabilities from the saved log-sum-exp (Dao et al. 2022, FlashAttention, algorithm 4).
struct TreeAttention {
    let heads, keyValueHeads, headSize: Int
    /// How many positions back a token sees, its own included.
    let window: Int?
    /// Rows of queries scored at once.
    let blockRows = 64
    let scale: Float

    init(_ c: ModelConfiguration, layer: Int) {
        (heads, keyValueHeads, headSize) = (c.headCount, c.keyValueHeadCount, c.headSize)
        window = c.window(ofLayer: layer)
        scale = 1 / Float(c.scoreDivisor).squareRoot()
    }

    var queryWidth: Int { heads * headSize }
    var keyValueWidth: Int { keyValueHeads * headSize }
    /// Columns of the packed queries, keys and values.
    var width: Int { queryWidth + 2 * keyValueWidth }

    func queries(_ qkv: Matrix) -> Matrix { qkv.columns(0..<queryWidth) }
    func keys(_ qkv: Matrix) -> Matrix { qkv.columns(queryWidth..<(queryWidth + keyValueWidth)) }
    func values(_ qkv: Matrix) -> Matrix { qkv.columns((queryWidth + keyValueWidth)..<width) }
    /// Keys and values together, as they are kept.
    func keysAndValues(_ qkv: Matrix) -> Matrix { qkv.columns(queryWidth..<width) }
    /// Queries and keys together: both are rotated alike.
    func queriesAndKeys(_ qkv: Matrix) -> Matrix { qkv.columns(0..<(queryWidth + keyValueWidth)) }

    /// - Parameters:
    ///   - qkv: `[tokens, width]`, queries and keys already rotated.
    ///   - output: `[tokens, heads * headSize]`, written.
    ///   - logSumExp: `[tokens, heads]`, written.
    func forward(_ qkv: Matrix, forest: TokenForest, into output: Matrix, logSumExp: Matrix) {
        forEachBlock(of: forest) { block in
            let scores = Matrix(rows: block.rows.count, columns: block.contextCount)
            for head in 0..<heads {
                let view = HeadView(self, qkv, head)
                score(view, block, into: scores)
                CausalSoftmax.forward(
                    scores, scale: scale, visibleToFirst: block.visibleToFirst, window: window,
                    logSumExp: logSumExp.row(block.rows.lowerBound) + head, logSumExpStride: logSumExp.stride)
                let target = output.rows(block.rows).columns(view.columns)
                for (index, part) in block.context.enumerated() {
                    GEMM.multiply(
                        scores.columns(part.columns), view.values.rows(part.rows), into: target, accumulate: index > 0)
                }
            }
        }
    }

    /// - Parameters:
    ///   - output: what `forward` wrote; `outputGradient`: the gradient there; both `[tokens, heads * headSize]`.
    ///   - gradient: `[tokens, width]`: the gradient of queries, keys and values is added.
    func backward(
        _ qkv: Matrix, output: Matrix, logSumExp: Matrix, outputGradient: Matrix, forest: TokenForest,
        addingTo gradient: Matrix
    ) {
        let rowDots = Matrix(rows: output.rows, columns: heads)
        for row in 0..<output.rows {
            for head in 0..<heads {
                rowDots[row, head] = Vectors.dot(
                    output.row(row) + head * headSize, outputGradient.row(row) + head * headSize, count: headSize)
            }
        }
        forEachBlock(of: forest) { block in
            let probabilities = Matrix(rows: block.rows.count, columns: block.contextCount)
            let scoreGradient = Matrix(rows: block.rows.count, columns: block.contextCount)
            for head in 0..<heads {
                let view = HeadView(self, qkv, head)
                let gradients = HeadView(self, gradient, head)
                let upstream = outputGradient.rows(block.rows).columns(view.columns)
                score(view, block, into: probabilities)
                CausalSoftmax.recompute(
                    probabilities, scale: scale, visibleToFirst: block.visibleToFirst, window: window,
                    logSumExp: logSumExp.row(block.rows.lowerBound) + head, logSumExpStride: logSumExp.stride)
                for part in block.context {
                    GEMM.multiply(
                        upstream, view.values.rows(part.rows), into: scoreGradient.columns(part.columns),
                        transposeB: true)
                }
                CausalSoftmax.backward(
                    probabilities, dProbabilities: scoreGradient, rowDots: rowDots.row(block.rows.lowerBound) + head,
                    rowDotsStride: rowDots.stride, scale: scale, visibleToFirst: block.visibleToFirst, window: window)
                let queries = view.queries.rows(block.rows)
                for part in block.context {
                    let partGradient = scoreGradient.columns(part.columns)
                    GEMM.multiply(
                        partGradient, view.keys.rows(part.rows), into: gradients.queries.rows(block.rows),
                        accumulate: true)
                    GEMM.multiply(
                        partGradient, queries, into: gradients.keys.rows(part.rows), transposeA: true, accumulate: true)
                    GEMM.multiply(
                        probabilities.columns(part.columns), upstream, into: gradients.values.rows(part.rows),
                        transposeA: true, accumulate: true)
                }
            }
        }
    }

    private func score(_ view: HeadView, _ block: Block, into scores: Matrix) {
        let queries = view.queries.rows(block.rows)
        for part in block.context {
            GEMM.multiply(queries, view.keys.rows(part.rows), into: scores.columns(part.columns), transposeB: true)
        }
    }

    /// The columns of one query head and of the key-value head it shares.
    private struct HeadView {
        let columns: Range<Int>
        let queries, keys, values: Matrix

        init(_ attention: TreeAttention, _ qkv: Matrix, _ head: Int) {
            let size = attention.headSize
            let shared = head / (attention.heads / attention.keyValueHeads) * size
            columns = head * size..<(head + 1) * size
            queries = attention.queries(qkv).columns(columns)
            keys = attention.keys(qkv).columns(shared..<(shared + size))
            values = attention.values(qkv).columns(shared..<(shared + size))
        }
    }

    /// A run of query rows of one segment and the runs of rows they attend to.
    private struct Block {
        let rows: Range<Int>
        /// Context runs and the score columns they fill; the last is the segment's own, up to `rows.upperBound`.
        let context: [(rows: Range<Int>, columns: Range<Int>)]
        var contextCount: Int { context.last?.columns.upperBound ?? 0 }
        /// How many context columns the first query row may see.
        let visibleToFirst: Int
    }

    private func forEachBlock(of forest: TokenForest, _ body: (Block) -> Void) {
        for index in forest.segments.indices {
            let segment = forest.segments[index]
            let ancestors = forest.path(to: index).dropLast().filter { !$0.isEmpty }
            for start in stride(from: segment.rows.lowerBound, to: segment.rows.upperBound, by: blockRows) {
                let end = min(start + blockRows, segment.rows.upperBound)
                var context: [(rows: Range<Int>, columns: Range<Int>)] = []
                var column = 0
                let position = segment.position + (start - segment.rows.lowerBound)
                // Columns are positions along the path. Before the first query's window nobody here sees anything.
                let skipped = window.map { max(0, position + 1 - $0) } ?? 0
                var beforeWindow = skipped
                for run in ancestors + [segment.rows.lowerBound..<end] {
                    let seen = min(run.upperBound, run.lowerBound + beforeWindow)..<run.upperBound
                    beforeWindow -= run.count - seen.count
                    guard !seen.isEmpty else { continue }
                    context.append((seen, column..<(column + seen.count)))
                    column += seen.count
                }
                body(Block(rows: start..<end, context: context, visibleToFirst: position + 1 - skipped))
            }
        }
    }
}
