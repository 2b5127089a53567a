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
    private var offsets: [Int] = []
    /// Slots that each group may use.
    private let choices: [Range<Int>]
    /// Which group each slot holds, and when it got there.
    private var tenants: [Int?]
    private var arrivals: [Int]
    private var clock = 0

    /// Collective over the world.
    ///
    /// - Parameter sizes: floats of each whole group.
    init(groups: [ParameterGroup], sizes: [Int], mesh: Mesh, policy: GatherPolicy) throws {
        self.mesh = mesh
        // A slot for each group, but two in which all blocks take turns where that is the policy.
        let blocks = groups.indices.filter { groups[$0].isBlock }
        let turns = policy == .step ? nil : blocks.first.map { $0..<($0 + min(2, blocks.count)) }
        var slotSizes: [Int] = []
        choices = groups.indices.map { index in
            if let turns, groups[index].isBlock {
                if slotSizes.count == turns.lowerBound {
                    slotSizes += turns.map { _ in blocks.map { sizes[$0] }.max() ?? 0 }
                }
                return turns
            }
            slotSizes.append(sizes[index])
            return (slotSizes.count - 1)..<slotSizes.count
        }
        tenants = Array(repeating: nil, count: slotSizes.count)
        arrivals = Array(repeating: 0, count: slotSizes.count)
        var end = 0
        for size in slotSizes {
            offsets.append(end)
            end += FloatBuffer.padded(size)
        }
        guard mesh.shards.size > 1 else {
            (count, memory, buffer) = (0, nil, nil)
            return
        }
        count = end
        let loan = try mesh.nodeMemory.flatMap { memory in try memory.borrow(count: end).map { (memory, $0) } }
        // Where one node has no room, no node may share: the ranks would wait for each other in different places.
        let isShared = try mesh.world.allReduceMax(loan == nil ? 1 : 0) == 0
        memory = isShared ? loan : nil
        buffer = isShared ? nil : FloatBuffer(count: end)
    }

    /// A slot for `group`: an empty one, else the one whose tenant came first among those that `isFree` allows to leave.
    func choose(for group: Int, isFree: (Int) -> Bool) -> (slot: Int, evicted: Int?)? {
        let candidates = choices[group].filter { slot in tenants[slot].map(isFree) ?? true }
        let chosen = candidates.min { a, b in
            (tenants[a] == nil ? -1 : arrivals[a]) < (tenants[b] == nil ? -1 : arrivals[b])
        }
        guard let slot = chosen else { return nil }
        let evicted = tenants[slot]
        tenants[slot] = group
        clock += 1
        arrivals[slot] = clock
        return (slot, evicted)
    }

    func forget() { tenants = Array(repeating: nil, count: tenants.count) }

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
        if place.writesOwnRows {
            slices[mesh.shard].unpack(own.pointer, 0..<own.count, into: full.matrices)
        }
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
