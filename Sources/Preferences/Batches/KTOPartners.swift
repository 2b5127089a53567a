import Coding
import Columns
import Tensors

/// Over which responses KTO's baseline is estimated.
package enum BaselineScope: String, Sendable, CaseIterable {
    /// The whole global batch.
    case global
    /// Consecutive parts of it, as many as there are micro-batches, each with a baseline of its own.
    case micro
}

/// How queries are combined with responses to other queries.
package enum BaselinePairing: String, Sendable, CaseIterable {
    /// By a permutation drawn from the seed; never with a response to the same query.
    case permuted
    /// Each with the response before it, the first with the last, whatever their queries: TRL's rule. With it and
    /// `BaselineScope.micro`, unpaired data in file order give the same baselines as TRL on one device.
    case rotated
}

/// One response of a data set.
package struct ResponsePlace: Hashable, Sendable, BitwiseCopyable {
    /// Index of the example.
    package let example: Int
    /// Index of the response within it.
    package let response: Int

    package init(example: Int, response: Int) { (self.example, self.response) = (example, response) }
}

/// Which response to another query stands beside each query when KTO's baseline is estimated, for every batch of the
/// endless stream of samples: a function of seed and place without state, so that the reference model's log-probabilities
/// of these combinations can be computed before training and any step can be resumed.
package struct KTOPartners {
    /// The order of the samples that the batches are made of.
    package let order: SampleOrder
    package let batchSize: Int
    /// Parts of a batch with a baseline of their own.
    package let groupCount: Int
    private let pairing: BaselinePairing
    /// For each example the first one with the same query.
    private let queries: ScratchColumn<Int>
    private let responseCounts: ScratchColumn<Int>
    private let keys: KeyedRandom

    /// - Parameters:
    ///   - examples: the data, in the order that `order` numbers them.
    ///   - microBatches: parts of a batch when the scope is `micro`; at most `batchSize`.
    /// - Throws: `RDOError.artefact` when the temporary directory has no room.
    package init(
        of examples: Rows<TokenizedExample>, order: SampleOrder, batchSize: Int, scope: BaselineScope,
        microBatches: Int,
        pairing: BaselinePairing, seed: UInt64
    ) throws {
        precondition(order.count == examples.count, "the order must be that of the examples")
        precondition(batchSize > 0 && microBatches > 0 && microBatches <= batchSize, "a part needs an example")
        (self.order, self.batchSize, self.pairing) = (order, batchSize, pairing)
        groupCount = scope == .micro ? microBatches : 1
        let keys = ScratchColumn<ContentKey>()
        responseCounts = ScratchColumn()
        for example in examples {
            try keys.append(ContentKey.query(example.prompt))
            try responseCounts.append(example.responses.count)
        }
        let index = try KeyIndex(keys)
        queries = try ScratchColumn(keys.lazy.map { index[$0] ?? 0 })
        self.keys = KeyedRandom(seed: seed, stream: Self.stream)
    }

    /// Which part of its batch a sample belongs to.
    package func group(of sample: Sample) -> Int { sample.number % batchSize * groupCount / batchSize }

    /// For each sample of a batch, in order, and each of its responses: the response to combine with its query; nil when
    /// its group has no other.
    package func partners(inBatch batch: Int) -> [[ResponsePlace?]] {
        let samples = order.samples((batch * batchSize)..<((batch + 1) * batchSize))
        var partners = samples.map { [ResponsePlace?](repeating: nil, count: responseCounts[$0.row]) }
        let positions = Dictionary(grouping: samples.indices) { group(of: samples[$0]) }
        for members in positions.values {
            let places = members.flatMap { position in
                (0..<responseCounts[samples[position].row]).map { (position: position, response: $0) }
            }
            let chosen =
                switch pairing {
                case .rotated: places.indices.map { places.count > 1 ? ($0 + places.count - 1) % places.count : nil }
                case .permuted:
                    Self.deranged(
                        queries: places.map { queries[samples[$0.position].row] },
                        bits: places.map { place in
                            keys.bits(at: UInt64(samples[place.position].number) << 1 | UInt64(place.response & 1))
                        })
                }
            for (place, partner) in zip(places, chosen) {
                partners[place.position][place.response] = partner.map {
                    ResponsePlace(example: samples[places[$0].position].row, response: places[$0].response)
                }
            }
        }
        return partners
    }

    /// The first of `batches` in which some query has no response to combine it with.
    package func firstBatchWithoutPartner(among batches: Range<Int>) -> Int? {
        batches.first { partners(inBatch: $0).contains { $0.contains(nil) } }
    }

    /// For each place the index of one with another query: a permutation wherever there is one, that is, unless one
    /// query has more than half of the places; then its places share those of the others evenly. Nil when all places have
    /// the same query.
    ///
    /// The places are lined up query by query, queries and a query's places in drawn order, and each takes the one that
    /// stands as far along (cyclically) as the commonest query is long: no query reaches from a place to its partner.
    ///
    /// - Parameter bits: drawn for each place.
    static func deranged(queries: [Int], bits: [UInt64]) -> [Int?] {
        let count = queries.count
        let members = Dictionary(grouping: 0..<count) { queries[$0] }
        // Of equally common queries the first: dictionaries have no order.
        guard let commonest = members.values.max(by: { ($0.count, $1[0]) < ($1.count, $0[0]) }) else { return [] }
        let size = commonest.count
        guard size < count else { return [Int?](repeating: nil, count: count) }
        let isCrowded = 2 * size > count
        let drawn = members.mapValues { places in places.map { bits[$0] }.min() ?? 0 }
        let line = (0..<count).sorted { a, b in
            func rank(_ place: Int) -> (Int, UInt64, Int) {
                let query = queries[place]
                let isFirst = isCrowded && query == queries[commonest[0]]
                return (isFirst ? 0 : 1, drawn[query] ?? 0, members[query]?[0] ?? 0)
            }
            let (left, right) = (rank(a), rank(b))
            return left == right ? (bits[a], a) < (bits[b], b) : left < right
        }
        var partners = [Int?](repeating: nil, count: count)
        for (index, place) in line.enumerated() {
            let partner =
                if !isCrowded {
                    (index + size) % count
                } else if index < size {
                    // The crowd stands first.
                    size + index % (count - size)
                } else {
                    index - size
                }
            partners[place] = line[partner]
        }
        return partners
    }

    /// Sets this stream of random numbers apart from those of other uses of the seed.
    private static let stream: UInt64 = 0x0B70
}
