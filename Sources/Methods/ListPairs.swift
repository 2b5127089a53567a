import Coding
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
        try requireComparable()
        let data = PassData(
            train: train.asPairs(perList: context.pairsPerList, seed: context.seed),
            test: test?.asPairs(perList: nil, seed: context.seed), conventions: conventions)
        guard !data.train.examples.isEmpty else {
            throw RDOError(
                .data, "no list has responses with different scores", remedy: "this pass needs to know which is better")
        }
        return data
    }
}

extension DataSet {
    fileprivate func asPairs(perList: Int?, seed: UInt64) -> DataSet {
        guard examples.contains(where: { $0.kind == .list }) else { return self }
        let random = KeyedRandom(seed: seed, stream: Self.pairStream)
        var pairs: [(example: Int, better: Int, worse: Int)] = []
        for (index, example) in examples.enumerated() {
            let ordered = ListRanking.pairs(example.listScores)
            let places = ordered.indices.filter { place in
                guard let perList, ordered.count > perList else { return true }
                return KeyedRandom.permuted(place, count: ordered.count, key: random.bits(at: UInt64(index))) < perList
            }
            pairs += places.map { (index, ordered[$0].better, ordered[$0].worse) }
        }
        let ordered = Rows(count: pairs.count) { [examples, pairs] number in
            let (index, better, worse) = pairs[number]
            var pair = examples[index].keeping(responses: [better, worse])
            pair.kind = .pair
            pair.scores = nil
            pair.listPlaces = [better, worse]
            return pair
        }
        guard case .differences(let differences, let eos) = scorerInputs else { return DataSet(examples: ordered) }
        let read = Rows(count: pairs.count) { [pairs] number in
            let (index, better, worse) = pairs[number]
            return differences[index].keeping(responses: [better, worse])
        }
        return DataSet(examples: ordered, scorerInputs: .differences(read, eos: eos))
    }

    /// Sets this stream of random numbers apart from those of other uses of the seed.
    private static let pairStream: UInt64 = 0x9A15
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
