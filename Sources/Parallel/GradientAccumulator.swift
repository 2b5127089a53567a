import Tensors
import Transformer

/// Sums the leaves' gradients over all ranks and sub-steps as one fixed binary tree, ((0+1)+(2+3))+((4+5)+(6+7)), leaving
/// each shard its own rows.
///
/// Leaf `l` runs on rank `l mod R` at sub-step `l div R`, so for a power of two `R` the ranks hold the lower levels of the
/// tree and the sub-steps the upper ones: 1, 2, 4 and 8 ranks give the same bits. A rank without a leaf contributes
/// zeros, which change no bit because a gradient that is summed up from zero is never negative zero.
///
/// The communication thread reduces a group while the backward pass goes on with the next.
///
/// `@unchecked Sendable`: a finished group is touched by the communication thread alone until its reduction is waited for.
package final class GradientAccumulator: @unchecked Sendable {
    private let layout: ParameterLayout
    private let mesh: Mesh
    /// By the group's place in the layout, and shard.
    private let slices: [[PackedSlice]]
    /// How each group is laid out whole.
    private let whole: [PackedSlice]
    /// Whole gradients of the groups that the running leaf adds to.
    private var scratch: [FullGroup?]
    private var counters: [BinaryCounter]
    private let pool = BufferPool()
    /// The reduction under way: one at a time, so that no more than one finished group waits in memory.
    private var reduction: PendingCommunication?

    /// Called with a group's place and total as soon as it is complete, on the communication thread (on the caller's when there is
    /// one rank).
    package typealias TotalHandler = @Sendable (_ place: Int, _ total: FloatBuffer) throws -> Void

    /// Bytes of all buffers so far.
    package var allocatedBytes: Int { pool.count * MemoryLayout<Float>.stride }

    package init(layout: ParameterLayout, mesh: Mesh) {
        (self.layout, self.mesh) = (layout, mesh)
        slices = layout.packedSlices(shards: mesh.shards.size)
        whole = layout.wholeSlices
        scratch = Array(repeating: nil, count: layout.groupCount)
        counters = Array(repeating: BinaryCounter(), count: layout.groupCount)
    }

    /// Takes the gradients of this rank's next leaf, which may be an empty one.
    ///
    /// - Parameter onTotal: given with the last leaf of a batch.
    package func leaf(onTotal: TotalHandler? = nil) -> any GradientSink { Leaf(accumulator: self, onTotal: onTotal) }

    private final class Leaf: GradientSink {
        let accumulator: GradientAccumulator
        let onTotal: TotalHandler?

        init(accumulator: GradientAccumulator, onTotal: TotalHandler?) {
            (self.accumulator, self.onTotal) = (accumulator, onTotal)
        }

        func gradients(group: ParameterGroup) -> [Matrix] { accumulator.gradients(group: group) }
        func finish(group: ParameterGroup) throws { try accumulator.finish(group: group, onTotal) }
    }

    /// None of a group that is not trained.
    private func gradients(group: ParameterGroup) -> [Matrix] {
        guard let place = layout.place(of: group) else { return [] }
        let full = scratch[place] ?? makeScratch(place)
        scratch[place] = full
        return full.matrices
    }

    /// Begins to reduce the leaf's gradient over the mesh. Collective over the world.
    /// - Throws: `RDOError.peers`.
    private func finish(group: ParameterGroup, _ onTotal: TotalHandler?) throws {
        guard let group = layout.place(of: group) else { return }
        let full = scratch[group] ?? makeScratch(group)
        scratch[group] = nil
        guard mesh.world.size > 1 else { return try add(full.buffer, group, onTotal) }
        try reduction?.wait()
        reduction = CommunicationThread.shared.submit { [self] in try add(reduce(full, group), group, onTotal) }
    }

    /// The sum over all leaves since `reset()`: own rows, packed like `ShardedParameters.makePackedBuffers()`. Valid until
    /// `reset()`, which must come before the next leaf.
    /// - Throws: `RDOError.peers`.
    package func total(group: Int) throws -> FloatBuffer {
        try reduction?.wait()
        return counters[group].total(pool: pool) ?? FloatBuffer(count: slices[group][mesh.shard].count)
    }

    /// Forgets everything, for the next batch. Also after a failed leaf.
    package func reset() {
        try? reduction?.wait()
        reduction = nil
        for group in counters.indices {
            counters[group].reset(pool: pool)
            if let full = scratch[group] { pool.give(full.buffer) }
            scratch[group] = nil
        }
    }

    private func reduce(_ full: FullGroup, _ group: Int) throws -> FloatBuffer {
        let slices = slices[group]
        let reduced = pool.take(count: slices[mesh.shard].count)
        try TreeReduction(
            ranks: mesh.shards, counts: slices.map(\.count),
            read: { shard, range, scratch in slices[shard].pack(full.matrices, range, scratch: scratch) },
            add: { shard, range, values in slices[shard].add(values, range, to: full.matrices) }
        ).scatter(into: reduced.pointer)
        pool.give(full.buffer)
        try TreeReduction.allReduce(reduced.pointer, count: reduced.count, over: mesh.replicas)
        return reduced
    }

    private func add(_ reduced: FloatBuffer, _ group: Int, _ onTotal: TotalHandler?) throws {
        counters[group].push(reduced, pool: pool)
        guard let onTotal, let total = counters[group].total(pool: pool) else { return }
        try onTotal(group, total)
    }

    private func makeScratch(_ group: Int) -> FullGroup {
        let buffer = pool.take(count: whole[group].count)
        buffer.fill(0)
        return FullGroup(layout.specs[layout.groups[group]], whole[group], in: buffer)
    }
}

/// Sums a sequence of buffers as a binary tree while holding only one partial sum a level.
private struct BinaryCounter {
    /// `levels[k]` is the sum of 2^k consecutive buffers, or nil. Levels further up are older.
    private var levels: [FloatBuffer?] = []
    private var isTotalled = false

    /// Takes over `buffer`.
    mutating func push(_ buffer: FloatBuffer, pool: BufferPool) {
        precondition(!isTotalled, "gradients after the total was taken: reset first")
        var newer = buffer
        var level = 0
        while level < levels.count, let older = levels[level] {
            newer = Self.sum(older, newer, pool)
            levels[level] = nil
            level += 1
        }
        if level == levels.count { levels.append(nil) }
        levels[level] = newer
    }

    /// All buffers' sum, or nil when there were none.
    mutating func total(pool: BufferPool) -> FloatBuffer? {
        isTotalled = true
        let partials = levels.compactMap { $0 }
        guard let newest = partials.first else { return nil }
        let total = partials.dropFirst().reduce(newest) { newer, older in Self.sum(older, newer, pool) }
        levels = [total]
        return total
    }

    mutating func reset(pool: BufferPool) {
        for case let buffer? in levels { pool.give(buffer) }
        levels = []
        isTotalled = false
    }

    /// Adds in place of `older`; `newer` goes back to the pool.
    private static func sum(_ older: FloatBuffer, _ newer: FloatBuffer, _ pool: BufferPool) -> FloatBuffer {
        Vectors.sum(older.pointer, newer.pointer, into: older.pointer, count: older.count)
        pool.give(newer)
        return older
    }
}
