/// Pairs of a coefficient file that are worth reading: the ends of several orders, each pair once however often it is
/// named.
package struct BrowsedPairs: Encodable, Sendable {
    /// How many pairs they were chosen from.
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
        let bySize = ordered.places(by: .absolute)
        let contradictions = ordered.values(by: .contradiction)
        let places = (
            strongest: Array(bySize.suffix(count).reversed()), weakest: Array(bySize.prefix(count)),
            contradicted: ordered.places(by: .contradiction).suffix(count).reversed().filter { contradictions[$0] > 0 },
            biased: Array(ordered.places(by: .bias).suffix(count).reversed())
        )
        let all = Set(places.strongest + places.weakest + places.contradicted + places.biased).sorted()
        let shown = Dictionary(uniqueKeysWithValues: zip(all, all.indices))
        func located(_ places: [Int]) -> [Int] { places.compactMap { shown[$0] } }
        total = ordered.count
        pairs = all.map(ordered.pair)
        (strongest, weakest) = (located(places.strongest), located(places.weakest))
        (contradicted, biased) = (located(places.contradicted), located(places.biased))
    }
}
