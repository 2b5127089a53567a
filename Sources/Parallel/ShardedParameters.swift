import Tensors
import Transformer

/// How long gathered parameters are kept.
public enum GatherPolicy: String, Sendable {
    /// Until `invalidate()`, after the optimizer's step: one gather a step, memory for all parameters.
    case step
    /// Until released: one gather for each use, memory for the groups in use.
    case block
}

/// Own rows of every parameter, and whole groups when a model asks for them.
public final class ShardedParameters: ParameterSource {
    public let layout: ParameterLayout
    public let mesh: Mesh
    private let policy: GatherPolicy
    /// Packed own rows of each group.
    private let own: [FloatBuffer]
    /// By group and shard.
    private let slices: [[PackedSlice]]
    /// How each group is laid out whole.
    private let whole: [PackedSlice]
    private var gathered: [FullGroup?]
    private var users: [Int]
    private let pool = BufferPool()

    /// All zeros; write through `slice`, then call `invalidate()`.
    public init(layout: ParameterLayout, mesh: Mesh, gather policy: GatherPolicy) {
        self.layout = layout
        self.mesh = mesh
        self.policy = policy
        slices = layout.packedSlices(shards: mesh.shards.size)
        whole = layout.groups.map { PackedSlice(layout.specs[$0], shard: 0, of: 1) }
        own = slices.map { FloatBuffer(count: $0[mesh.shard].count) }
        gathered = Array(repeating: nil, count: layout.groupCount)
        users = Array(repeating: 0, count: layout.groupCount)
    }

    /// Rows of the parameter that this rank holds.
    public func ownRows(_ parameterIndex: Int) -> Range<Int> {
        RowPartition(rows: layout.specs[parameterIndex].rows, shards: mesh.shards.size)[mesh.shard]
    }

    /// The own rows, `[ownRows, columns]`, for reading and writing; lies in the packed buffer of the parameter's group.
    public func slice(_ parameterIndex: Int) -> Matrix {
        let spec = layout.specs[parameterIndex]
        let run = slices[spec.group][mesh.shard].runs[parameterIndex - layout.groups[spec.group].lowerBound]
        return Matrix(
            own[spec.group], offset: run.packed.lowerBound, rows: run.packed.count / max(spec.columns, 1),
            columns: spec.columns)
    }

    /// One zero buffer a group, packed like the own rows: the offsets of `slice` hold in them too.
    public func makePackedBuffers() -> [FloatBuffer] { own.map { FloatBuffer(count: $0.count) } }

    /// The group's whole parameters, to be read until `release`. With one shard they are the own rows themselves.
    ///
    /// Collective over the shards.
    /// - Throws: `RDOError.peers`.
    public func acquire(group: Int) throws -> [Matrix] {
        let full: FullGroup
        if let kept = gathered[group] {
            full = kept
        } else if mesh.shards.size == 1 {
            full = FullGroup(layout.specs[layout.groups[group]], whole[group], in: own[group])
        } else {
            full = try gather(group)
        }
        gathered[group] = full
        users[group] += 1
        return full.matrices
    }

    public func release(group: Int) {
        precondition(users[group] > 0, "released a group that is not in use")
        users[group] -= 1
        if policy == .block && users[group] == 0 { drop(group) }
    }

    /// The own rows changed: whatever was gathered is stale.
    public func invalidate() {
        precondition(users.allSatisfy { $0 == 0 }, "parameters changed while a group was in use")
        for group in gathered.indices { drop(group) }
    }

    private func gather(_ group: Int) throws -> FullGroup {
        let full = FullGroup(
            layout.specs[layout.groups[group]], whole[group], in: pool.take(count: whole[group].count))
        try mesh.shards.allGather(own[group].pointer, counts: slices[group].map(\.count)) { shard, range, values in
            slices[group][shard].unpack(values, range, into: full.matrices)
        }
        return full
    }

    private func drop(_ group: Int) {
        if let full = gathered[group], full.buffer !== own[group] { pool.give(full.buffer) }
        gathered[group] = nil
    }
}
