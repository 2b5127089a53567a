import Coding
import Foundation

/// File names inside a checkpoint and of the checkpoint itself.
enum CheckpointLayout {
    static let schema = "rdo.checkpoint/1"
    static let shardSchema = "rdo.shard/1"
    static let index = "index.h5"
    static let digests = "digests"

    static func shardName(_ shard: Int, of count: Int) -> String {
        String(format: "shard-%05ld-of-%05ld.h5", shard, count)
    }

    /// The text of `digests`, in the format of `xxh128sum`, which can check it too.
    static func digestLines(_ files: [(name: String, digest: Digest)]) -> String {
        files.map { "\($0.digest)  \($0.name)\n" }.joined()
    }
}
