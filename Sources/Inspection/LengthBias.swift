/// How far a scorer's judgement is one about length.
package struct LengthBias: Encodable, Sendable {
    /// Pearson's, of R with the first response's tokens less the second's; nil where either never changes.
    package let correlation: Double?
    /// How often the longer response is the better one, of labelled pairs of different lengths.
    package let longerIsBetter: Share?
    /// How often the scorer is right on the same pairs.
    package let scorer: Share?

    /// Nil when the file does not know lengths.
    init?(of pairs: ScoredPairs) {
        guard let lengths = pairs.lengths, pairs.count > 0 else { return nil }
        let longer = lengths.map { Double($0.first - $0.second) }
        correlation = pairs.differences.correlation(with: longer)
        let unequal = pairs.labelled.filter { longer[$0] != 0 }
        longerIsBetter = Share(unequal.map { longer[$0] * Double(pairs.labels[$0]) > 0 })
        scorer = Share(unequal.map(pairs.agrees))
    }
}
