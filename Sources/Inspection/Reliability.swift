/// Whether a scorer that is surer is right more often: what weighting by differences rests on (arXiv 2408.09385, section 3).
package struct Reliability: Encodable, Sendable {
    /// Pairs with |R| from `from` to below `to`.
    package struct Range: Encodable, Sendable {
        package let from: Double
        /// Nil for no end.
        package let to: Double?
        package let accuracy: Share
    }

    /// In the ranges of the paper: 0 to 1, 1 to 2, 2 to 3, from 3. Those without a pair are left out.
    package let ranges: [Range]
    /// In ten parts of equal size by |R|.
    package let deciles: [Range]
    /// Of σ(|R|), the probability that the scorer gives the response it prefers.
    package let bins: [Calibration.Bin]
    package let calibrationError: Double

    /// Nil when no pair has a label.
    package init?(of pairs: ScoredPairs) {
        let sorted = pairs.labelled.sorted {
            (abs(pairs.differences[$0]), $0) < (abs(pairs.differences[$1]), $1)
        }
        guard !sorted.isEmpty else { return nil }
        func size(_ pair: Int) -> Double { abs(pairs.differences[pair]) }
        func accuracy(_ members: some Collection<Int>) -> Share? { Share(members.map(pairs.agrees)) }

        ranges = [(0.0, 1.0 as Double?), (1, 2), (2, 3), (3, nil)].compactMap { from, to in
            accuracy(sorted.filter { size($0) >= from && size($0) < to ?? .infinity }).map {
                Range(from: from, to: to, accuracy: $0)
            }
        }
        deciles = (0..<10).compactMap { part in
            let members = sorted[sorted.count * part / 10..<sorted.count * (part + 1) / 10]
            guard let first = members.first, let last = members.last, let share = accuracy(members) else { return nil }
            return Range(from: size(first), to: size(last), accuracy: share)
        }
        let calibration = Calibration(of: sorted.map { (sureness: size($0), right: pairs.agrees($0) ? 1 : 0) })
        (bins, calibrationError) = (calibration.bins, calibration.error)
    }
}
