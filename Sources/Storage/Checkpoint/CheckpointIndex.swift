import Coding
import Diagnostics
import Foundation

/// Writes what makes a directory of shards a checkpoint: `index.h5` and `digests`.
package enum CheckpointIndex {
    /// Called by one rank, after every shard is closed.
    ///
    /// - Parameters:
    ///   - shards: what `CheckpointShardWriter.close()` returned, in the order of the shards.
    ///   - id: the same as in the shards.
    /// - Throws: `RDOError(.artefact)` naming the shard that is missing or incomplete here, or the array whose rows are.
    package static func write(
        directory: String, id: String, shards: [WrittenShard], state: CheckpointState, header: ArtefactHeader
    ) throws {
        let names = shards.indices.map { CheckpointLayout.shardName($0, of: shards.count) }
        let path = directory + "/" + CheckpointLayout.index
        let arrays = try collect(shards, names, in: directory)
        for (shard, name) in zip(shards, names) {
            let found = try byteCount(directory + "/" + name)
            guard found == shard.byteCount else {
                throw RDOError(
                    .artefact, "the shard has \(found) bytes here and \(shard.byteCount) where it was written",
                    at: directory + "/" + name, remedy: "look after the file system that the ranks share")
            }
        }
        try Durable.remove(path)
        let file = try HDF5File(creating: path)
        var header = header
        header.schema = CheckpointLayout.schema
        try header.write(to: file)
        try file.setAttribute("checkpoint", .text(id))
        try file.createStrings("/shards/file", names)
        try file.createStrings("/shards/digest", shards.map(\.digest.hex))
        try file.write(shards.map { Int64($0.byteCount) }, to: "/shards/bytes")
        for array in arrays {
            let dataset = try file.createVirtual(
                array.kind.group + "/" + array.name, shape: array.shape,
                sources: array.slices.map { (fileName: names[$0.shard], rows: $0.rows) })
            // rdo itself reads the shards with the help of these, not through the virtual dataset.
            try dataset.setAttribute("shards", .integers(array.slices.map { Int64($0.shard) }))
            try dataset.setAttribute("first_rows", .integers(array.slices.map { Int64($0.rows.lowerBound) }))
        }
        try state.write(to: file)
        try file.close()
        try Durable.sync(path)
        let indexDigest = (CheckpointLayout.index, try Digest.of(file: path).digest)
        let lines = CheckpointLayout.digestLines(Array(zip(names, shards.map(\.digest))) + [indexDigest])
        let digestsPath = directory + "/" + CheckpointLayout.digests
        try Durable.attempt("write", digestsPath) {
            try Data(lines.utf8).write(to: URL(ofFile: digestsPath))
        }
        try Durable.sync(digestsPath)
    }

    static func byteCount(_ path: String) throws -> Int64 {
        var info = stat()
        guard stat(path, &info) == 0 else { throw RDOError.system("open", path) }
        return Int64(info.st_size)
    }

    /// The arrays in all shards together.
    private static func collect(
        _ shards: [WrittenShard], _ names: [String], in directory: String
    ) throws -> [CheckpointArray] {
        var arrays: [CheckpointKind: [String: CheckpointArray]] = [:]
        for (shard, written) in shards.enumerated() {
            for part in written.parts {
                var array =
                    arrays[part.kind]?[part.name]
                    ?? CheckpointArray(kind: part.kind, name: part.name, shape: part.shape, slices: [])
                guard array.shape == part.shape else {
                    throw RDOError(
                        .artefact, "\(part.name) has shape \(part.shape), in another shard \(array.shape)",
                        at: directory + "/" + names[shard])
                }
                array.slices.append(.init(shard: shard, rows: part.rows))
                arrays[part.kind, default: [:]][part.name] = array
            }
        }
        return try CheckpointKind.allCases.flatMap { kind in
            try (arrays[kind] ?? [:]).values.sorted { $0.name < $1.name }.map { array in
                var array = array
                array.slices.sort { $0.rows.lowerBound < $1.rows.lowerBound }
                guard array.isComplete else {
                    throw RDOError(
                        .artefact, "the shards do not hold every row of \(kind.group)/\(array.name) exactly once",
                        at: directory)
                }
                return array
            }
        }
    }
}

/// An array of a checkpoint and where its rows are.
struct CheckpointArray {
    struct Slice {
        let shard: Int
        let rows: Range<Int>
    }

    let kind: CheckpointKind
    let name: String
    let shape: [Int]
    /// In the order of rows.
    var slices: [Slice]

    /// True when the slices hold every row exactly once.
    var isComplete: Bool {
        [0] + slices.map(\.rows.upperBound) == slices.map(\.rows.lowerBound) + [shape.first ?? -1]
    }
}
