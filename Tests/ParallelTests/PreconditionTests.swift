import Testing

@testable import Parallel

/// Mistakes of the caller end the process, with optimisation too.
@Suite("Parallel: preconditions") struct PreconditionTests {
    @Test func onlyShardsThatExistHaveRows() async {
        await #expect(processExitsWith: .failure) {
            _ = RowPartition(rows: 3, shards: 2)[2]
        }
    }
}
