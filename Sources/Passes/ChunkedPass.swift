import Diagnostics
import Parallel

/// A forward pass over the data in durable chunks: scoring and reference log-probabilities.
///
/// The remaining chunks are dealt out in rounds, one a rank; after each round rank 0 stores what all ranks found.
/// What a chunk contains does not depend on the ranks, so neither do the numbers.
struct ChunkedPass {
    let title: String
    let world: Communicator
    let log: Log

    /// - Parameters:
    ///   - finished: which chunks are stored already; rank 0's answer counts.
    ///   - compute: the figures of a chunk. Called with nil on a rank that has no chunk in this round, because
    ///     gathering parameters needs every rank.
    ///   - store: called on rank 0 with each computed chunk; durable when it returns.
    /// - Throws: `RDOError.stopped` between rounds when a signal came; all stored chunks stay.
    func run(
        finished: [Bool], compute: (Int?) throws -> [Double], store: (_ chunk: Int, _ values: [Double]) throws -> Void
    ) throws {
        let agreed = try world.broadcast(finished.map { $0 ? 1 : 0 }, from: 0).map { $0 == 1 }
        let remaining = agreed.indices.filter { !agreed[$0] }
        let progress = Progress(title, total: agreed.count, start: agreed.count - remaining.count, log: log)
        for start in stride(from: 0, to: remaining.count, by: world.size) {
            if try world.allReduceMax(StopSignal.isRequested(reserve: 30) ? 1 : 0) == 1 {
                throw RDOError(
                    .stopped,
                    "\(title): stopped with \(agreed.count - remaining.count + start) of \(agreed.count) chunks stored",
                    remedy: "run the same command again to continue")
            }
            let round = remaining[start..<min(start + world.size, remaining.count)]
            let own = world.rank < round.count ? round[start + world.rank] : nil
            let values = try compute(own)
            let parts = try world.allGather(FloatingPointBytes.encode(values))
            try world.collectively {
                guard world.rank == 0 else { return }
                for (chunk, bytes) in zip(round, parts) { try store(chunk, FloatingPointBytes.decode(bytes)) }
            }
            progress.update(agreed.count - remaining.count + start + round.count)
        }
    }
}
