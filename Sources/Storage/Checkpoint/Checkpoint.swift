import Coding
import Diagnostics
import Foundation

/// A complete checkpoint: a directory with `index.h5`, `digests` and one shard file per rank that wrote it.
///
/// Any row range of any array can be read, on any number of ranks. Rows are read from the shards themselves: through the
/// index's virtual datasets a missing shard would read as fill values without an error.
package final class Checkpoint {
    /// A parameter of the model.
    package struct Parameter: Sendable, Equatable, Encodable {
        package let name: String
        package let shape: [Int]
    }

    package struct Shard: Sendable, Equatable {
        package let name: String
        package let byteCount: Int
        package let digest: Digest
    }

    /// The directory.
    package let path: String
    package let header: ArtefactHeader
    package let id: String
    package let state: CheckpointState
    package let shards: [Shard]
    /// In alphabetical order.
    package let parameters: [Parameter]
    /// False for a checkpoint of weights only.
    package var hasOptimizer: Bool { arrays[.firstMoment] != nil }

    private let arrays: [CheckpointKind: [String: CheckpointArray]]
    /// Shards that were read from stay open, the latest last: callers read many arrays from each.
    private var openShards: [(index: Int, shard: CheckpointShard)] = []
    /// There may be more shards than a process can have open files.
    private static let mostOpenShards = 32

    /// Opens a checkpoint: compares the index with its digest and looks for every shard, without reading the shards.
    ///
    /// - Parameter path: the directory, or the `index.h5` in it.
    /// - Throws: `RDOError(.artefact)` naming the file that is missing, truncated or damaged.
    package static func open(_ path: String) throws -> Checkpoint { try Checkpoint(path) }

    private init(_ path: String) throws {
        let directory = (path as NSString).lastPathComponent == CheckpointLayout.index ? Durable.parent(of: path) : path
        self.path = directory
        let digests = try Checkpoint.readDigests(in: directory)
        let indexPath = directory + "/" + CheckpointLayout.index
        let indexDigest = try Digest.of(file: indexPath).digest
        // Compared before the library sees the file, which it can fail to survive when damaged.
        guard digests.hasSuffix(CheckpointLayout.digestLines([(CheckpointLayout.index, indexDigest)])) else {
            throw RDOError(
                .artefact,
                "the index differs from its digest in \(CheckpointLayout.digests): one of the two is damaged",
                at: indexPath)
        }
        let file = try HDF5File(opening: indexPath)
        header = try ArtefactHeader(of: file, schemas: [CheckpointLayout.schema])
        id = try file.text("checkpoint") ?? ""
        state = try CheckpointState(of: file)
        shards = try Checkpoint.readShards(of: file)
        let expected = CheckpointLayout.digestLines(
            shards.map { ($0.name, $0.digest) } + [(CheckpointLayout.index, indexDigest)])
        guard digests == expected else {
            throw RDOError(
                .artefact, "the digests differ from those in \(CheckpointLayout.index)",
                at: directory + "/" + CheckpointLayout.digests)
        }
        arrays = try Checkpoint.readArrays(of: file, shardCount: shards.count)
        parameters = (arrays[.model] ?? [:]).values.map { Parameter(name: $0.name, shape: $0.shape) }
            .sorted { $0.name < $1.name }
        for shard in shards {
            let shardPath = directory + "/" + shard.name
            let byteCount = try CheckpointIndex.byteCount(shardPath)
            guard byteCount == shard.byteCount else {
                throw RDOError(
                    .artefact, "the shard has \(byteCount) bytes instead of \(shard.byteCount)", at: shardPath)
            }
        }
    }

    private static func readDigests(in directory: String) throws -> String {
        let path = directory + "/" + CheckpointLayout.digests
        guard try Durable.exists(directory) else { throw RDOError.system("open", directory) }
        guard let text = try InputFile.text(of: path, called: "the file of digests") else {
            throw RDOError(.artefact, "not a complete checkpoint: this file is missing", at: path)
        }
        return text
    }

    private static func readShards(of file: HDF5File) throws -> [Shard] {
        let names = try file.dataset("/shards/file").readStrings()
        let digests = try file.dataset("/shards/digest").readStrings()
        let sizes = try file.dataset("/shards/bytes").read(Int64.self)
        guard digests.count == names.count, sizes.count == names.count else {
            throw RDOError(.artefact, "/shards has columns of different lengths", at: file.filePath)
        }
        return try names.indices.map { index in
            guard let digest = Digest(hex: digests[index]) else {
                throw RDOError(.artefact, "/shards/digest[\(index)] is not a digest", at: file.filePath)
            }
            guard !names[index].isEmpty, !names[index].utf8.contains(UInt8(ascii: "/")) else {
                throw RDOError(.artefact, "/shards/file[\(index)] is no plain file name", at: file.filePath)
            }
            return Shard(name: names[index], byteCount: Int(sizes[index]), digest: digest)
        }
    }

    private static func readArrays(
        of file: HDF5File, shardCount: Int
    ) throws -> [CheckpointKind: [String: CheckpointArray]] {
        var arrays: [CheckpointKind: [String: CheckpointArray]] = [:]
        for kind in CheckpointKind.allCases {
            for name in try file.children(of: kind.group) {
                let dataset = try file.dataset(kind.group + "/" + name)
                guard case .integers(let holders)? = try dataset.attribute("shards"),
                    case .integers(let first)? = try dataset.attribute("first_rows"), holders.count == first.count,
                    zip(first, first.dropFirst()).allSatisfy(<), (first.last ?? 0) <= dataset.rows
                else {
                    throw RDOError(.artefact, "\(dataset.path) does not say where its rows are", at: file.filePath)
                }
                let elements = dataset.shape.reduce(1.0) { $0 * Double($1) }
                guard elements < 1e15, first.allSatisfy({ $0 >= 0 }) else {
                    throw RDOError(
                        .artefact, "\(dataset.path) has the impossible shape \(dataset.shape)", at: file.filePath)
                }
                let ends = first.dropFirst() + [Int64(dataset.rows)]
                let slices = zip(holders, zip(first, ends)).map { shard, rows in
                    CheckpointArray.Slice(shard: Int(shard), rows: Int(rows.0)..<Int(rows.1))
                }
                let array = CheckpointArray(kind: kind, name: name, shape: dataset.shape, slices: slices)
                guard array.isComplete, slices.allSatisfy({ (0..<shardCount).contains($0.shard) }) else {
                    throw RDOError(
                        .artefact, "\(dataset.path) names shards that do not hold every row", at: file.filePath)
                }
                arrays[kind, default: [:]][name] = array
            }
        }
        return arrays
    }

    /// The shape of an array; nil when the checkpoint does not hold it.
    package func shape(_ kind: CheckpointKind, _ name: String) -> [Int]? { arrays[kind]?[name]?.shape }

    /// Reads rows of an array into `values`, in row-major order.
    ///
    /// - Precondition: the rows lie inside the array and `values` has their size.
    /// - Throws: `RDOError(.artefact)` when the checkpoint does not hold the array, or naming the shard that is missing,
    ///   damaged or of another checkpoint.
    package func read(
        _ kind: CheckpointKind, _ name: String, rows: Range<Int>, into values: UnsafeMutableBufferPointer<Float>
    ) throws {
        guard let array = arrays[kind]?[name] else {
            throw RDOError(.artefact, "the checkpoint does not hold \(kind.group)/\(name)", at: path)
        }
        let rowSize = array.shape.dropFirst().reduce(1, *)
        precondition(rows.lowerBound >= 0 && rows.upperBound <= array.shape[0], "rows must lie inside the array")
        precondition(values.count == rows.count * rowSize, "values must have the size of the rows")
        for slice in array.slices where slice.rows.overlaps(rows) {
            let part = slice.rows.clamped(to: rows)
            let offset = (part.lowerBound - rows.lowerBound) * rowSize
            try openShard(slice.shard).read(
                CheckpointPart(kind: kind, name: name, shape: array.shape, rows: slice.rows), rows: part,
                into: UnsafeMutableBufferPointer(rebasing: values[offset..<offset + part.count * rowSize]))
        }
    }

    /// Reads rows (all when nil) of an array.
    package func read(_ kind: CheckpointKind, _ name: String, rows: Range<Int>? = nil) throws -> [Float] {
        let shape = shape(kind, name) ?? [0]
        let rows = rows ?? 0..<shape[0]
        let count = rows.count * shape.dropFirst().reduce(1, *)
        return try [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
            try read(kind, name, rows: rows, into: UnsafeMutableBufferPointer(rebasing: buffer[..<count]))
            initialized = count
        }
    }

    private func openShard(_ index: Int) throws -> CheckpointShard {
        if let open = openShards.first(where: { $0.index == index }) { return open.shard }
        if openShards.count == Self.mostOpenShards { openShards.removeFirst() }
        let shard = try CheckpointShard(path: path + "/" + shards[index].name, id: id)
        openShards.append((index, shard))
        return shard
    }

    /// Compares every shard, read whole, with its digest, and its content with the index.
    ///
    /// - Throws: `RDOError(.artefact)` naming the first file that is missing, truncated, damaged or of another checkpoint.
    package func verify() throws {
        for index in shards.indices { try verify(shard: index) }
    }

    /// `verify` of one shard, so that ranks can share the work.
    package func verify(shard index: Int) throws {
        let shard = shards[index]
        let shardPath = path + "/" + shard.name
        guard try Digest.of(file: shardPath).digest == shard.digest else {
            throw RDOError(.artefact, "the shard differs from its digest: it is damaged", at: shardPath)
        }
        let parts = try CheckpointShard(path: shardPath, id: id).parts()
        let expected = CheckpointKind.allCases.flatMap { kind in
            (arrays[kind] ?? [:]).values.sorted { $0.name < $1.name }.flatMap { array in
                array.slices.filter { $0.shard == index }.map {
                    CheckpointPart(kind: kind, name: array.name, shape: array.shape, rows: $0.rows)
                }
            }
        }
        guard Set(parts) == Set(expected) else {
            throw RDOError(.artefact, "the shard holds other rows than the index says", at: shardPath)
        }
    }
}
