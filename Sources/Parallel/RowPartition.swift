/// Which rows each shard holds: shard `s` of `S` rows `⌊s·rows/S⌋ ..< ⌊(s+1)·rows/S⌋`, possibly none.
package struct RowPartition: Sendable, Equatable {
    package let rows: Int
    package let shards: Int

    package init(rows: Int, shards: Int) {
        precondition(rows >= 0 && shards > 0, "a partition needs rows and at least one shard")
        (self.rows, self.shards) = (rows, shards)
    }

    package subscript(shard: Int) -> Range<Int> {
        precondition((0..<shards).contains(shard), "no such shard")
        return shard * rows / shards..<(shard + 1) * rows / shards
    }
}
