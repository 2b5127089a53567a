import Diagnostics
import Foundation

/// The checkpoints of a run: directories `step-00000100` under one root. A save goes to `step-00000100.partial`, which
/// gets its final name when everything in it is on the disk. One rank calls these.
package enum CheckpointDirectory {
    static let partialSuffix = ".partial"
    private static let replacedSuffix = ".replaced" + partialSuffix
    private static let supersededSuffix = "-superseded"

    /// The directory of a step's checkpoint.
    package static func path(in root: String, step: Int) -> String {
        root + String(format: "/step-%08ld", step)
    }

    /// Creates an empty directory for the shards of a new checkpoint, in place of what an interrupted save left.
    ///
    /// - Returns: its path, to be given to `publish` when it is complete.
    /// - Throws: `RDOError(.artefact)` when it cannot be created.
    package static func begin(in root: String, step: Int) throws -> String {
        let partial = path(in: root, step: step) + partialSuffix
        try Durable.remove(partial)
        try Durable.createDirectory(partial)
        return partial
    }

    /// Syncs every file and gives the directory its final name; a checkpoint of that name is replaced.
    ///
    /// - Parameter partial: what `begin` returned, now with shards, index and digests.
    /// - Returns: the final path.
    /// - Throws: `RDOError(.artefact)` when it is not a complete checkpoint, or a file cannot be synced.
    @discardableResult
    package static func publish(_ partial: String) throws -> String {
        precondition(partial.hasSuffix(partialSuffix), "only a partial checkpoint can be published")
        let final = String(partial.dropLast(partialSuffix.count))
        for shard in try Checkpoint.open(partial).shards { try Durable.sync(partial + "/" + shard.name) }
        try Durable.sync(partial + "/" + CheckpointLayout.index)
        try Durable.sync(partial + "/" + CheckpointLayout.digests)
        try Durable.publish(partial, as: final, replaced: final + replacedSuffix)
        return final
    }

    /// Paths of all checkpoints that were published, newest first; whether they are intact is not looked at.
    package static func list(in root: String) throws -> [String] {
        let steps = try names(in: root).compactMap { name in
            name.hasPrefix("step-") ? Int(name.dropFirst("step-".count)) : nil
        }
        return try steps.sorted(by: >).map { path(in: root, step: $0) }.filter { try Durable.exists($0) }
    }

    /// Whether there is anything for `prune` to remove.
    package static func hasMore(in root: String, than count: Int) throws -> Bool {
        try list(in: root).count > count || !superseded(in: root).isEmpty
    }

    /// Removes all but the newest `count` checkpoints, and those that were put aside. To be called when the newest one is
    /// known to be intact.
    ///
    /// - Throws: `RDOError(.artefact)` when one cannot be removed.
    package static func prune(in root: String, keeping count: Int) throws {
        precondition(count >= 1, "at least one checkpoint must be kept")
        try remove(list(in: root).dropFirst(count) + superseded(in: root))
    }

    /// Puts the checkpoints of steps after `step` aside: they are not listed any more, and the next `prune` removes them.
    ///
    /// - Returns: where they are now.
    /// - Throws: `RDOError(.artefact)` when one cannot be renamed.
    package static func supersede(in root: String, after step: Int) throws -> [String] {
        try list(in: root).filter { $0 > path(in: root, step: step) || step < 0 }.map { checkpoint in
            let aside = checkpoint + supersededSuffix
            try remove([aside])
            try Durable.rename(checkpoint, to: aside)
            return aside
        }
    }

    /// Whether `path` is a checkpoint of this root, put aside or not.
    package static func isIn(_ root: String, _ path: String) -> Bool {
        func resolved(_ path: String) -> URL { URL(ofFile: path).resolvingSymlinksInPath() }
        return resolved(path).deletingLastPathComponent().path == resolved(root).path
    }

    private static func superseded(in root: String) throws -> [String] {
        try names(in: root).filter { $0.hasPrefix("step-") && $0.hasSuffix(supersededSuffix) }.sorted().map {
            root + "/" + $0
        }
    }

    /// Removes what interrupted saves and removals left. Only who holds the output's lock may call it: no save is under way.
    ///
    /// - Returns: the paths that were removed.
    /// - Throws: `RDOError(.artefact)` when one cannot be removed.
    package static func removeUnfinished(in root: String) throws -> [String] {
        let left = try names(in: root).filter { $0.hasPrefix("step-") && $0.hasSuffix(partialSuffix) }.sorted()
        let (replaced, unfinished) = (
            left.filter { $0.hasSuffix(replacedSuffix) }, left.filter { !$0.hasSuffix(replacedSuffix) }
        )
        // What a save of the same step was about to replace is whole.
        for name in replaced {
            let path = root + "/" + name
            try Durable.settle(String(path.dropLast(replacedSuffix.count)), replaced: path)
        }
        return try unfinished.map { root + "/" + $0 }.map { path in
            try Durable.remove(path)
            return path
        }
    }

    private static func names(in root: String) throws -> [String] {
        guard try Durable.exists(root) else { return [] }
        return try Durable.attempt("list", root) { try FileManager.default.contentsOfDirectory(atPath: root) }
    }

    private static func remove(_ checkpoints: [String]) throws {
        for path in checkpoints where try Durable.exists(path) {
            // Renamed first: a checkpoint whose removal is interrupted must not look like one.
            let removed = path + ".removed" + partialSuffix
            try Durable.remove(removed)
            try Durable.rename(path, to: removed)
            try Durable.remove(removed)
        }
    }
}
