import CKernels

/// Attention of one token over keys and values that were kept of earlier tokens.
public enum KeptAttention {
    /// The query heads that share a key-value head read its context, in the order of its positions: a run of rows, then
    /// rows named one by one.
    ///
    /// - Parameters:
    ///   - queries: `[1, heads * size]`, rotated.
    ///   - keys, values: `[rows, size]` each.
    ///   - run: rows that are seen; `named`: those after them.
    ///   - scores: room for `[heads, context]`, overwritten.
    ///   - output: `[1, heads * size]`, overwritten.
    public static func forward(
        _ queries: Matrix, keys: Matrix, values: Matrix, run: Range<Int>, named: ArraySlice<Int32>, scale: Float,
        scores: Matrix, into output: Matrix
    ) {
        let size = keys.columns
        let (heads, context) = (queries.columns / size, run.count + named.count)
        precondition(queries.columns == heads * size && output.columns == queries.columns, "KeptAttention: whole heads")
        precondition(keys.hasShape(of: values) && keys.stride == values.stride, "KeptAttention: a value for each key")
        precondition(run.isEmpty || (run.lowerBound >= 0 && run.upperBound <= keys.rows), "KeptAttention: no such rows")
        precondition(context > 0, "KeptAttention: a token sees at least itself")
        precondition(scores.rows >= heads && scores.columns >= context, "KeptAttention: no room for the scores")
        let stride = keys.stride
        let call = Kernels.call
        named.withUnsafeBufferPointer { named in
            precondition(named.allSatisfy { $0 >= 0 && Int($0) < keys.rows }, "KeptAttention: no such row")
            call.kept_scores(
                queries.pointer, heads, size, keys.pointer + run.lowerBound * stride, stride, nil, run.count,
                scores.pointer, scores.stride)
            call.kept_scores(
                queries.pointer, heads, size, keys.pointer, stride, named.baseAddress, named.count,
                scores.pointer + run.count, scores.stride)
            for head in 0..<heads { _ = call.softmax_forward(scores.row(head), scale, context) }
            output.fill(0)
            call.kept_sum(
                scores.pointer, scores.stride, heads, size, values.pointer + run.lowerBound * stride, stride, nil,
                run.count, output.pointer)
            call.kept_sum(
                scores.pointer + run.count, scores.stride, heads, size, values.pointer, stride, named.baseAddress,
                named.count, output.pointer)
        }
    }
}
