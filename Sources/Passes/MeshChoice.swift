import Diagnostics
import Foundation
import Parallel
import Transformer

/// How many ranks share one copy of the parameters, where the configuration does not say.
///
/// At least the ranks of a node: there sharding costs nothing, because gathered parameters lie in shared memory and
/// gradients do not leave the node. More nodes only as far as the model needs them: what the shards do not need, the
/// replicas need not send across the network in every step.
struct MeshChoice {
    let world: Communicator
    let gather: GatherPolicy

    /// Of a node's free memory, what parameters, gradients and optimizer may take; the rest is for activations.
    private static let share = 0.6

    /// - Throws: `RDOError.usage` when `shards` does not divide the ranks.
    static func check(_ shards: Int?, ranks: Int) throws {
        guard let shards, ranks % shards != 0 else { return }
        let divisors = (1...ranks).filter { ranks % $0 == 0 }.map(String.init).joined(separator: ", ")
        throw RDOError(
            .usage, "\(shards) shards do not divide \(ranks) ranks", at: "parallel.shards",
            remedy: "set it to one of \(divisors)")
    }

    /// Collective.
    func shards(for layout: ParameterLayout) throws -> Int {
        let (perNode, isEven) = try world.ranksPerNode()
        guard isEven else { return world.size }
        // The least of all nodes; as the largest of negative numbers.
        let free = -(try world.allReduceMax(-Self.freeBytes()))
        let sizes = layout.groups.map { group in layout.specs[group].reduce(0) { $0 + $1.count } }
        return Self.candidates(world.size, perNode: perNode).first { shards in
            Self.bytesPerNode(groups: sizes, shards: shards, ranksPerNode: perNode, gather: gather)
                <= Self.share * Double(free)
        } ?? world.size
    }

    /// Numbers of shards to try, the best first.
    static func candidates(_ ranks: Int, perNode: Int) -> [Int] {
        stride(from: perNode, through: ranks, by: perNode).filter { ranks % $0 == 0 }
    }

    /// Parameters, gradients and optimizer state on one node.
    ///
    /// - Parameter groups: parameters of each group: embedding, blocks, head.
    static func bytesPerNode(groups: [Int], shards: Int, ranksPerNode: Int, gather: GatherPolicy) -> Double {
        let total = Double(groups.reduce(0, +))
        let block = Double(groups.dropFirst().dropLast().max() ?? 0)
        let ends = Double(groups[0] + groups[groups.count - 1])
        let gathered = shards == 1 ? 0 : gather == .step ? total : ends + 2 * block
        // Own rows: parameters, two moments, and gradients on three levels of the tree over sub-steps. Whole: the
        // gradients of the embedding, the head and two blocks while a leaf runs.
        let perRank = 6 * total / Double(shards) + ends + 2 * block
        return 4 * (gathered + Double(ranksPerNode) * perRank)
    }

    /// Memory of this node that programs can still get.
    private static func freeBytes() -> Int {
        let lines = (try? String(contentsOfFile: "/proc/meminfo", encoding: .utf8))?.split(separator: "\n") ?? []
        let available = lines.first { $0.hasPrefix("MemAvailable:") }?.split(separator: " ").dropFirst().first
        return available.flatMap { Int($0) }.map { $0 * 1024 } ?? Int(ProcessInfo.processInfo.physicalMemory)
    }
}
