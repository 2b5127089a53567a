import Tensors

/// The squared L2 norm of gradients whose rows lie on different ranks, the same bits for every number of shards: squares
/// are summed row by row in double precision, and rows, which are never split, exactly.
///
/// `@unchecked Sendable`: groups are added one after another, and the sum is read after the last.
package final class GradientNorm: @unchecked Sendable {
    private let parameters: ShardedParameters
    private var sum = ExactSum()

    /// - Parameter parameters: whose gradients they are.
    package init(_ parameters: ShardedParameters) { self.parameters = parameters }

    /// Adds one group's gradient: own rows, packed as `GradientAccumulator.total` gives them.
    package func add(group: Int, _ gradient: FloatBuffer) {
        for index in parameters.layout.groups[group] {
            let slice = parameters.slice(index)
            let first = gradient.pointer + slice.offset
            for row in 0..<slice.rows {
                sum.add(Vectors.sumOfSquares(first + row * slice.columns, count: slice.columns))
            }
        }
    }

    /// Collective over the shards.
    /// - Throws: `RDOError.peers`.
    package func squared() throws -> Double { try ExactSum.totals([sum], over: parameters.mesh.shards)[0] }
}
