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
        var pairs: [TokenizedExample] = []
        let differences = scorerInputs.differences
        var differencePairs: [DifferenceExample] = []
        for (index, example) in examples.enumerated() {
            let ordered = ListRanking.pairs(example.listScores)
            let places = ordered.indices.filter { place in
                guard let perList, ordered.count > perList else { return true }
                return KeyedRandom.permuted(place, count: ordered.count, key: random.bits(at: UInt64(index))) < perList
            }
            for (better, worse) in places.map({ ordered[$0] }) {
                var pair = example.keeping(responses: [better, worse])
                pair.kind = .pair
                pair.scores = nil
                pair.listPlaces = [better, worse]
                pairs.append(pair)
                if !differences.isEmpty {
                    differencePairs.append(differences[index].keeping(responses: [better, worse]))
                }
            }
        }
        guard case .differences(_, let eos) = scorerInputs else { return DataSet(examples: pairs) }
        return DataSet(examples: pairs, scorerInputs: .differences(differencePairs, eos: eos))
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
