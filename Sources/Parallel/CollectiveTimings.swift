import COpenMPI
import Diagnostics
import Tensors

/// Seconds that sums over ranks take, for `rdo bench`: the package's own reduction beside the MPI library's.
package struct CollectiveTimings {
    private let ranks: Communicator

    package init(_ ranks: Communicator) { self.ranks = ranks }

    /// The fixed tree over `count` floats a rank, each rank keeping its share. Collective.
    /// - Throws: `RDOError.peers`.
    package func treeReduceScatter(count: Int) throws -> Double {
        let values = FloatBuffer(count: count)
        let partition = RowPartition(rows: count, shards: ranks.size)
        let result = FloatBuffer(count: partition[ranks.rank].count)
        let reduction = TreeReduction(of: values.pointer, partition, over: ranks)
        return try median { try reduction.scatter(into: result.pointer) }
    }

    /// `MPI_Reduce_scatter_block` over as many floats. Collective.
    /// - Throws: `RDOError.peers`.
    package func mpiReduceScatter(count: Int) throws -> Double {
        let share = count / ranks.size
        let values = FloatBuffer(count: share * ranks.size)
        let result = FloatBuffer(count: share)
        return try median {
            try check(
                MPI_Reduce_scatter_block(
                    values.pointer, result.pointer, Int32(share), rdo_mpi_float(), rdo_mpi_sum(), ranks.handle),
                "MPI_Reduce_scatter_block")
        }
    }

    /// The slowest rank's median over some rounds on the communication thread.
    private func median(_ body: () throws -> Void) throws -> Double {
        var seconds: [Double] = []
        for _ in 0..<6 {
            try ranks.barrier()
            let began = ContinuousClock.now
            try CommunicationThread.shared.perform(body)
            let nanoseconds = Int(began.duration(to: .now) / .nanoseconds(1))
            seconds.append(Double(try ranks.allReduceMax(nanoseconds)) * 1e-9)
        }
        // The first round touches fresh memory.
        return seconds.dropFirst().sorted()[2]
    }
}
