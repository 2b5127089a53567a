import Testing

@testable import Storage

/// Mistakes of the caller end the process, with optimisation too.
@Suite("Storage: preconditions") struct PreconditionTests {
    @Test func onlyPartialCheckpointsArePublished() async {
        await #expect(processExitsWith: .failure) {
            _ = try CheckpointDirectory.publish("step-00000001")
        }
    }

    @Test func oneCheckpointIsKept() async {
        await #expect(processExitsWith: .failure) {
            try CheckpointDirectory.prune(in: "/", keeping: 0)
        }
    }
}
