import Diagnostics

/// The ranks as a `replicas × shards` grid: parameters are split by rows over `shards`, gradients are summed over both.
///
/// rank = replica · shards + shard, so that neighbours in rank, often on one node, share parameters.
package final class Mesh: Sendable {
    package let world: Communicator
    /// The ranks of this rank's replica: together they hold all parameters once.
    package let shards: Communicator
    /// The ranks that hold the same rows as this one.
    package let replicas: Communicator
    /// The ranks that share memory with this one.
    package let node: Communicator
    /// How many nodes the world spans.
    package let nodeCount: Int
    let placement: NodePlacement
    /// Nil where ranks lie on nodes so unevenly that each keeps what it gathers to itself.
    let nodeMemory: NodeMemory?

    /// Ranks of a node keep gathered parameters once.
    package var sharesMemory: Bool { nodeMemory != nil }

    /// This rank's place on the two axes.
    package var shard: Int { shards.rank }
    package var replica: Int { replicas.rank }

    /// Collective over `world`.
    ///
    /// - Parameters:
    ///   - shards: ranks that share one copy of the parameters; nil means all of them.
    ///   - sharesMemory: ranks of a node keep gathered parameters once.
    ///   - ranksPerNode: takes so many consecutive ranks for a node, as if they shared no memory with others; nil asks
    ///     the system.
    /// - Throws: `RDOError.usage` when `shards` does not divide the number of ranks.
    package init(
        world: Communicator, shards: Int? = nil, sharesMemory: Bool = true, ranksPerNode: Int? = nil
    ) throws {
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
        node = try ranksPerNode.map { try world.split(color: world.rank / $0, key: world.rank) } ?? world.splitByNode()
        let nodes = try world.allGather(node: node)
        nodeCount = Set(nodes).count
        placement = try NodePlacement(nodes: nodes, rank: world.rank, shards: self.shards)
        nodeMemory = placement.isEven && sharesMemory ? NodeMemory(ranks: node) : nil
    }
}

/// Where the ranks of a replica lie.
struct NodePlacement: Sendable {
    /// Every node holds whole replicas, or the same number of ranks of one replica.
    let isEven: Bool
    /// This rank is the one among those of its node with the same rows that writes them.
    let writesOwnRows: Bool
    /// The ranks of this replica with this rank's place on the other nodes, when it spans several.
    let counterparts: Communicator?
    let shardsOfCounterparts: [Int]

    /// Collective over `shards`.
    ///
    /// - Parameter nodes: for each rank of the world, the lowest rank on its node.
    init(nodes: [Int], rank: Int, shards: Communicator) throws {
        isEven = Self.isEven(nodes, shards: shards.size)
        let earlier = stride(from: rank % shards.size, to: rank, by: shards.size)
        writesOwnRows = !earlier.contains { nodes[$0] == nodes[rank] }
        let first = rank - shards.rank
        let own = (first..<(first + shards.size)).filter { nodes[$0] == nodes[rank] }
        guard isEven, own.count < shards.size, let place = own.firstIndex(of: rank) else {
            (counterparts, shardsOfCounterparts) = (nil, [])
            return
        }
        let column = try shards.split(color: place, key: shards.rank)
        counterparts = column
        shardsOfCounterparts = (0..<column.size).map { place + $0 * own.count }
    }

    /// True when nodes hold runs of consecutive ranks, all as many, and replicas fill nodes or nodes replicas.
    static func isEven(_ nodes: [Int], shards: Int) -> Bool {
        let perNode = nodes.count { $0 == nodes[0] }
        let isRegular = nodes.indices.allSatisfy { nodes[$0] == nodes[$0 / perNode * perNode] }
        return isRegular && nodes.count % perNode == 0 && Set(nodes).count == nodes.count / perNode
            && (shards % perNode == 0 || perNode % shards == 0)
    }
}

extension Communicator {
    /// Collective. Ranks on each node, and whether all nodes hold as many.
    package func ranksPerNode() throws -> (count: Int, isEven: Bool) {
        let nodes = try allGather(node: splitByNode())
        return (nodes.count { $0 == nodes[0] }, NodePlacement.isEven(nodes, shards: size))
    }

    /// Collective. For each rank, the lowest rank of this communicator on its node.
    fileprivate func allGather(node: Communicator) throws -> [Int] { try allGather(node.allGather(rank)[0]) }
}
