import TestSupport
import Testing

/// The first cases of `make fuzz`: whatever the input, the right exit code and one line, in bounded time and memory.
@Suite(.serialized) struct FuzzTests {
    @Test(.enabled(if: Python.has("json"), "there is no Python"))
    func mutatedInputsAreTakenWell() throws {
        let program = CommandRunner.products.appendingPathComponent("rdo").path
        let result = try Python.run(script: "fuzz.py", [program, "--cases", "232"])
        #expect(result.status == 0, "\(result.output) \(result.error)")
    }
}
