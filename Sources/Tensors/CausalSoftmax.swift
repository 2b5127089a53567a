import CKernels

/// Softmax of attention scores `[queries, context]` under a causal mask: row `i` sees the columns
/// `0 ..< visibleToFirst + i`, or the last `window` of them; the others have probability 0 whatever they hold.
///
/// Per-row values are strided, so that a head can use its column of a `[tokens, heads]` matrix.
public enum CausalSoftmax {
    /// In place: `scores` become `softmax(scale · scores)`, and `logSumExp[i * stride] = log Σ exp(scale · scores_i)`.
    public static func forward(
        _ scores: Matrix, scale: Float, visibleToFirst: Int, window: Int? = nil,
        logSumExp: UnsafeMutablePointer<Float>, logSumExpStride: Int
    ) {
        precondition(scale > 0, "CausalSoftmax: the scale must be positive")
        forEachRow(of: scores, visibleToFirst, window) { row, first, count in
            logSumExp[row * logSumExpStride] = Kernels.call.softmax_forward(scores.row(row) + first, scale, count)
        }
    }

    /// In place: the probabilities of `forward` again, from scores and its `logSumExp`.
    public static func recompute(
        _ scores: Matrix, scale: Float, visibleToFirst: Int, window: Int? = nil, logSumExp: UnsafePointer<Float>,
        logSumExpStride: Int
    ) {
        forEachRow(of: scores, visibleToFirst, window) { row, first, count in
            Kernels.call.scaled_exponential(scores.row(row) + first, scale, logSumExp[row * logSumExpStride], 1, count)
        }
    }

    /// In place in `dProbabilities`, which become the gradient of the unscaled scores: `scale · p · (dp - rowDot)`, 0
    /// beyond the visible columns.
    ///
    /// - Parameter rowDots: `Σ_j p_j · dp_j` of each row, which equals output · outputGradient (Dao et al., 2022).
    public static func backward(
        _ probabilities: Matrix, dProbabilities: Matrix, rowDots: UnsafePointer<Float>, rowDotsStride: Int,
        scale: Float, visibleToFirst: Int, window: Int? = nil
    ) {
        precondition(probabilities.hasShape(of: dProbabilities), "CausalSoftmax: shapes differ")
        forEachRow(of: dProbabilities, visibleToFirst, window) { row, first, count in
            Kernels.call.softmax_backward(
                probabilities.row(row) + first, dProbabilities.row(row) + first, rowDots[row * rowDotsStride], scale,
                count)
        }
    }

    /// Calls `body` with each row, the first column that it sees and how many, and clears the rest of the row.
    private static func forEachRow(
        of matrix: Matrix, _ visibleToFirst: Int, _ window: Int?, _ body: (Int, Int, Int) -> Void
    ) {
        precondition(visibleToFirst >= 1, "CausalSoftmax: every query sees at least one column")
        precondition(window ?? 1 >= 1, "CausalSoftmax: every query sees at least one column")
        precondition(matrix.rows == 0 || matrix.columns > 0, "CausalSoftmax: every query sees at least one column")
        for row in 0..<matrix.rows {
            let visible = min(visibleToFirst + row, matrix.columns)
            let first = window.map { max(0, visible - $0) } ?? 0
            body(row, first, visible - first)
            matrix.row(row).update(repeating: 0, count: first)
            (matrix.row(row) + visible).update(repeating: 0, count: matrix.columns - visible)
        }
    }
}
