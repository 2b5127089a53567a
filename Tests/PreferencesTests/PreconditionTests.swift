import Testing

@testable import Preferences

/// Mistakes of the caller end the process, with optimisation too.
@Suite("Preferences: preconditions") struct PreconditionTests {
    @Test func aBatchHasALeaf() async {
        await #expect(processExitsWith: .failure) {
            _ = BatchPlanner.plan(costs: [1, 2], leaves: 0)
        }
    }

    @Test func thereIsNoOrderOfNothing() async {
        await #expect(processExitsWith: .failure) {
            _ = SampleOrder(count: 0, seed: 1, shuffle: true)
        }
    }
}
