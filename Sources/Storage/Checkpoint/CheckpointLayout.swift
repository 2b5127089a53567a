import Coding

/// File names inside a checkpoint and of the checkpoint itself.
enum CheckpointLayout {
    static let schema = "rdo.checkpoint/1"
    static let shardSchema = "rdo.shard/1"
    static let index = "index.h5"
    static let digests = "digests"

    static func shardName(_ shard: Int, of count: Int) -> String {
        "shard-\(padded(shard, 5))-of-\(padded(count, 5)).h5"
    }

    static func padded(_ number: Int, _ width: Int) -> String {
        let digits = String(number)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }

    /// The text of `digests`, in the format of `xxh128sum`, which can check it too.
    static func digestLines(_ files: [(name: String, digest: Digest)]) -> String {
        files.map { "\($0.digest)  \($0.name)\n" }.joined()
    }
}
