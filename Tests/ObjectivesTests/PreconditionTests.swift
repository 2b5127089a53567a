import Testing

@testable import Objectives

/// Mistakes of the caller end the process, with optimisation too.
@Suite("Objectives: preconditions") struct PreconditionTests {
    @Test func betaIsPositive() async {
        await #expect(processExitsWith: .failure) {
            _ = KTOObjective(beta: 0)
        }
    }

    @Test func aListHasResponses() async {
        await #expect(processExitsWith: .failure) {
            _ = ListRanking.best([])
        }
    }
}
