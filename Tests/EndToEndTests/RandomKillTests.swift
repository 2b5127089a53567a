import Foundation
import TestSupport
import Testing

/// A whole pipeline whose ranks are killed at any moment, in saves and exports too, and started again on other numbers of
/// ranks ends in the bits of the undisturbed run and leaves nothing half-made. `RDO_KILLS` says how many kills (20).
@Suite(.serialized) struct RandomKillTests {
    private static let set =
        [
            "passes=[sft, difference, score, reference, dpo]", "score.chunk=2", "reference.chunk=2",
            "dpo.keep_checkpoints=1",
        ]
        + ["sft", "difference", "dpo"].flatMap {
            ["\($0).steps=4", "\($0).checkpoint_every=1", "\($0).batch_size=8", "\($0).micro_batches=8"]
        }

    @Test func anyKillEndsInTheSameBits() throws {
        let kills = ProcessInfo.processInfo.environment["RDO_KILLS"].flatMap { Int($0) } ?? 20
        let work = try Workspace(pairs: 24)
        try work.writeConfiguration()
        let undisturbed = try work.rdo(["run"], output: "whole", ranks: 2, set: Self.set)
        #expect(undisturbed.status == 0, "\(undisturbed.error)")
        let files = ["sft", "difference", "dpo"].map { "\($0)/model/model.safetensors" }
        let whole = try files.map { try work.bytes("whole/" + $0) }
        var random = SystemRandomNumberGenerator()
        var (killed, finished, output) = (0, 0, "run-0")
        while killed < kills || finished == 0 {
            let ranks = [1, 2, 4].randomElement(using: &random) ?? 1
            let delay = Double.random(in: 0.05...undisturbed.seconds, using: &random)
            let result = try work.rdo(["run"], output: output, ranks: ranks, set: Self.set) { launcher in
                guard killed < kills else { return }
                let moment = Date() + delay
                while launcher.isRunning && Date() < moment { usleep(500) }
                guard launcher.isRunning, let victim = CommandRunner.ranks(of: launcher).randomElement() else {
                    return
                }
                kill(victim, SIGKILL)
                killed += 1
            }
            guard result.status == 0 else {
                // Never a damaged artefact, a mistaken identity or bad data.
                #expect(![2, 3, 4, 5].contains(result.status), "\(result.error)")
                continue
            }
            #expect(try files.map { try work.bytes("\(output)/" + $0) } == whole, "after \(killed) kills")
            try expectNothingLeft(in: work.path(output))
            finished += 1
            output = "run-\(finished)"
        }
    }

    /// No file or directory under a name of its making, and every artefact verifies.
    private func expectNothingLeft(in output: String) throws {
        let names = FileManager.default.enumerator(atPath: output)?.compactMap { $0 as? String } ?? []
        let left = names.filter { name in
            [".partial", ".writing", ".replaced", "-superseded"].contains { name.contains($0) }
        }
        #expect(left.isEmpty, "\(left)")
        let artefacts = names.filter { name in
            name.hasSuffix(".h5") && !name.contains("/")
                || URL(fileURLWithPath: name).lastPathComponent.hasPrefix("step-")
        }
        #expect(artefacts.count >= 6)
        let verified = try CommandRunner.run("rdo", ["verify"] + artefacts.map { output + "/" + $0 })
        #expect(verified.status == 0, "\(verified.error)")
    }
}
