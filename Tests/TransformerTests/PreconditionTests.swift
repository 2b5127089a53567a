import Testing

@testable import Transformer

/// Mistakes of the caller end the process, with optimisation too.
@Suite("Transformer: preconditions") struct PreconditionTests {
    @Test func anAdaptationHasATarget() async {
        await #expect(processExitsWith: .failure) {
            _ = LowRankAdaptation(rank: 2, alpha: 4, targets: [])
        }
    }

    @Test func aParameterIsAVectorOrAMatrix() async {
        await #expect(processExitsWith: .failure) {
            _ = ParameterSpec(name: "x", shape: [2, 3, 4], role: .norm, group: .head)
        }
    }
}
