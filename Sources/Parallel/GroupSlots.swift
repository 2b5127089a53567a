import Tensors
import Transformer

/// Room for gathered groups, and how a group gets there.
///
/// Where the ranks of a replica lie on nodes evenly, a node's ranks share one copy: each shard's rows are written there
/// once, by a rank of this node that holds them, or by a rank that received them from its counterparts on the other
/// nodes. Otherwise every rank has a copy of its own.
///
/// `@unchecked Sendable`: slots are chosen by the thread that computes and filled by the one that communicates, each with
/// fields of its own.
final class GroupSlots: @unchecked Sendable {
    /// Floats of all slots together.
    let count: Int
    var isShared: Bool { memory != nil }

    private let mesh: Mesh
    private let memory: (NodeMemory, NodeMemory.Loan)?
    /// The own copy where memory is not shared.
    private let buffer: FloatBuffer?
    private let offsets: [Int]
    /// Used by the thread that computes alone.
    var table: SlotTable

    /// Collective over the world.
    ///
    /// - Parameter sizes: floats of each whole group.
    init(groups: [ParameterGroup], sizes: [Int], mesh: Mesh, policy: GatherPolicy) throws {
        self.mesh = mesh
        table = SlotTable(groups: groups, sizes: sizes, policy: policy)
        offsets = table.sizes.reduce(into: [0]) { $0.append($0[$0.count - 1] + FloatBuffer.padded($1)) }
        guard mesh.shards.size > 1 else {
            (count, memory, buffer) = (0, nil, nil)
            return
        }
        let total = offsets[table.sizes.count]
        count = total
        let loan = try mesh.nodeMemory.flatMap { memory in try memory.borrow(count: total).map { (memory, $0) } }
        // Where one node has no room, no node may share: the ranks would wait for each other in different places.
        let isShared = try mesh.world.allReduceMax(loan == nil ? 1 : 0) == 0
        memory = isShared ? loan : nil
        buffer = isShared ? nil : FloatBuffer(count: total)
    }

    func buffer(_ slot: Int, count: Int) -> FloatBuffer {
        if let (_, loan) = memory { return loan.buffer(at: offsets[slot], count: count) }
        guard let buffer else { preconditionFailure("one shard has nothing to gather") }
        return FloatBuffer(at: buffer.pointer + offsets[slot], count: count, keeping: buffer)
    }

    /// Collective over the world, on the communication thread.
    ///
    /// - Parameters:
    ///   - own: this rank's packed rows of the group.
    ///   - slices: the packed rows of every shard.
    func gather(_ own: FloatBuffer, _ slices: [PackedSlice], into full: FullGroup) throws {
        guard let (memory, loan) = memory else {
            try mesh.shards.allGather(own.pointer, counts: slices.map(\.count)) { shard, range, values in
                slices[shard].unpack(values, range, into: full.matrices)
            }
            return
        }
        // All have left the slot's last tenant, and have updated their own rows.
        try memory.synchronize(loan)
        let place = mesh.placement
        if place.writesOwnRows { slices[mesh.shard].unpack(own.pointer, 0..<own.count, into: full.matrices) }
        if let counterparts = place.counterparts {
            let shards = place.shardsOfCounterparts
            try counterparts.allGather(own.pointer, counts: shards.map { slices[$0].count }) { rank, range, values in
                guard shards[rank] != mesh.shard else { return }
                slices[shards[rank]].unpack(values, range, into: full.matrices)
            }
        }
        try memory.synchronize(loan)
    }
}
