import Diagnostics

/// The ranks as a `replicas × shards` grid: parameters are split by rows over `shards`, gradients are summed over both.
///
/// rank = replica · shards + shard, so that neighbours in rank, often on one node, share parameters.
public final class Mesh: Sendable {
    public let world: Communicator
    /// The ranks of this rank's replica: together they hold all parameters once.
    public let shards: Communicator
    /// The ranks that hold the same rows as this one.
    public let replicas: Communicator

    /// This rank's place on the two axes.
    public var shard: Int { shards.rank }
    public var replica: Int { replicas.rank }

    /// Collective over `world`.
    ///
    /// - Parameter shards: ranks that share one copy of the parameters; nil means all of them.
    /// - Throws: `RDOError.usage` when `shards` does not divide the number of ranks.
    public init(world: Communicator, shards: Int? = nil) throws {
        let shardCount = shards ?? world.size
        guard shardCount > 0, world.size % shardCount == 0 else {
            let divisors = (1...world.size).filter { world.size % $0 == 0 }.map(String.init).joined(separator: ", ")
            throw RDOError(
                .usage, "\(shardCount) shards do not divide \(world.size) ranks", at: "parallel.shards",
                remedy: "set it to one of \(divisors)")
        }
        self.world = world
        self.shards = try world.split(color: world.rank / shardCount, key: world.rank)
        replicas = try world.split(color: world.rank % shardCount, key: world.rank)
    }
}
