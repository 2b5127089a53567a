import Tensors
import Transformer

/// How many gathered blocks have room at once.
package enum GatherPolicy: String, Sendable {
    /// All: one gather a step.
    case step
    /// Two, the one in use and the next: one gather for each use, the least memory.
    case block
}

/// Own rows of every parameter, and whole groups when a model asks for them.
///
/// A group is gathered by the communication thread into a slot, once for all ranks of a node where they share memory
/// (`GroupSlots`). What was gathered stays until the slot is needed for another group or the own rows change.
///
/// `@unchecked Sendable`: whoever updates own rows, the communication thread or the one that computes, does it between
/// the last use of a group and `invalidate`.
package final class ShardedParameters: ParameterSource, @unchecked Sendable {
    package let layout: ParameterLayout
    package let mesh: Mesh
    /// Packed own rows of each group.
    private let own: [FloatBuffer]
    /// By the group's place in the layout, and shard.
    private let slices: [[PackedSlice]]
    /// How each group is laid out whole.
    private let whole: [PackedSlice]
    private let slots: GroupSlots
    private var gathered: [Gathered?]

    private struct Gathered {
        let full: FullGroup
        let communication: PendingCommunication
        var users = 0
    }

    /// All zeros; write through `slice`, then call `invalidate()`. Collective over the world.
    ///
    /// - Throws: `RDOError.peers`.
    package init(layout: ParameterLayout, mesh: Mesh, gather policy: GatherPolicy) throws {
        (self.layout, self.mesh) = (layout, mesh)
        slices = layout.packedSlices(shards: mesh.shards.size)
        whole = layout.wholeSlices
        own = slices.map { FloatBuffer(count: $0[mesh.shard].count) }
        gathered = Array(repeating: nil, count: layout.groupCount)
        slots = try GroupSlots(groups: layout.groupNames, sizes: whole.map(\.count), mesh: mesh, policy: policy)
    }

    /// Bytes of the own rows, and of the room for gathered groups (shared with the node's other ranks or not).
    package var ownBytes: Int { own.reduce(0) { $0 + $1.count } * MemoryLayout<Float>.stride }
    package var gatheredBytes: Int { slots.count * MemoryLayout<Float>.stride }
    package var isGatheredOncePerNode: Bool { slots.isShared }

    /// Rows of the parameter that this rank holds.
    package func ownRows(_ parameterIndex: Int) -> Range<Int> {
        RowPartition(rows: layout.specs[parameterIndex].rows, shards: mesh.shards.size)[mesh.shard]
    }

    /// The own rows, `[ownRows, columns]`, for reading and writing; lies in the packed buffer of the parameter's group.
    package func slice(_ parameterIndex: Int) -> Matrix {
        let spec = layout.specs[parameterIndex]
        let place = layout.requiredPlace(of: spec.group)
        let run = slices[place][mesh.shard].runs[parameterIndex - layout.groups[place].lowerBound]
        return Matrix(
            own[place], offset: run.packed.lowerBound, rows: run.packed.count / max(spec.columns, 1),
            columns: spec.columns)
    }

    /// One zero buffer a group, packed like the own rows: the offsets of `slice` hold in them too.
    package func makePackedBuffers() -> [FloatBuffer] { own.map { FloatBuffer(count: $0.count) } }

    // MARK: - Whole groups

    /// The group's whole parameters, to be read until `release`. With one shard they are the own rows themselves.
    ///
    /// Collective over the world.
    /// - Throws: `RDOError.peers`.
    package func acquire(group: ParameterGroup) throws -> [Matrix] {
        let place = layout.requiredPlace(of: group)
        guard mesh.shards.size > 1 else {
            return FullGroup(layout.specs(of: group), whole[place], in: own[place]).matrices
        }
        prefetch(group: group)
        guard let full = gathered[place]?.full else {
            preconditionFailure("more groups are in use at once than have room")
        }
        gathered[place]?.users += 1
        try gathered[place]?.communication.wait()
        return full.matrices
    }

    package func release(group: ParameterGroup) {
        guard mesh.shards.size > 1 else { return }
        let place = layout.requiredPlace(of: group)
        precondition((gathered[place]?.users ?? 0) > 0, "released a group that is not in use")
        gathered[place]?.users -= 1
    }

    /// Begins to gather a group that will be needed soon, where there is room. Collective over the world.
    package func prefetch(group: ParameterGroup) {
        let place = layout.requiredPlace(of: group)
        guard mesh.shards.size > 1, gathered[place] == nil else { return }
        guard let (slot, evicted) = slots.table.choose(for: place, isFree: { (gathered[$0]?.users ?? 0) == 0 }) else {
            return
        }
        if let evicted { gathered[evicted] = nil }
        let full = FullGroup(layout.specs(of: group), whole[place], in: slots.buffer(slot, count: whole[place].count))
        let (own, slices, slots) = (own[place], slices[place], slots)
        let communication = CommunicationThread.shared.submit { try slots.gather(own, slices, into: full) }
        gathered[place] = Gathered(full: full, communication: communication)
    }

    /// The own rows are about to change or have changed: whatever was gathered is stale.
    /// - Throws: `RDOError.peers`.
    package func invalidate() throws {
        for group in gathered.indices {
            precondition((gathered[group]?.users ?? 0) == 0, "parameters changed while a group was in use")
            try gathered[group]?.communication.wait()
            gathered[group] = nil
        }
        slots.table.forget()
    }
}
