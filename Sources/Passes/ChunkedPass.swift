import Diagnostics
import Parallel

/// A forward pass over the data in durable chunks: scoring and reference log-probabilities.
///
/// A team of ranks that is done with its chunks gets the next ones at once; what it found is on the disk before it gets
/// them. What a chunk contains does not depend on the ranks, so neither do the numbers.
struct ChunkedPass {
    let title: String
    let world: Communicator
    /// The ranks that compute together, a chunk each (`FrozenModel.team`).
    let team: Communicator
    let log: Log

    /// - Parameters:
    ///   - finished: which chunks are stored already; rank 0's answer counts.
    ///   - compute: the figures of a chunk. Called with nil on a rank that has none while its team works, because
    ///     gathering parameters needs the whole team.
    ///   - store: called on rank 0 with each computed chunk; durable when it returns.
    /// - Throws: `RDOError.stopped` when a signal came; all stored chunks stay.
    func run(
        finished: [Bool], compute: (Int?) throws -> [Double],
        store: @escaping (_ chunk: Int, _ values: [Double]) throws -> Void
    ) throws {
        let remaining = finished.indices.filter { !finished[$0] }
        let progress = Progress(title, total: finished.count, start: finished.count - remaining.count, log: log)
        var stored = finished.count - remaining.count
        let dealer = try ChunkDealer(world: world, chunks: remaining) { result in
            try store(result.chunk, result.values)
            stored += 1
            progress.update(stored)
        }
        var chunks = try next(dealer, [])
        while !chunks.isEmpty {
            let values = try compute(team.rank < chunks.count ? chunks[team.rank] : nil)
            let parts = try team.allGather(FloatingPointBytes.encode(values))
            chunks = try next(dealer, zip(chunks, parts).map { ($0, FloatingPointBytes.decode($1)) })
        }
        guard try dealer.conclude() else { return }
        let left = try world.numberFromRankZero { stored }
        throw RDOError(
            .stopped, "\(title): stopped with \(left) of \(finished.count) chunks stored",
            remedy: "run the same command again to continue")
    }

    /// The team's next chunks. Its first rank speaks for it.
    private func next(_ dealer: ChunkDealer, _ results: [ChunkDealer.Result]) throws -> [Int] {
        let isStopping = try team.allReduceMax(StopSignal.isRequested(reserve: 30) ? 1 : 0) == 1
        let dealt = team.rank == 0 ? try dealer.exchange(results, for: team.size, isStopping: isStopping) : []
        return try FloatingPointBytes.decode(
            team.broadcast(FloatingPointBytes.encode(dealt.map(Double.init)), from: 0)
        ).map { Int($0) }
    }
}
