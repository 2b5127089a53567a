import Coding
import CHDF5
import Diagnostics
import Foundation
import Testing

@testable import Storage

/// A small model of three parameters, split by rows over any number of shards.
enum SavedRun {
    static let shapes: [(name: String, shape: [Int])] = [
        ("model.embed_tokens.weight", [37, 8]), ("model.layers.0.mlp.up_proj.weight", [24, 5]),
        ("model.norm.weight", [8]), ("score.weight", [1, 8]),
    ]

    static func values(_ kind: CheckpointKind, _ name: String, _ shape: [Int], step: Int) -> [Float] {
        let offset = Float(kind.group.count * 1000 + name.count * 10 + step)
        return (0..<shape.reduce(1, *)).map { offset + Float($0) / 16 }
    }

    static func state(step: Int) -> CheckpointState {
        CheckpointState(
            step: step, samplesConsumed: 64 * step, epoch: 1, seed: .max - 3, task: "dpo", schedule: "cosine",
            referenceDigest: "abc", blasCore: "Haswell", blasThreads: 1, extra: ["kto_baseline": "0.125", "note": "ü"])
    }

    static func rows(_ count: Int, shard: Int, of shards: Int) -> Range<Int> {
        count * shard / shards..<count * (shard + 1) / shards
    }

    static func writeShards(
        _ directory: String, step: Int, shards: Int, kinds: [CheckpointKind] = CheckpointKind.allCases
    ) throws -> [WrittenShard] {
        try (0..<shards).map { shard in
            let writer = try CheckpointShardWriter(
                directory: directory, shard: shard, of: shards, id: "id-\(step)", header: Sample.header)
            for kind in kinds {
                for (name, shape) in shapes {
                    let rows = rows(shape[0], shard: shard, of: shards)
                    let size = shape.dropFirst().reduce(1, *)
                    let slice = values(kind, name, shape, step: step)[rows.lowerBound * size..<rows.upperBound * size]
                    try slice.withUnsafeBufferPointer {
                        try writer.write(kind: kind, name: name, shape: shape, rows: rows, values: $0)
                    }
                }
            }
            let written = try writer.close()
            // As it goes from rank to rank.
            let received = try WrittenShard(message: written.message)
            #expect(received == written)
            return received
        }
    }

    /// The path of a published checkpoint.
    @discardableResult
    static func save(
        _ root: String, step: Int, shards: Int = 3, kinds: [CheckpointKind] = CheckpointKind.allCases
    ) throws -> String {
        let partial = try CheckpointDirectory.begin(in: root, step: step)
        let written = try writeShards(partial, step: step, shards: shards, kinds: kinds)
        try CheckpointIndex.write(
            directory: partial, id: "id-\(step)", shards: written, state: state(step: step), header: Sample.header)
        return try CheckpointDirectory.publish(partial)
    }

    /// True when every value that the checkpoint gives is the one that was saved.
    static func isIntact(_ checkpoint: Checkpoint, step: Int) throws -> Bool {
        try CheckpointKind.allCases.allSatisfy { kind in
            try shapes.allSatisfy { name, shape in
                try checkpoint.read(kind, name) == values(kind, name, shape, step: step)
            }
        }
    }
}

@Suite("Checkpoints") struct CheckpointTests {
    @Test(arguments: [1, 2, 3, 7]) func loadsOnAnyNumberOfRanks(shards: Int) throws {
        let scratch = try Scratch()
        let path = try SavedRun.save(scratch.path, step: 100, shards: shards)
        #expect(path == scratch.path + "/step-00000100")
        let checkpoint = try Checkpoint.open(path)
        #expect(checkpoint.state == SavedRun.state(step: 100))
        #expect(checkpoint.header.schema == "rdo.checkpoint/1" && checkpoint.header.worldSize == 3)
        #expect(checkpoint.parameters.map(\.name) == SavedRun.shapes.map(\.name).sorted())
        #expect(checkpoint.shape(.model, "score.weight") == [1, 8])
        #expect(checkpoint.hasOptimizer && checkpoint.shards.count == shards)
        try checkpoint.verify()
        for kind in CheckpointKind.allCases {
            for (name, shape) in SavedRun.shapes {
                let whole = SavedRun.values(kind, name, shape, step: 100)
                let size = shape.dropFirst().reduce(1, *)
                for ranks in [1, 2, 5] {
                    for rank in 0..<ranks {
                        let rows = SavedRun.rows(shape[0], shard: rank, of: ranks)
                        let expected = Array(whole[rows.lowerBound * size..<rows.upperBound * size])
                        #expect(try checkpoint.read(kind, name, rows: rows) == expected)
                    }
                }
            }
        }
        artefactError { _ = try checkpoint.read(.model, "absent") }
    }

    @Test func largeArraysSpanChunks() throws {
        let scratch = try Scratch()
        let shape = [3000, 400]
        let values = (0..<1_200_000).map { Float($0) }
        let writer = try CheckpointShardWriter(
            directory: scratch.path, shard: 0, of: 1, id: "x", header: Sample.header)
        try values.withUnsafeBufferPointer {
            try writer.write(kind: .model, name: "w", shape: shape, rows: 0..<3000, values: $0)
        }
        try CheckpointIndex.write(
            directory: scratch.path, id: "x", shards: [writer.close()], state: SavedRun.state(step: 1),
            header: Sample.header)
        let checkpoint = try Checkpoint.open(scratch.path + "/index.h5")
        #expect(!checkpoint.hasOptimizer)
        #expect(try checkpoint.read(.model, "w") == values)
        #expect(try checkpoint.read(.model, "w", rows: 650..<1990) == Array(values[650 * 400..<1990 * 400]))
    }

    @Test func rowsMustBeComplete() throws {
        let scratch = try Scratch()
        let shards = try SavedRun.writeShards(scratch.path, step: 1, shards: 3)
        try FileManager.default.removeItem(atPath: scratch.file("shard-00001-of-00003.h5"))
        let writer = try CheckpointShardWriter(
            directory: scratch.path, shard: 1, of: 3, id: "id-1", header: Sample.header)
        let empty = try writer.close()
        let error = artefactError {
            try CheckpointIndex.write(
                directory: scratch.path, id: "id-1", shards: [shards[0], empty, shards[2]],
                state: SavedRun.state(step: 1), header: Sample.header)
        }
        #expect(error?.what.contains("exactly once") == true)
        // The rank that writes the index does not see what another wrote.
        let unseen = artefactError {
            try CheckpointIndex.write(
                directory: scratch.path, id: "id-1", shards: shards, state: SavedRun.state(step: 1),
                header: Sample.header)
        }
        #expect(unseen?.what.contains("bytes here and") == true)
    }

    /// The arrays of a model of 7 billion parameters on 256 ranks: what each of them reads to open the checkpoint.
    @Test func theIndexOfManyShards() throws {
        let scratch = try Scratch()
        let shapes = (0..<32).flatMap { layer in
            [4096, 4096, 4096, 4096, 11008, 11008, 4096, 1, 1].enumerated().map {
                ("layer.\(layer).\($0)", [$1, 4096])
            }
        }
        let shards = try (0..<256).map { shard in
            let name = CheckpointLayout.shardName(shard, of: 256)
            try Data().write(to: URL(fileURLWithPath: scratch.file(name)))
            let parts = CheckpointKind.allCases.flatMap { kind in
                shapes.compactMap { name, shape -> CheckpointPart? in
                    let rows = SavedRun.rows(shape[0], shard: shard, of: 256)
                    return rows.isEmpty ? nil : CheckpointPart(kind: kind, name: name, shape: shape, rows: rows)
                }
            }
            return WrittenShard(digest: Digest.of([UInt8]()), byteCount: 0, parts: parts)
        }
        let message = try #require(shards.last).message.count
        let clock = ContinuousClock()
        let write = try clock.measure {
            try CheckpointIndex.write(
                directory: scratch.path, id: "x", shards: shards, state: SavedRun.state(step: 1),
                header: Sample.header)
        }
        var opened: Checkpoint?
        let open = try clock.measure { opened = try Checkpoint.open(scratch.path) }
        #expect(opened?.parameters.count == shapes.count && opened?.shards.count == 256)
        let bytes = try size(of: scratch.file("index.h5"))
        print(
            "256 shards of 864 arrays: \(message) bytes from a rank, written in \(write), \(bytes) bytes, opened in \(open)"
        )
    }

    @Test func everyFlippedByteIsFound() throws {
        let scratch = try Scratch()
        let path = try SavedRun.save(scratch.path, step: 5, shards: 2)
        for name in try FileManager.default.contentsOfDirectory(atPath: path).sorted() {
            let file = path + "/" + name
            for offset in stride(from: 0, to: try size(of: file), by: name == "digests" ? 1 : 29) {
                try flipBit(offset % 8, ofByte: offset, in: file)
                let error = artefactError { try Checkpoint.open(path).verify() }
                if name.hasPrefix("shard") { #expect(error?.place == file) }
                // Even unverified, a damaged checkpoint gives an error or the right values.
                if let checkpoint = try? Checkpoint.open(path), let intact = try? SavedRun.isIntact(checkpoint, step: 5)
                {
                    #expect(intact, "byte \(offset) of \(name)")
                }
                try flipBit(offset % 8, ofByte: offset, in: file)
            }
        }
        try Checkpoint.open(path).verify()
    }

    @Test func missingAndTruncatedFilesAreNamed() throws {
        let scratch = try Scratch()
        let path = try SavedRun.save(scratch.path, step: 5, shards: 2)
        for name in try FileManager.default.contentsOfDirectory(atPath: path) {
            let file = path + "/" + name
            let data = try Data(contentsOf: URL(fileURLWithPath: file))
            try data.dropLast().write(to: URL(fileURLWithPath: file))
            let truncated = artefactError { _ = try Checkpoint.open(path) }
            try FileManager.default.removeItem(atPath: file)
            let missing = artefactError { _ = try Checkpoint.open(path) }
            #expect(missing?.place == file)
            if name != "digests" { #expect(truncated?.place == file) }
            try data.write(to: URL(fileURLWithPath: file))
        }
        try Checkpoint.open(path).verify()
    }

    @Test func shardsOfAnotherCheckpointAreRefused() throws {
        let scratch = try Scratch()
        let first = try SavedRun.save(scratch.path, step: 1)
        let second = try SavedRun.save(scratch.path, step: 2)
        let name = "/shard-00001-of-00003.h5"
        try FileManager.default.removeItem(atPath: second + name)
        try FileManager.default.copyItem(atPath: first + name, toPath: second + name)
        let read = artefactError { _ = try Checkpoint.open(second).read(.model, "model.embed_tokens.weight") }
        #expect(read?.place == second + name)
        #expect(artefactError { try Checkpoint.open(second).verify() }?.place == second + name)
    }

    @Test func theNewestCompleteOneIsFound() throws {
        let scratch = try Scratch()
        #expect(try CheckpointDirectory.list(in: scratch.file("none")).isEmpty)
        for step in [9, 10, 11] { try SavedRun.save(scratch.path, step: step) }
        // A save that was interrupted before its name was given, and one that was interrupted earlier.
        _ = try SavedRun.writeShards(CheckpointDirectory.begin(in: scratch.path, step: 12), step: 12, shards: 2)
        artefactError {
            try CheckpointDirectory.publish(CheckpointDirectory.path(in: scratch.path, step: 12) + ".partial")
        }
        #expect(try steps(scratch) == [11, 10, 9])
    }

    private func steps(_ scratch: Scratch) throws -> [Int] {
        try CheckpointDirectory.list(in: scratch.path).map { Int($0.suffix(8)) ?? -1 }
    }

    @Test func savingAStepAgainReplacesIt() throws {
        let scratch = try Scratch()
        try SavedRun.save(scratch.path, step: 3, shards: 1)
        let path = try SavedRun.save(scratch.path, step: 3, shards: 4)
        #expect(try Checkpoint.open(path).shards.count == 4)
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.path) == ["step-00000003"])
    }

    @Test func pruningKeepsTheNewest() throws {
        let scratch = try Scratch()
        for step in 1...4 { try SavedRun.save(scratch.path, step: step, shards: 2, kinds: [.model]) }
        #expect(try CheckpointDirectory.hasMore(in: scratch.path, than: 3))
        try CheckpointDirectory.prune(in: scratch.path, keeping: 3)
        #expect(try steps(scratch) == [4, 3, 2])
        #expect(try !CheckpointDirectory.hasMore(in: scratch.path, than: 3))
    }

    /// Whoever goes back to an older step loses the newer ones only when a new one is complete.
    @Test func newerOnesArePutAside() throws {
        let scratch = try Scratch()
        for step in 1...4 { try SavedRun.save(scratch.path, step: step, shards: 1, kinds: [.model]) }
        let aside = try CheckpointDirectory.supersede(in: scratch.path, after: 2)
        #expect(aside.map { $0.suffix(20) } == ["00000004-superseded", "00000003-superseded"].map { "-" + $0 })
        #expect(try steps(scratch) == [2, 1])
        try Checkpoint.open(#require(aside.first)).verify()
        #expect(CheckpointDirectory.isIn(scratch.path + "/", aside[0] + "/"))
        #expect(!CheckpointDirectory.isIn(scratch.path + "/other", aside[0]))
        // Again, over what was put aside before.
        try SavedRun.save(scratch.path, step: 3, shards: 1, kinds: [.model])
        #expect(try CheckpointDirectory.supersede(in: scratch.path, after: 2).count == 1)
        #expect(try CheckpointDirectory.hasMore(in: scratch.path, than: 5))
        try CheckpointDirectory.prune(in: scratch.path, keeping: 5)
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: scratch.path).sorted() == [
                "step-00000001", "step-00000002",
            ])
        #expect(try CheckpointDirectory.supersede(in: scratch.path, after: -1).count == 2)
        #expect(try steps(scratch).isEmpty)
    }

    /// A run on a thousand ranks leaves more shards than a process may have open files.
    @Test func manyShardsDoNotStayOpen() throws {
        let scratch = try Scratch()
        let checkpoint = try Checkpoint.open(SavedRun.save(scratch.path, step: 5, shards: 80))
        func open() throws -> Int { try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count }
        let before = try open()
        #expect(try SavedRun.isIntact(checkpoint, step: 5))
        // Other tests of this process open files too.
        #expect(try open() - before < 60)
        withExtendedLifetime(checkpoint) {}
    }
}
