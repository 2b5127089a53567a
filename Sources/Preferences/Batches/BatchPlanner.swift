/// A global batch cut into leaves (micro-batches).
package struct BatchPlan: Sendable, Equatable {
    /// Positions within the batch, ascending in each leaf; every position is in exactly one leaf.
    package let leaves: [[Int]]
    /// Summed cost of each leaf, from the costliest to the cheapest.
    package let costs: [Double]

    /// The costliest leaf's share over the mean one's: 1 is perfect balance.
    package var leafImbalance: Double { rankImbalance(ranks: costs.count) }

    /// How much longer the ranks take than with perfect balance: leaf `l` runs on rank `l mod ranks` at sub-step
    /// `l div ranks`, and a sub-step lasts as long as its costliest leaf.
    package func rankImbalance(ranks: Int) -> Double {
        let total = costs.reduce(0, +)
        let slowest = stride(from: 0, to: costs.count, by: ranks).reduce(0.0) { sum, first in
            sum + (costs[first..<min(first + ranks, costs.count)].max() ?? 0)
        }
        return total > 0 ? slowest * Double(ranks) / total : 1
    }
}

/// Cuts global batches into leaves of about equal cost, the same on every rank and for every number of ranks.
package enum BatchPlanner {
    /// Longest processing time first (Graham 1969): examples from the costliest to the cheapest, each into the leaf with
    /// the least cost so far. An example that costs more than a mean leaf stands alone, beside a leaf filled up to the
    /// same cost, so that two ranks have as much to do while it runs. Equal examples go by position, equal leaves by
    /// index. Leaves come out from the costliest to the cheapest, so that those of one sub-step are alike.
    ///
    /// - Parameters:
    ///   - costs: of each example of the batch, finite and not negative.
    ///   - leaves: how many leaves; some are empty when the batch has fewer examples.
    ///   - fits: whether these examples may stand beside one that costs more than a mean leaf.
    package static func plan(
        costs: [Double], leaves: Int, fits: ([Int]) -> Bool = { _ in true }
    ) -> BatchPlan {
        precondition(leaves > 0, "a batch needs a leaf")
        var rest = costs.indices.sorted { costs[$0] == costs[$1] ? $0 < $1 : costs[$0] > costs[$1] }
        var members: [[Int]] = []
        func load(_ leaf: [Int]) -> Double { leaf.reduce(0) { $0 + costs[$1] } }
        while leaves - members.count >= 3, rest.count > leaves - members.count, let longest = rest.first,
            costs[longest] * Double(leaves - members.count) > load(rest)
        {
            rest.removeFirst()
            var partner: [Int] = []
            for position in rest where load(partner + [position]) <= costs[longest] && fits(partner + [position]) {
                partner.append(position)
            }
            rest.removeAll { partner.contains($0) }
            members += [[longest], partner]
        }
        members += longestFirst(rest, costs, leaves: leaves - members.count)
        let ordered = members.map { $0.sorted() }.map { (leaf: $0, cost: load($0)) }.enumerated().sorted { a, b in
            a.element.cost == b.element.cost ? a.offset < b.offset : a.element.cost > b.element.cost
        }
        return BatchPlan(leaves: ordered.map(\.element.leaf), costs: ordered.map(\.element.cost))
    }

    private static func longestFirst(_ order: [Int], _ costs: [Double], leaves: Int) -> [[Int]] {
        var members = [[Int]](repeating: [], count: leaves)
        var loads = [Double](repeating: 0, count: leaves)
        for position in order {
            let lightest = loads.indices.min { loads[$0] < loads[$1] } ?? 0
            members[lightest].append(position)
            loads[lightest] += costs[position]
        }
        return members
    }

    /// The same with `leaves` leaves, or the least multiple of it that leaves none with more than `limit` tokens. An
    /// example that is longer stands alone.
    ///
    /// - Parameter tokens: of each example of the batch.
    package static func plan(costs: [Double], leaves: Int, tokens: [Int], limit: Int) -> BatchPlan {
        func fits(_ leaf: [Int]) -> Bool { leaf.count <= 1 || leaf.reduce(0) { $0 + tokens[$1] } <= limit }
        var count = leaves
        while true {
            let plan = plan(costs: costs, leaves: count, fits: fits)
            // With as many leaves as examples each stands alone.
            if plan.leaves.allSatisfy(fits) || count >= costs.count { return plan }
            count += leaves
        }
    }
}
