import Tensors

/// Sums over ranks in the order of one fixed binary tree, ((r0 + r1) + (r2 + r3)) + …, whatever the number of ranks;
/// where it is no power of two, the missing leaves are left out.
///
/// A power of two of ranks halves recursively, nearest neighbours first: what has to cross a network is already summed
/// over the ranks of a node. Other counts exchange all addends directly and sum them at their destination: as many bytes,
/// no partial sum whose order depends on the ranks.
struct TreeReduction {
    let ranks: Communicator
    /// Floats of each rank's slice.
    let counts: [Int]
    /// This rank's addends: a range of a rank's slice, in place or copied to `scratch`.
    let read: (_ rank: Int, _ range: Range<Int>, _ scratch: UnsafeMutablePointer<Float>) -> UnsafePointer<Float>
    /// Adds values to this rank's addends, in place.
    let add: (_ rank: Int, _ range: Range<Int>, _ values: UnsafePointer<Float>) -> Void

    /// Leaves this rank the sum of its slice in `result`, `counts[rank]` floats. Overwrites the addends. Collective, on
    /// the communication thread.
    /// - Throws: `RDOError.peers`.
    func scatter(into result: UnsafeMutablePointer<Float>) throws {
        let isPowerOfTwo = ranks.size & (ranks.size - 1) == 0
        try isPowerOfTwo ? scatterByHalving(into: result) : scatterDirectly(into: result)
    }

    // MARK: - Powers of two

    private func scatterByHalving(into result: UnsafeMutablePointer<Float>) throws {
        let rank = ranks.rank
        let limit = Communicator.pieceLength
        let space = ranks.messageSpace(pieces: 2, of: limit)
        var kept = Array(0..<ranks.size)
        var distance = 1
        while distance < ranks.size {
            let sent = Concatenation(kept.filter { $0 & distance != rank & distance }, counts)
            kept = kept.filter { $0 & distance == rank & distance }
            let received = Concatenation(kept, counts)
            for start in stride(from: 0, to: max(sent.count, received.count), by: limit) {
                let outgoing = sent.pack(start, limit, into: space, read)
                let incoming = received.parts(start, limit)
                try ranks.exchange(
                    sending: outgoing.values, count: outgoing.count, to: rank ^ distance, receiving: space + limit,
                    count: incoming.reduce(0) { $0 + $1.range.count }, from: rank ^ distance)
                for part in incoming { add(part.rank, part.range, space + limit + part.offset) }
            }
            distance *= 2
        }
        for start in stride(from: 0, to: counts[rank], by: limit) {
            let range = start..<min(start + limit, counts[rank])
            (result + start).update(from: read(rank, range, space), count: range.count)
        }
    }

    /// The slices of some ranks, one after another.
    private struct Concatenation {
        private let ranks: [(rank: Int, start: Int, count: Int)]
        let count: Int

        init(_ ranks: [Int], _ counts: [Int]) {
            let starts = ranks.reduce(into: [0]) { $0.append($0[$0.count - 1] + counts[$1]) }
            self.ranks = zip(ranks, starts).map { ($0, $1, counts[$0]) }
            count = starts[ranks.count]
        }

        /// What the piece of `limit` floats from `start` on is made of; offsets are from its beginning.
        func parts(_ start: Int, _ limit: Int) -> [(rank: Int, range: Range<Int>, offset: Int)] {
            let piece = min(start, count)..<min(start + limit, count)
            return ranks.compactMap { slice in
                let part = (slice.start..<(slice.start + slice.count)).clamped(to: piece)
                guard !part.isEmpty else { return nil }
                return (
                    slice.rank, (part.lowerBound - slice.start)..<(part.upperBound - slice.start),
                    part.lowerBound - piece.lowerBound
                )
            }
        }

        /// The piece where it lies, when that is one place, else copied.
        func pack(
            _ start: Int, _ limit: Int, into space: UnsafeMutablePointer<Float>,
            _ read: (Int, Range<Int>, UnsafeMutablePointer<Float>) -> UnsafePointer<Float>
        ) -> (values: UnsafePointer<Float>, count: Int) {
            let parts = parts(start, limit)
            if parts.count == 1 { return (read(parts[0].rank, parts[0].range, space), parts[0].range.count) }
            for part in parts {
                let target = space + part.offset
                let source = read(part.rank, part.range, target)
                if source != UnsafePointer(target) { target.update(from: source, count: part.range.count) }
            }
            return (UnsafePointer(space), parts.reduce(0) { $0 + $1.range.count })
        }
    }

    // MARK: - Other counts

    private func scatterDirectly(into result: UnsafeMutablePointer<Float>) throws {
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
                    sending: read(destination, ranges[destination], outgoing), count: ranges[destination].count,
                    to: destination, receiving: space + source * limit, count: own.count, from: source)
            }
            addends[rank] = read(rank, own, space + rank * limit)
            Self.sum(&addends, count: own.count, scratch: space, stride: limit)
            (result + own.lowerBound).update(from: addends[0], count: own.count)
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

    // MARK: - On all ranks

    /// Sums `count` floats over the ranks, in place, on all of them.
    /// - Throws: `RDOError.peers`.
    static func allReduce(_ values: UnsafeMutablePointer<Float>, count: Int, over ranks: Communicator) throws {
        guard ranks.size > 1 else { return }
        let partition = RowPartition(rows: count, shards: ranks.size)
        let reduction = TreeReduction(of: values, partition, over: ranks)
        let own = values + partition[ranks.rank].lowerBound
        try reduction.scatter(into: own)
        try ranks.allGather(own, counts: reduction.counts) { rank, range, piece in
            guard rank != ranks.rank else { return }
            (values + partition[rank].lowerBound + range.lowerBound).update(from: piece, count: range.count)
        }
    }
}

extension TreeReduction {
    /// Of slices that lie one after another in `values`.
    init(of values: UnsafeMutablePointer<Float>, _ partition: RowPartition, over ranks: Communicator) {
        func place(_ rank: Int, _ range: Range<Int>) -> UnsafeMutablePointer<Float> {
            values + partition[rank].lowerBound + range.lowerBound
        }
        self.init(
            ranks: ranks, counts: (0..<ranks.size).map { partition[$0].count },
            read: { rank, range, _ in UnsafePointer(place(rank, range)) },
            add: { rank, range, addends in Vectors.add(addends, to: place(rank, range), count: range.count) })
    }
}
