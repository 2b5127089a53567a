import Tensors

/// Sums over ranks in the order of one fixed binary tree, ((r0 + r1) + (r2 + r3)) + …, whatever the number of ranks;
/// where it is no power of two, the missing leaves are left out.
///
/// Each rank receives all addends of its own slice and adds them itself: as much traffic as a ring needs, no partial sum
/// whose order depends on the ranks. A few megabytes are in flight at a time.
enum TreeReduction {
    /// Sums slices over the ranks, leaving each rank its own.
    ///
    /// - Parameters:
    ///   - counts: floats of each rank's slice.
    ///   - result: the own slice's sum, `counts[rank]` floats.
    ///   - addend: this rank's contribution to a range of a rank's slice, in place or written to `scratch`.
    /// - Throws: `RDOError.peers`.
    static func reduceScatter(
        counts: [Int], over ranks: Communicator, into result: UnsafeMutablePointer<Float>,
        addend: (_ rank: Int, _ range: Range<Int>, _ scratch: UnsafeMutablePointer<Float>) -> UnsafePointer<Float>
    ) throws {
        let (rank, size) = (ranks.rank, ranks.size)
        let limit = ranks.roundLength
        let space = ranks.messageSpace(pieces: size + 1, of: limit)
        let outgoing = space + size * limit
        for start in stride(from: 0, to: counts.max() ?? 0, by: limit) {
            let ranges = counts.map { min(start, $0)..<min(start + limit, $0) }
            let own = ranges[rank]
            var addends = (0..<size).map { UnsafePointer(space + $0 * limit) }
            for distance in 1..<size {
                let (destination, source) = ((rank + distance) % size, (rank - distance + size) % size)
                try ranks.exchange(
                    sending: addend(destination, ranges[destination], outgoing), count: ranges[destination].count,
                    to: destination, receiving: space + source * limit, count: own.count, from: source)
            }
            addends[rank] = addend(rank, own, space + rank * limit)
            sum(&addends, count: own.count, scratch: space, stride: limit)
            (result + own.lowerBound).update(from: addends[0], count: own.count)
        }
    }

    /// Sums `count` floats over the ranks, in place, on all of them.
    /// - Throws: `RDOError.peers`.
    static func allReduce(_ values: UnsafeMutablePointer<Float>, count: Int, over ranks: Communicator) throws {
        guard ranks.size > 1 else { return }
        let partition = RowPartition(rows: count, shards: ranks.size)
        let counts = (0..<ranks.size).map { partition[$0].count }
        let own = values + partition[ranks.rank].lowerBound
        try reduceScatter(counts: counts, over: ranks, into: own) { rank, range, _ in
            UnsafePointer(values + partition[rank].lowerBound + range.lowerBound)
        }
        try ranks.allGather(own, counts: counts) { rank, range, piece in
            guard rank != ranks.rank else { return }
            (values + partition[rank].lowerBound + range.lowerBound).update(from: piece, count: range.count)
        }
    }

    /// Leaves the tree's sum at `addends[0]`. Partial sums go to `scratch`, never into an addend that lies elsewhere.
    private static func sum(
        _ addends: inout [UnsafePointer<Float>], count: Int, scratch: UnsafeMutablePointer<Float>,
        stride pieceStride: Int
    ) {
        var distance = 1
        while distance < addends.count {
            for index in stride(from: 0, to: addends.count - distance, by: 2 * distance) {
                let partial = scratch + index * pieceStride
                Vectors.sum(addends[index], addends[index + distance], into: partial, count: count)
                addends[index] = UnsafePointer(partial)
            }
            distance *= 2
        }
    }
}
