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
        correlation = Self.correlation(pairs.differences, longer)
        let unequal = pairs.labelled.filter { longer[$0] != 0 }
        longerIsBetter = Share(unequal.map { longer[$0] * Double(pairs.labels[$0]) > 0 })
        scorer = Share(unequal.map(pairs.agrees))
    }

    private static func correlation(_ a: [Double], _ b: [Double]) -> Double? {
        guard let meanA = a.mean, let meanB = b.mean else { return nil }
        var (ab, aa, bb) = (0.0, 0.0, 0.0)
        for (x, y) in zip(a, b) {
            ab += (x - meanA) * (y - meanB)
            aa += (x - meanA) * (x - meanA)
            bb += (y - meanB) * (y - meanB)
        }
        return aa > 0 && bb > 0 ? ab / (aa * bb).squareRoot() : nil
    }
}
