import Diagnostics
import Foundation
import Tensors
import Transformer

/// How the weights of a model that does not change are kept.
package enum FrozenStorage: String, Sendable, CaseIterable {
    case f32
    /// Blocks in bfloat16, expanded to float for use one block at a time; embedding and head stay float. For weights
    /// that are bfloat16 numbers: rounding others moves a response's log-probability by more than 1.
    case bf16
}

/// All parameters of a model that does not change, whole, once per node where memory is shared: each rank may use them at
/// any time without asking the others.
package final class FrozenParameters: ParameterSource {
    package let layout: ParameterLayout
    /// Of what is stored, and whether the ranks of this node share it.
    package let byteCount: Int
    package let isOncePerNode: Bool
    private let storage: FrozenStorage
    private let whole: [PackedSlice]
    /// The packed group as floats, or as bfloat16 in half as many.
    private let stored: [FloatBuffer]
    /// Where a bfloat16 block is expanded, and which one it holds.
    private let expanded: FloatBuffer
    private var expandedGroup: Int?

    /// Collective over the world: every rank reads a part of the rows.
    ///
    /// - Parameter read: writes rows of a parameter, `[rows, columns]`, to memory.
    /// - Throws: what `read` throws, on all ranks; `RDOError.usage` when bfloat16 cannot hold a weight; `RDOError.peers`.
    package init(
        layout: ParameterLayout, mesh: Mesh, storage: FrozenStorage,
        read: (_ parameterIndex: Int, _ rows: Range<Int>, _ values: UnsafeMutablePointer<Float>) throws -> Void
    ) throws {
        (self.layout, self.storage) = (layout, storage)
        let whole = layout.wholeSlices
        let sizes = whole.indices.map { group in
            Self.isHalved(layout.groupNames[group], storage) ? (whole[group].count + 1) / 2 : whole[group].count
        }
        let starts = sizes.reduce(into: [0]) { $0.append(FloatBuffer.padded($0[$0.count - 1] + $1)) }
        let total = starts[sizes.count]
        let loan = mesh.node.size > 1 ? try mesh.nodeMemory?.borrow(count: total) : nil
        (byteCount, isOncePerNode) = (total * MemoryLayout<Float>.stride, loan != nil)
        let stored = sizes.indices.map {
            loan?.buffer(at: starts[$0], count: sizes[$0]) ?? FloatBuffer(count: sizes[$0])
        }
        (self.whole, self.stored) = (whole, stored)
        let halved = whole.indices.filter { Self.isHalved(layout.groupNames[$0], storage) }
        expanded = FloatBuffer(count: halved.map { whole[$0].count }.max() ?? 0)

        let (reader, readers) = loan == nil ? (0, 1) : (mesh.node.rank, mesh.node.size)
        try mesh.world.collectively {
            for (index, spec) in layout.specs.enumerated() {
                let rows = RowPartition(rows: spec.rows, shards: readers)[reader]
                let place = layout.requiredPlace(of: spec.group)
                let run = whole[place].runs[index - layout.groups[place].lowerBound]
                let start = run.packed.lowerBound + rows.lowerBound * spec.columns
                if Self.isHalved(spec.group, storage) {
                    let values = FloatBuffer(count: rows.count * spec.columns)
                    try read(index, rows, values.pointer)
                    try Self.halve(values, to: Self.halves(stored[place]) + start, name: spec.name)
                } else {
                    try read(index, rows, stored[place].pointer + start)
                }
            }
        }
        if let loan, let memory = mesh.nodeMemory { try memory.synchronize(loan) }
    }

    package func acquire(group: ParameterGroup) -> [Matrix] {
        let place = layout.requiredPlace(of: group)
        let buffer = Self.isHalved(group, storage) ? expand(place) : stored[place]
        return FullGroup(layout.specs(of: group), whole[place], in: buffer).matrices
    }

    package func release(group: ParameterGroup) {}
    package func prefetch(group: ParameterGroup) {}

    private func expand(_ group: Int) -> FloatBuffer {
        if expandedGroup != group {
            HalfPrecision.bf16ToFloat(Self.halves(stored[group]), into: expanded.pointer, count: whole[group].count)
            expandedGroup = group
        }
        return expanded
    }

    private static func halve(_ values: FloatBuffer, to halves: UnsafeMutablePointer<UInt16>, name: String) throws {
        HalfPrecision.floatToBF16(values.pointer, into: halves, count: values.count)
        let again = FloatBuffer(count: values.count)
        HalfPrecision.bf16ToFloat(halves, into: again.pointer, count: values.count)
        guard memcmp(values.pointer, again.pointer, values.count * MemoryLayout<Float>.stride) == 0 else {
            throw RDOError(
                .usage, "\(name) holds weights that bf16 would round", at: "parallel.frozen_weights",
                remedy: "use f32, or a model whose weights are bf16 (`export: bf16` writes one)")
        }
    }

    private static func isHalved(_ group: ParameterGroup, _ storage: FrozenStorage) -> Bool {
        storage == .bf16 && group.isBlock
    }

    private static func halves(_ buffer: FloatBuffer) -> UnsafeMutablePointer<UInt16> {
        UnsafeMutableRawPointer(buffer.pointer).assumingMemoryBound(to: UInt16.self)
    }
}
