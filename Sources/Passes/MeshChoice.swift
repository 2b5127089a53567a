import Costs
import Diagnostics
import Foundation
import Parallel

/// How many ranks share one copy of the parameters, where the configuration does not say: what `MemoryDemand` chooses
/// for the nodes at hand.
struct MeshChoice {
    let world: Communicator
    /// `parallel.shared_memory`.
    let sharesMemory: Bool

    /// The part of a node's free memory that a pass may take: programs beside it, and what the model of its memory does
    /// not know, need some too.
    static let share = 0.9

    /// - Throws: `RDOError.usage` when `shards` does not divide the ranks.
    static func check(_ shards: Int?, ranks: Int) throws {
        guard let shards, ranks % shards != 0 else { return }
        let divisors = (1...ranks).filter { ranks % $0 == 0 }.map(String.init).joined(separator: ", ")
        throw RDOError(
            .usage, "\(shards) shards do not divide \(ranks) ranks", at: "parallel.shards",
            remedy: "set it to one of \(divisors)")
    }

    /// Collective.
    ///
    /// - Parameter demand: what the pass will ask for; not asked for where there is nothing to choose.
    func shards(for demand: () throws -> MemoryDemand) throws -> Int {
        let (perNode, isEven) = try world.ranksPerNode()
        guard isEven, perNode < world.size else { return world.size }
        // The least of all nodes; as the largest of negative numbers.
        let free = -(try world.allReduceMax(-Self.freeBytes()))
        var demand = try demand()
        demand.sharedRoom = sharesMemory ? Double(-(try world.allReduceMax(-Self.sharedBytes()))) : 0
        return Self.shards(for: demand, ranks: world.size, perNode: perNode, free: free)
    }

    /// - Parameter free: bytes of the node with the least.
    static func shards(for demand: MemoryDemand, ranks: Int, perNode: Int, free: Int) -> Int {
        demand.mesh(ranks: ranks, nodes: ranks / perNode, limit: share * Double(free)).shards
    }

    /// Where Open MPI keeps what ranks share, unless a parameter of its says otherwise.
    private static var sharedDirectory: String {
        ProcessInfo.processInfo.environment["OMPI_MCA_osc_sm_backing_directory"] ?? "/dev/shm"
    }

    /// What is free there.
    private static func sharedBytes() -> Int {
        var status = statvfs()
        guard statvfs(sharedDirectory, &status) == 0 else { return 0 }
        return Int(status.f_bavail) * Int(status.f_frsize)
    }

    /// What to warn of where the ranks of a node were to share `bytes` and could not.
    static func warning(ofCopies bytes: Int) -> String {
        "no shared memory for \(bytes / 1_000_000) MB: each rank keeps a copy of its own. Make \(sharedDirectory) "
            + "larger, or name another directory in OMPI_MCA_osc_sm_backing_directory"
    }

    /// Memory of this node that programs can still get.
    private static func freeBytes() -> Int {
        let lines = (try? String(contentsOfFile: "/proc/meminfo", encoding: .utf8))?.split(separator: "\n") ?? []
        let available = lines.first { $0.hasPrefix("MemAvailable:") }?.split(separator: " ").dropFirst().first
        return available.flatMap { Int($0) }.map { $0 * 1024 } ?? Int(ProcessInfo.processInfo.physicalMemory)
    }
}
