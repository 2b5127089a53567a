import Foundation
import Storage
import TestSupport
import Testing

/// Scoring and reference passes: what they leave does not depend on who computed it, or on interruptions.
@Suite(.serialized) struct ForwardPassTests {
    private static let files = ["coefficients.h5", "reference.h5"]

    /// Bytes behind the user block, which holds a digest of them, that differ between two files.
    private func differences(_ work: Workspace, _ a: String, _ b: String) throws -> Int {
        let (first, second) = (try work.bytes(a).dropFirst(512), try work.bytes(b).dropFirst(512))
        guard first.count == second.count else { return .max }
        return zip(first, second).count { $0 != $1 }
    }

    /// What the attributes `created` (20 characters) and `world_size` and the checksum of the header around them can
    /// change at most.
    private static let allowed = 20 + 8 + 8

    @Test func filesDoNotDependOnRanksOrInterruptions() throws {
        let work = try Workspace()
        try work.writeConfiguration()
        let passes = [
            "passes=[difference, score, reference]", "difference.steps=2", "score.chunk=1", "reference.chunk=3",
        ]
        #expect(try work.rdo(["run"], ranks: 1, set: passes).status == 0)
        // The configuration is part of the files, so all arms write to the same place.
        func keep(_ name: String) throws {
            for file in Self.files {
                try FileManager.default.copyItem(atPath: work.path("run/" + file), toPath: work.path(name + file))
                try FileManager.default.removeItem(atPath: work.path("run/" + file))
            }
        }
        try keep("one-")
        for ranks in [2, 3, 4] {
            let result = try work.rdo(["run"], ranks: ranks, set: passes)
            #expect(result.status == 0, "\(result.error)")
            try keep("\(ranks)-")
        }
        // Interrupted as often as it takes, each time continued by other ranks.
        var stops = 0
        for attempt in 0..<40 {
            let result = try work.rdo(["run"], ranks: 1 + attempt % 4, set: passes) { process in
                let partials = Self.files.map { work.path("run/\($0).partial") }
                while process.isRunning && !partials.contains(where: FileManager.default.fileExists(atPath:)) {
                    usleep(500)
                }
                usleep(20_000)
                kill(process.processIdentifier, SIGUSR1)
            }
            if result.status == 0 { break }
            // The signal can also come before the program has installed its handler, or after the last chunk.
            #expect(result.status == 75, "\(result.error)")
            #expect(result.error.contains("stored"), "\(result.error)")
            stops += 1
        }
        #expect(stops > 0)
        #expect(try work.rdo(["run"], ranks: 2, set: passes).status == 0)
        try keep("parts-")
        for file in Self.files {
            for arm in ["2-", "3-", "4-", "parts-"] {
                #expect(try differences(work, "one-" + file, arm + file) <= Self.allowed, "\(arm)\(file)")
            }
        }
    }

    /// With rows split over the ranks a team works in step; the numbers are the same.
    @Test func teamsComputeTheSame() throws {
        let work = try Workspace()
        try work.writeConfiguration()
        let first = try work.rdo(["run"], ranks: 1, set: ["passes=[difference]", "difference.steps=2"])
        #expect(first.status == 0, "\(first.error)")
        let passes = [
            "passes=[score, reference]", "score.chunk=5", "score.model=\(work.path("run/difference/model"))",
        ]
        let arms = [
            (1, []), (3, ["parallel.gather=block"]), (4, ["parallel.gather=block", "parallel.shards=2"]),
            (4, ["parallel.shared_memory=false"]),
        ]
        for (index, arm) in arms.enumerated() {
            let result = try work.rdo(["run"], output: "a\(index)", ranks: arm.0, set: passes + arm.1)
            #expect(result.status == 0, "\(result.error)")
        }
        let coefficients = try arms.indices.map {
            try CoefficientFile.read(work.path("a\($0)/coefficients.h5")).differences
        }
        let references = try arms.indices.map { try ReferenceFile.read(work.path("a\($0)/reference.h5")).logprobs }
        #expect(coefficients.allSatisfy { $0 == coefficients[0] } && coefficients[0].count == 48)
        #expect(references.allSatisfy { $0 == references[0] } && references[0].count == 96)
    }

    /// A scorer whose values are not numbers ends all ranks with one error and stores nothing wrong.
    @Test func aBadValueEndsAllRanks() throws {
        let work = try Workspace()
        try work.writeConfiguration()
        #expect(
            try work.rdo(["run"], ranks: 2, set: ["passes=[difference]", "difference.steps=1"]).status == 0)
        let weights = work.path("run/difference/model/model.safetensors")
        var bytes = try Data(contentsOf: URL(fileURLWithPath: weights))
        // The last floats of the file become NaN.
        for index in bytes.count - 64..<bytes.count { bytes[index] = 0xFF }
        try bytes.write(to: URL(fileURLWithPath: weights))
        for ranks in [1, 3] {
            let result = try work.rdo(["score"], ranks: ranks, timeout: 60)
            #expect(result.status == 5, "\(result.error)")
            #expect(result.error.split(separator: "\n").count { $0.hasPrefix("rdo: error:") } == 1, "\(result.error)")
        }
        #expect(!FileManager.default.fileExists(atPath: work.path("run/coefficients.h5")))
    }
}
