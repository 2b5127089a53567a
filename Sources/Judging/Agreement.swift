/// How far several raters agree beyond chance: Fleiss' κ (1971) over the items that all of them rated.
package struct Agreement: Encodable, Sendable, Equatable {
    package let raters: Int
    package let items: Int
    /// Nil when all ratings are the same: chance alone would explain them.
    package let kappa: Double?

    /// κ = (P − Pₑ) / (1 − Pₑ): P is the mean share of agreeing pairs of raters, Pₑ the sum of the categories' squared
    /// shares.
    /// - Parameter ratings: of each item one category from each rater.
    /// - Returns: nil with fewer than two raters or without an item.
    /// - Precondition: every item has as many ratings.
    package init?<Category: Hashable>(of ratings: [[Category]]) {
        guard let raters = ratings.first?.count, raters > 1 else { return nil }
        precondition(ratings.allSatisfy { $0.count == raters }, "every item has a rating of every rater")
        let n = Double(raters)
        var totals: [Category: Double] = [:]
        var agreeing = 0.0
        for item in ratings {
            var counts: [Category: Double] = [:]
            for category in item { counts[category, default: 0] += 1 }
            agreeing += counts.values.reduce(0) { $0 + $1 * ($1 - 1) } / (n * (n - 1))
            totals.merge(counts, uniquingKeysWith: +)
        }
        let items = Double(ratings.count)
        let chance = totals.values.reduce(0) { $0 + ($1 / (items * n)) * ($1 / (items * n)) }
        (self.raters, self.items) = (raters, ratings.count)
        kappa = totals.count > 1 ? (agreeing / items - chance) / (1 - chance) : nil
    }
}
