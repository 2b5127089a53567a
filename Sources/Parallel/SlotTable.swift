import Transformer

/// Which slot each gathered group may use, and which group each slot holds.
///
/// Every group has a slot, but with `.block` all blocks take turns in two: the next arrives while this one is in use.
struct SlotTable {
    /// Floats of each slot.
    let sizes: [Int]
    /// Slots that each group may use.
    private let choices: [Range<Int>]
    /// Which group each slot holds, and when it got there.
    private var tenants: [(group: Int, arrival: Int)?]
    private var clock = 0

    /// - Parameter sizes: floats of each whole group.
    init(groups: [ParameterGroup], sizes: [Int], policy: GatherPolicy) {
        let blocks = groups.indices.filter { groups[$0].isBlock }
        let turns = policy == .step ? nil : blocks.first.map { $0..<($0 + min(2, blocks.count)) }
        var slotSizes: [Int] = []
        choices = groups.indices.map { index in
            if let turns, groups[index].isBlock {
                if slotSizes.count == turns.lowerBound {
                    slotSizes += turns.map { _ in blocks.map { sizes[$0] }.max() ?? 0 }
                }
                return turns
            }
            slotSizes.append(sizes[index])
            return (slotSizes.count - 1)..<slotSizes.count
        }
        self.sizes = slotSizes
        tenants = Array(repeating: nil, count: slotSizes.count)
    }

    /// A slot for `group`: an empty one, else the one whose tenant came first among those that `isFree` allows to leave.
    mutating func choose(for group: Int, isFree: (Int) -> Bool) -> (slot: Int, evicted: Int?)? {
        let candidates = choices[group].filter { slot in tenants[slot].map { isFree($0.group) } ?? true }
        func arrival(_ slot: Int) -> Int { tenants[slot]?.arrival ?? 0 }
        guard let slot = candidates.min(by: { arrival($0) < arrival($1) }) else { return nil }
        let evicted = tenants[slot]?.group
        clock += 1
        tenants[slot] = (group, clock)
        return (slot, evicted)
    }

    mutating func forget() { tenants = Array(repeating: nil, count: tenants.count) }
}
