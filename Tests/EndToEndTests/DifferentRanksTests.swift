import Foundation
import TestSupport
import Testing

/// Ranks that were not started alike: one line that names the first difference and the rank, and nothing is written.
@Suite(.serialized) struct DifferentRanksTests {
    private let work: Workspace
    /// Every rank runs in a directory of its own, as nodes without a common file system would.
    private let launcher: String

    init() throws {
        work = try Workspace(pairs: 8)
        let configuration = try String(contentsOfFile: work.writeConfiguration(), encoding: .utf8)
            .replacingOccurrences(of: work.path(""), with: "")
        for rank in 0..<3 {
            try work.directory.write(configuration, to: "\(rank)/config.yaml")
            for name in ["train.jsonl", "test.jsonl"] {
                try work.directory.write(String(decoding: work.bytes(name), as: UTF8.self), to: "\(rank)/\(name)")
            }
        }
        launcher = try work.directory.write(
            """
            #!/bin/sh
            cd "\(work.directory.path)/$OMPI_COMM_WORLD_RANK"
            if [ "$OMPI_COMM_WORLD_RANK" = 1 ]; then set -- "$@" $ONLY_RANK_1; fi
            exec "$PROGRAM" "$@"
            """, to: "launcher")
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: launcher)
    }

    private func check(
        _ arguments: [String] = ["train", "difference", "config.yaml", "--set", "difference.steps=1"],
        onlyRank1: String = "", mentions: String, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let result = try CommandRunner.run(
            launcher, arguments, ranks: 3, timeout: 60,
            environment: [
                "PROGRAM": CommandRunner.products.appendingPathComponent("rdo").path, "ONLY_RANK_1": onlyRank1,
            ])
        #expect(result.status == 2, "\(result.error)", sourceLocation: sourceLocation)
        let lines = result.error.split(separator: "\n").filter { $0.contains("rdo: error:") }
        let expected = "the ranks were started differently: " + mentions
        #expect(
            lines.count == 1 && lines[0].contains(expected), "\(result.error)", sourceLocation: sourceLocation)
        #expect(!FileManager.default.fileExists(atPath: work.path("0/run")), sourceLocation: sourceLocation)
    }

    @Test func ofTheCommand() throws {
        try check(onlyRank1: "seed=4", mentions: "the command of rank 1 has seed=4, of rank 0 nothing;")
        // Also where it would be an error of that rank alone, or another command.
        try check(onlyRank1: "nothing=4", mentions: "the command of rank 1 has nothing=4, of rank 0 nothing;")
        try check(onlyRank1: "--resume never", mentions: "the command of rank 1 has --resume, of rank 0 nothing;")
    }

    @Test func ofTheConfiguration() throws {
        let text = try String(contentsOfFile: work.path("2/config.yaml"), encoding: .utf8)
        try work.directory.write(text.replacingOccurrences(of: "seed: 3", with: "seed: 5"), to: "2/config.yaml")
        try check(mentions: "the configuration of rank 2 has seed: 5, of rank 0 seed: 3;")
    }

    /// Comments and values that are the defaults make no other start.
    @Test func spellingsAreNoDifference() throws {
        let text = try String(contentsOfFile: work.path("1/config.yaml"), encoding: .utf8)
        try work.directory.write("# a comment\n" + text + "kto: { batch_size: 64 }\n", to: "1/config.yaml")
        try work.directory.write(text + "kto: { batch_size: 9 }\n", to: "2/config.yaml")
        try check(mentions: "the configuration of rank 2 has kto.batch_size: 9, of rank 0 kto.batch_size: 64;")
    }

    @Test func ofTheData() throws {
        let size = try work.bytes("train.jsonl").count
        try work.directory.write(String(decoding: work.bytes("train.jsonl"), as: UTF8.self) + "\n", to: "1/train.jsonl")
        try check(
            mentions: "the data of rank 1 has train.jsonl of \(size + 1) bytes, of rank 0 train.jsonl of \(size) bytes;"
        )
        try FileManager.default.removeItem(atPath: work.path("1/train.jsonl"))
        try check(mentions: "the data of rank 1 has no train.jsonl, of rank 0 train.jsonl of \(size) bytes;")
    }
}
