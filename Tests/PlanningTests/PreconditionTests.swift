import Testing

@testable import Planning

/// Mistakes of the caller end the process, with optimisation too.
@Suite("Planning: preconditions") struct PreconditionTests {
    @Test func aMeanIsOfSomething() async {
        await #expect(processExitsWith: .failure) {
            _ = StepPlan(meanOf: [])
        }
    }
}
