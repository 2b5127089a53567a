import Coding
import Diagnostics
import Foundation

/// What a file or directory of the program is, and whether it is intact.
package enum Artefacts {
    /// Whether a file begins as HDF5 files do: the signature at its start, or behind a block of the user's.
    /// - Throws: `RDOError(.artefact)` when it cannot be read.
    package static func isHDF5(_ path: String) throws -> Bool {
        try InputFile.requireRegular(path)
        guard let handle = FileHandle(forReadingAtPath: path) else { throw RDOError.system("open", path) }
        defer { handle.closeFile() }
        let start = try Durable.attempt("read", path) { Array(try handle.read(upToCount: 4096) ?? Data()) }
        let signature: [UInt8] = [0x89, 0x48, 0x44, 0x46, 0x0D, 0x0A, 0x1A, 0x0A]
        return [0, 512, 1024, 2048].contains { start.dropFirst($0).starts(with: signature) }
    }

    package enum Kind: String, Sendable, Encodable {
        case coefficients, reference, logprobs, measurements, ledger, checkpoint
        /// One shard file of a checkpoint.
        case shard
        /// The working file of an interrupted scoring, reference or evaluation pass.
        case unfinished
    }

    /// Tells what `path` is by its schema; a directory or an `index.h5` is a checkpoint.
    ///
    /// - Throws: `RDOError(.artefact)` when it is nothing of the program's.
    package static func kind(of path: String) throws -> Kind {
        var isDirectory: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) else {
            throw RDOError(.artefact, "no such file or directory", at: path)
        }
        if isDirectory.boolValue {
            guard try Durable.exists(path + "/" + CheckpointLayout.index) else {
                throw RDOError(
                    .artefact, "the directory is not a checkpoint: it has no \(CheckpointLayout.index)", at: path)
            }
            return .checkpoint
        }
        // Before the library sees a file that may be damaged.
        if (path as NSString).lastPathComponent == CheckpointLayout.index { return .checkpoint }
        _ = try SealedFile.checkSeal(of: path)
        let file = try HDF5File(opening: path)
        switch try file.text("schema") {
        case CoefficientFile.schema?: return .coefficients
        case ReferenceFile.schema?: return .reference
        case ReferenceFile.logprobsSchema?: return .logprobs
        case MeasurementFile.schema?: return .measurements
        case LedgerFile.schema?: return .ledger
        case CheckpointLayout.schema?: return .checkpoint
        case CheckpointLayout.shardSchema?: return .shard
        case WorkingFile.schema?: return .unfinished
        case let other?: throw RDOError(.artefact, "the schema \(other) is not known", at: path)
        case nil: throw RDOError(.artefact, "the root attribute schema is missing", at: path)
        }
    }

    /// Reads everything and checks it: digests, checksums, completeness, consistency.
    ///
    /// - Returns: one line that says what was checked.
    /// - Throws: `RDOError(.artefact)` naming the file that is damaged, incomplete or unknown.
    package static func verify(_ path: String) throws -> String {
        let kind = try kind(of: path)
        switch kind {
        case .coefficients:
            let file = try CoefficientFile.read(path)
            if try file.isSealed || file.hasTables() {
                let tables = try file.readTables()
                guard tables.pairCount == file.count else {
                    throw RDOError(.artefact, "/pairs has columns of different lengths", at: path)
                }
                // Texts are read when they are asked for: one that is not UTF-8 ends the check here.
                for texts in [tables.queryTexts, tables.responseTexts] { texts.forEach { _ in } }
            }
            return "coefficients: \(file.count) pairs, \(guarantee(file.isSealed))"
        case .reference, .logprobs:
            let file = try ReferenceFile.read(path)
            return "\(kind.rawValue): \(file.count) responses, \(guarantee(file.isSealed))"
        case .measurements:
            let file = try MeasurementFile.read(path)
            return "\(file.measure.rawValue): \(file.keys.count) items, \(guarantee(file.isSealed))"
        case .ledger:
            let file = try LedgerFile.read(path)
            return "ledger: \(file.count) visits, \(guarantee(file.isSealed))"
        case .checkpoint:
            let checkpoint = try Checkpoint.open(path)
            try checkpoint.verify()
            return
                "checkpoint: step \(checkpoint.state.step), \(checkpoint.shards.count) shards agree with their digests"
        case .shard:
            throw RDOError(
                .artefact, "a single shard cannot be verified", at: path, remedy: "verify the checkpoint's directory")
        case .unfinished: throw try WorkingFile.unfinished(path)
        }
    }

    /// The digest of its content that an HDF5 file of the program carries, without reading the content; nil when it is of
    /// another program.
    package static func statedDigest(of path: String) throws -> String? { try SealedFile.statedDigest(of: path) }

    /// What is done of files that a pass writes chunk by chunk, for people; empty when nothing is.
    package static func progress(of paths: [String]) throws -> String {
        try paths.compactMap { path in
            let partial = path + ".partial"
            let name = (path as NSString).lastPathComponent
            // HDF5 opens no file for reading that another process writes.
            if Durable.isLocked(partial, byReaders: false) { return "\(name): being written" }
            if try Durable.exists(partial) {
                let (done, count) = try WorkingFile.progress(partial)
                return "\(name): \(done) of \(count) chunks"
            }
            return try Durable.exists(path) ? name : nil
        }.joined(separator: ", ")
    }

    /// Removes what a kill between the last two acts of a pass leaves beside its complete file.
    package static func removeWorkingFile(of path: String) throws {
        for left in [path + ".partial", path + ".partial.writing", path + ".writing"] { try Durable.remove(left) }
    }

    /// What to say of the working file of an interrupted pass.
    package static func unfinished(_ path: String) throws -> RDOError { try WorkingFile.unfinished(path) }

    private static func guarantee(_ isSealed: Bool) -> String {
        isSealed ? "agrees with its digest" : "consistent (another program made it: it carries no digest)"
    }
}
