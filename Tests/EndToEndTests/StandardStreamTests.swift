import Foundation
import TestSupport
import Testing

/// An answer that cannot be written is an error; messages that nobody takes are none.
@Suite(.serialized) struct StandardStreamTests {
    /// Runs a line of the shell, in which `$RDO` is the program.
    private func shell(_ work: Workspace, _ line: String) throws -> ProcessResult {
        try CommandRunner.run(
            "/bin/sh", ["-c", "cd '\(work.directory.path)'; " + line], timeout: 60,
            environment: ["RDO": CommandRunner.products.appendingPathComponent("rdo").path])
    }

    private func scored() throws -> Workspace {
        let work = try Workspace(pairs: 8)
        try work.writeConfiguration()
        try work.succeeds(["passes=[difference, score]", "difference.steps=1"], output: "run", ranks: 0)
        return work
    }

    @Test func anAnswerThatIsLostIsAnError() throws {
        let work = try scored()
        for command in [
            "inspect run/coefficients.h5", "inspect run/coefficients.h5 --json", "export-pairs run/coefficients.h5",
            "export-lists run/coefficients.h5", "verify run/coefficients.h5", "status run", "run config.yaml --dry-run",
            "tokenize --model run/initial-model < train.jsonl", "--help", "help train", "--version",
        ] {
            for stream in [">/dev/full", ">&-"] {
                let result = try shell(work, "\"$RDO\" \(command) \(stream)")
                #expect(result.status == 2, "\(command) \(stream): \(result.error)")
                let lines = result.error.split(separator: "\n").filter { $0.contains("rdo: error:") }
                #expect(
                    lines.count == 1 && lines[0].contains("standard output: cannot write"),
                    "\(command) \(stream): \(result.error)")
            }
        }
    }

    /// A closed standard error has a number that the next file would get: no message may stand in one of them.
    @Test func lostMessagesStopNothing() throws {
        let work = try scored()
        let expected = try work.bytes("run/difference/model/model.safetensors")
        for (index, streams) in ["2>&-", "2>/dev/full", "<&- >&- 2>&-"].enumerated() {
            let output = "out\(index)"
            let result = try shell(
                work,
                "\"$RDO\" train difference config.yaml --set output=\(output) difference.steps=1 \(streams)")
            #expect(result.status == 0, "\(streams)")
            #expect(try work.bytes(output + "/difference/model/model.safetensors") == expected, "\(streams)")
            // Nor did messages go into a file with another purpose.
            let verified = try CommandRunner.run(
                "rdo", ["verify", work.path(output + "/difference/checkpoints/step-00000001")])
            #expect(verified.status == 0, "\(verified.error)")
            #expect(try String(contentsOfFile: work.path(output + "/rdo.log"), encoding: .utf8).contains("model in"))
        }
        #expect(try shell(work, "\"$RDO\" train difference config.yaml --set nothing=1 2>&-").status == 2)
    }
}
