import Coding
import Columns
import Diagnostics
import Objectives
import Preferences
import Tensors

extension PassData {
    /// The same data as pairs: of a list, its pairs of responses with different scores, the better one first; of a
    /// training list at most `data.pairs_per_list`, drawn from the seed.
    ///
    /// - Throws: `RDOError.data` when a row has one response only, or no pair is left.
    package func asPairs(_ context: MethodContext) throws -> PassData {
        try requireComparable(scoredElse: "give each response a number in scores")
        let data = PassData(
            train: try train.asPairs(perList: context.pairsPerList, seed: context.seed),
            test: try test?.asPairs(perList: nil, seed: context.seed), conventions: conventions)
        guard !data.train.examples.isEmpty else {
            throw RDOError(
                .data, "no list has responses with different scores", remedy: "this pass needs to know which is better")
        }
        return data
    }
}

extension DataSet {
    fileprivate func asPairs(perList: Int?, seed: UInt64) throws -> DataSet {
        guard examples.contains(where: { $0.kind == .list }) else { return self }
        let random = KeyedRandom(seed: seed, stream: Self.pairStream)
        let pairs = ScratchColumn<OrderedPair>()
        for (index, example) in examples.enumerated() {
            let ordered = ListRanking.pairs(example.listScores)
            let places = ordered.indices.filter { place in
                guard let perList, ordered.count > perList else { return true }
                return KeyedRandom.permuted(place, count: ordered.count, key: random.bits(at: UInt64(index))) < perList
            }
            try pairs.append(
                contentsOf: places.map {
                    OrderedPair(example: index, better: ordered[$0].better, worse: ordered[$0].worse)
                })
        }
        let ordered = Rows(count: pairs.count) { [examples] number in
            let places = pairs[number]
            var pair = examples[places.example].keeping(responses: [places.better, places.worse])
            pair.kind = .pair
            pair.margin = pair.scores.map { $0[0] - $0[1] }
            pair.scores = nil
            pair.listPlaces = [places.better, places.worse]
            return pair
        }
        guard case .differences(let differences, let eos) = scorerInputs else { return DataSet(examples: ordered) }
        let read = Rows(count: pairs.count) { number in
            let places = pairs[number]
            return differences[places.example].keeping(responses: [places.better, places.worse])
        }
        return DataSet(examples: ordered, scorerInputs: .differences(read, eos: eos))
    }

    /// Sets this stream of random numbers apart from those of other uses of the seed.
    private static let pairStream: UInt64 = 0x9A15
}

/// Two responses of a list.
private struct OrderedPair: BitwiseCopyable {
    let example: Int
    let better: Int
    let worse: Int
}

extension DifferenceExample {
    fileprivate func keeping(responses kept: [Int]) -> DifferenceExample {
        var example = self
        example.asFirst = kept.map { asFirst[$0] }
        example.asSecond = kept.map { asSecond[$0] }
        example.truncatedResponses = kept.map { truncatedResponses[$0] }
        return example
    }
}
