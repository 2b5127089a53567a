/// A global batch cut into leaves (micro-batches).
public struct BatchPlan: Sendable, Equatable {
    /// Positions within the batch, ascending in each leaf; every position is in exactly one leaf.
    public let leaves: [[Int]]
    /// Summed cost of each leaf.
    public let costs: [Double]

    /// The costliest leaf's share over the mean one's: 1 is perfect balance.
    public var imbalance: Double {
        let total = costs.reduce(0, +)
        return total > 0 ? (costs.max() ?? 0) * Double(costs.count) / total : 1
    }
}

/// Cuts global batches into leaves of about equal cost, the same on every rank and for every number of ranks.
public enum BatchPlanner {
    /// Longest processing time first (Graham 1969): examples from the costliest to the cheapest, each into the leaf with
    /// the least cost so far. Equal examples go by position, equal leaves by index.
    ///
    /// - Parameters:
    ///   - costs: of each example of the batch, finite and not negative.
    ///   - leaves: how many leaves; some are empty when the batch has fewer examples.
    public static func plan(costs: [Double], leaves: Int) -> BatchPlan {
        precondition(leaves > 0, "a batch needs a leaf")
        var members = [[Int]](repeating: [], count: leaves)
        var loads = [Double](repeating: 0, count: leaves)
        let order = costs.indices.sorted { costs[$0] == costs[$1] ? $0 < $1 : costs[$0] > costs[$1] }
        for position in order {
            var lightest = 0
            for leaf in 1..<leaves where loads[leaf] < loads[lightest] { lightest = leaf }
            members[lightest].append(position)
            loads[lightest] += costs[position]
        }
        return BatchPlan(leaves: members.map { $0.sorted() }, costs: loads)
    }
}
