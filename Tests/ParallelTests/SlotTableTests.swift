import Testing
import Transformer

@testable import Parallel

@Suite("Slots of gathered groups") struct SlotTableTests {
    /// Embedding, blocks and head of these sizes.
    private func table(_ sizes: [Int], _ policy: GatherPolicy) -> SlotTable {
        let blocks = sizes.indices.dropFirst().dropLast().map { ParameterGroup.block($0 - 1) }
        return SlotTable(groups: [.embedding] + blocks + [.head], sizes: sizes, policy: policy)
    }

    @Test func blocksTakeTurns() {
        var slots = table([10, 3, 5, 4, 7], .block)
        #expect(slots.sizes == [10, 5, 5, 7])
        var found: [[Int?]] = []
        for group in [0, 1, 2, 3, 2, 1, 4] {
            let place = slots.choose(for: group) { _ in true }
            found.append([place?.slot, place?.evicted])
        }
        #expect(found == [[0, nil], [1, nil], [2, nil], [1, 1], [2, 2], [1, 3], [3, nil]])
    }

    @Test func aGroupInUseStays() {
        var slots = table([1, 1, 1, 1, 1], .block)
        for (group, slot) in [(1, 1), (2, 2), (3, nil)] {
            let place = slots.choose(for: group) { _ in false }
            #expect(place?.slot == slot)
        }
        // The later one leaves when the earlier must not.
        let place = slots.choose(for: 3) { $0 == 2 }
        #expect(place?.slot == 2 && place?.evicted == 2)
        slots.forget()
        let first = slots.choose(for: 2) { _ in false }
        #expect(first?.slot == 1 && first?.evicted == nil)
    }

    @Test func aStepKeepsEveryGroup() {
        var slots = table([10, 3, 5, 4, 7], .step)
        #expect(slots.sizes == [10, 3, 5, 4, 7])
        for group in 0..<5 {
            let place = slots.choose(for: group) { _ in false }
            #expect(place?.slot == group)
        }
    }

    @Test(arguments: [GatherPolicy.block, .step]) func smallModels(_ policy: GatherPolicy) {
        #expect(table([8, 2], policy).sizes == [8, 2])
        #expect(table([8, 3, 2], policy).sizes == [8, 3, 2])
    }
}
