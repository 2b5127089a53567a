/// Pairs of a coefficient file that are worth reading: the ends of several orders, each pair once however often it is
/// named.
package struct BrowsedPairs: Encodable, Sendable {
    /// How many pairs the file has.
    package let total: Int
    /// In the order of their rows, with whole texts.
    package let pairs: [CoefficientSummary.Pair]
    /// Places in `pairs`: the greatest |d| first.
    package let strongest: [Int]
    /// The least |d| first.
    package let weakest: [Int]
    /// Those of which the scorer says the opposite of the label, the most contradicted first.
    package let contradicted: [Int]
    /// The greatest position bias first; none where only one order was scored.
    package let biased: [Int]

    /// - Parameter count: of each order.
    init(of ordered: OrderedPairs, perOrder count: Int) {
        let bySize = ordered.rows(by: .absolute)
        let contradictions = ordered.values(by: .contradiction)
        let rows = (
            strongest: Array(bySize.suffix(count).reversed()), weakest: Array(bySize.prefix(count)),
            contradicted: ordered.rows(by: .contradiction).suffix(count).reversed().filter { contradictions[$0] > 0 },
            biased: Array(ordered.rows(by: .bias).suffix(count).reversed())
        )
        let all = Set(rows.strongest + rows.weakest + rows.contradicted + rows.biased).sorted()
        let places = Dictionary(uniqueKeysWithValues: zip(all, all.indices))
        func located(_ rows: [Int]) -> [Int] { rows.compactMap { places[$0] } }
        total = ordered.file.count
        pairs = all.map(ordered.pair)
        (strongest, weakest) = (located(rows.strongest), located(rows.weakest))
        (contradicted, biased) = (located(rows.contradicted), located(rows.biased))
    }
}
