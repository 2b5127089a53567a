import Foundation
import Tensors
import Transformer

/// One shard's rows of all parameters of a group, one parameter after another in one buffer.
///
/// Every parameter begins at a multiple of 64 bytes, so that kernels see the same alignment whatever the number of
/// shards. The gaps hold zeros.
struct PackedSlice: Sendable {
    /// The elements of one parameter: contiguous here and in the full matrix, because rows are.
    struct Run: Sendable {
        /// Which parameter of the group.
        let parameter: Int
        /// First element in the full matrix.
        let start: Int
        /// Elements of the packed buffer.
        let packed: Range<Int>
    }

    let runs: [Run]
    /// Floats in the packed buffer.
    let count: Int

    /// - Parameter specs: the parameters of one group.
    init(_ specs: ArraySlice<ParameterSpec>, shard: Int, of shards: Int) {
        var runs: [Run] = []
        var end = 0
        for (parameter, spec) in specs.enumerated() {
            let rows = RowPartition(rows: spec.rows, shards: shards)[shard]
            let packed = end..<(end + rows.count * spec.columns)
            runs.append(Run(parameter: parameter, start: rows.lowerBound * spec.columns, packed: packed))
            end = FloatBuffer.padded(packed.upperBound)
        }
        self.runs = runs
        count = end
    }

    /// Calls `body` with every part of the packed elements `range` that is one piece: how far into `range` it begins, where
    /// it lies in the full matrices, and how many elements it has.
    private func forEachPart(
        of range: Range<Int>, in matrices: [Matrix],
        _ body: (_ offset: Int, _ place: UnsafeMutablePointer<Float>, _ count: Int) -> Void
    ) {
        for run in runs {
            let part = run.packed.clamped(to: range)
            guard !part.isEmpty else { continue }
            let place = matrices[run.parameter].pointer + run.start + part.lowerBound - run.packed.lowerBound
            body(part.lowerBound - range.lowerBound, place, part.count)
        }
    }

    /// Copies `values`, the packed elements `range`, to their places in the full matrices.
    func unpack(_ values: UnsafePointer<Float>, _ range: Range<Int>, into matrices: [Matrix]) {
        forEachPart(of: range, in: matrices) { $1.update(from: values + $0, count: $2) }
    }

    /// Adds `values`, the packed elements `range`, to their places in the full matrices.
    func add(_ values: UnsafePointer<Float>, _ range: Range<Int>, to matrices: [Matrix]) {
        forEachPart(of: range, in: matrices) { Vectors.add(values + $0, to: $1, count: $2) }
    }

    /// The packed elements `range` of full matrices: where they lie when that is one piece, else copied to `scratch`.
    func pack(
        _ matrices: [Matrix], _ range: Range<Int>, scratch: UnsafeMutablePointer<Float>
    ) -> UnsafePointer<Float> {
        if let run = runs.first(where: {
            $0.packed.lowerBound <= range.lowerBound && range.upperBound <= $0.packed.upperBound
        }) {
            return UnsafePointer(matrices[run.parameter].pointer + run.start + range.lowerBound - run.packed.lowerBound)
        }
        scratch.update(repeating: 0, count: range.count)
        forEachPart(of: range, in: matrices) { (scratch + $0).update(from: $1, count: $2) }
        return UnsafePointer(scratch)
    }
}

extension ParameterLayout {
    /// The packed slice of every shard, by group.
    func packedSlices(shards: Int) -> [[PackedSlice]] {
        groups.map { group in (0..<shards).map { PackedSlice(specs[group], shard: $0, of: shards) } }
    }

    /// How each group is laid out whole.
    var wholeSlices: [PackedSlice] { packedSlices(shards: 1).map { $0[0] } }
}

/// All parameters of a group, or their gradients, whole: a matrix as `[rows, columns]`, a vector as `[1, rows]`.
struct FullGroup: Sendable {
    let buffer: FloatBuffer
    let matrices: [Matrix]

    /// - Parameters:
    ///   - specs: the parameters of one group; `slice`: their packing for a single shard.
    ///   - buffer: `slice.count` floats.
    init(_ specs: ArraySlice<ParameterSpec>, _ slice: PackedSlice, in buffer: FloatBuffer) {
        self.buffer = buffer
        matrices = zip(specs, slice.runs).map { spec, run in
            Matrix(
                buffer, offset: run.packed.lowerBound, rows: spec.isMatrix ? spec.rows : 1,
                columns: spec.isMatrix ? spec.columns : spec.rows)
        }
    }
}

/// Buffers to use again, by size. Both the backward pass and the communication thread take and give.
///
/// `@unchecked Sendable`: everything is behind one lock.
final class BufferPool: @unchecked Sendable {
    private let lock = NSLock()
    private var free: [Int: [FloatBuffer]] = [:]
    private var allocated = 0

    /// Floats of all buffers ever taken: they stay for the next use.
    var count: Int { lock.withLock { allocated } }

    /// A buffer whose contents are anything.
    func take(count: Int) -> FloatBuffer {
        let known = lock.withLock {
            let known = free[count]?.popLast()
            if known == nil { allocated += count }
            return known
        }
        return known ?? FloatBuffer(count: count)
    }

    func give(_ buffer: FloatBuffer) { lock.withLock { free[buffer.count, default: []].append(buffer) } }
}
