import Diagnostics
import Foundation
import Methods
import Passes
import Settings
import TestSupport
import Testing

@testable import Planning

@Suite("Machine files") struct MachineFileTests {
    /// `rdo bench --out` replaces profiles in a file of its own kind and nothing else.
    @Test(arguments: ["precious", "{}", ""]) func foreignFilesStay(_ content: String) throws {
        let directory = try TemporaryDirectory()
        let path = try directory.write(content, to: "notes.txt")
        #expect(throws: RDOError.self) { try MachineFile.merge(.example(ranks: 1), into: path) }
        #expect(try String(contentsOfFile: path, encoding: .utf8) == content)
    }

    @Test func profilesAreKeptByRanks() throws {
        let path = try TemporaryDirectory().path + ".json"
        defer { unlink(path) }
        for ranks in [2, 1, 2] { try MachineFile.merge(.example(ranks: ranks), into: path) }
        #expect(try MachineFile.read(path).profiles.map(\.ranksPerNode) == [1, 2])
    }
}

extension MachineProfile {
    fileprivate static func example(ranks: Int) -> MachineProfile {
        let rate = Rate(size: 64, forward: 1e9, training: 1e9)
        return MachineProfile(
            ranksPerNode: ranks, software: "test", gemmPeak: 1e9, blocks: [rate], attention: [rate], head: [rate],
            streamBandwidth: 1e9, optimizerRate: 1e6, reduceBandwidth: 1e9, reduceLatency: 0, baseBytes: 0)
    }
}
