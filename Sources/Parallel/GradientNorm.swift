import Tensors

/// The norm of gradients whose rows lie on different ranks.
public enum GradientNorm {
    /// Collective over the shards. Squared L2 norm over all parameters, the same bits for every number of shards: squares
    /// are summed row by row in double precision, and rows, which are never split, exactly.
    ///
    /// - Parameters:
    ///   - gradients: one packed buffer a group, as `GradientAccumulator.total` gives them.
    ///   - parameters: whose gradients they are.
    /// - Throws: `RDOError.peers`.
    public static func squared(_ gradients: [FloatBuffer], of parameters: ShardedParameters, mesh: Mesh) throws
        -> Double
    {
        var sum = ExactSum()
        for (index, spec) in parameters.layout.specs.enumerated() {
            let slice = parameters.slice(index)
            let first = gradients[spec.group].pointer + slice.offset
            for row in 0..<slice.rows {
                sum.add(Vectors.sumOfSquares(first + row * slice.columns, count: slice.columns))
            }
        }
        return try ExactSum.totals([sum], over: mesh.shards)[0]
    }
}
