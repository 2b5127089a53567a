import Coding

/// Finds rows by their content keys, whatever their number: the keys lie sorted in a `ScratchColumn`.
package final class KeyIndex {
    private struct Entry: BitwiseCopyable, Comparable {
        let key: ContentKey
        let row: Int

        static func < (a: Entry, b: Entry) -> Bool {
            let (left, right) = (a.key.digest, b.key.digest)
            return (left.high, left.low, a.row) < (right.high, right.low, b.row)
        }
    }

    private let entries: ScratchColumn<Entry>
    /// The key at the start of every block of entries.
    private var fences: [ContentKey] = []
    /// How many rows have the key of an earlier one.
    package private(set) var repeatedCount = 0

    /// Entries that are looked through together, and those that are sorted in memory.
    private static let blockLength = 128
    private static let sortedLength = 1 << 15

    /// - Parameters:
    ///   - keys: one for each row.
    ///   - check: called for every row whose key an earlier one has, with the first of these.
    /// - Throws: what `check` throws; `RDOError.artefact` when the temporary directory has no room.
    package init(_ keys: some Sequence<ContentKey>, check: (_ first: Int, _ row: Int) throws -> Void = { _, _ in })
        throws
    {
        entries = try Self.merged(Self.sortedRuns(keys))
        var first: Entry?
        for (place, entry) in entries.enumerated() {
            if place % Self.blockLength == 0 { fences.append(entry.key) }
            if let earlier = first, earlier.key == entry.key {
                repeatedCount += 1
                try check(earlier.row, entry.row)
            } else {
                first = entry
            }
        }
    }

    /// The first row that has a key; nil when none has.
    package subscript(key: ContentKey) -> Int? {
        let sought = Entry(key: key, row: -1)
        // The first block that begins at or after the key may hold it at its start, the one before it further on.
        var (low, high) = (0, fences.count)
        while low < high {
            let middle = (low + high) / 2
            if Entry(key: fences[middle], row: 0) < sought { low = middle + 1 } else { high = middle }
        }
        let start = max(0, low - 1) * Self.blockLength
        let block = entries.values(start..<min(entries.count, (low + 1) * Self.blockLength))
        guard let found = block.first(where: { $0 > sought }), found.key == key else { return nil }
        return found.row
    }

    // MARK: - Sorting

    private static func sortedRuns(_ keys: some Sequence<ContentKey>) throws -> (ScratchColumn<Entry>, [Range<Int>]) {
        let column = ScratchColumn<Entry>()
        var bounds: [Range<Int>] = []
        var run: [Entry] = []
        func close() throws {
            if run.isEmpty { return }
            bounds.append(column.count..<column.count + run.count)
            try column.append(contentsOf: run.sorted())
            run.removeAll(keepingCapacity: true)
        }
        for (row, key) in keys.enumerated() {
            run.append(Entry(key: key, row: row))
            if run.count == sortedLength { try close() }
        }
        try close()
        return (column, bounds)
    }

    /// One run of all, taking from each what is least.
    private static func merged(_ sorted: (column: ScratchColumn<Entry>, runs: [Range<Int>])) throws -> ScratchColumn<
        Entry
    > {
        guard sorted.runs.count > 1 else { return sorted.column }
        let merged = ScratchColumn<Entry>()
        var cursors = sorted.runs.map { Cursor(sorted.column, $0) }
        // Cursors by what they stand at, from the greatest to the least.
        var order = cursors.indices.sorted { cursors[$0].entry > cursors[$1].entry }
        while let least = order.popLast() {
            try merged.append(cursors[least].entry)
            guard cursors[least].advance() else { continue }
            let entry = cursors[least].entry
            var (low, high) = (0, order.count)
            while low < high {
                let middle = (low + high) / 2
                if cursors[order[middle]].entry > entry { low = middle + 1 } else { high = middle }
            }
            order.insert(least, at: low)
        }
        return merged
    }

    /// Goes through a run, some entries of it in memory.
    private struct Cursor {
        private let column: ScratchColumn<Entry>
        private var rest: Range<Int>
        private var loaded: ArraySlice<Entry> = []

        /// - Precondition: the run is not empty.
        init(_ column: ScratchColumn<Entry>, _ run: Range<Int>) {
            (self.column, rest) = (column, run)
            load()
        }

        var entry: Entry { loaded[loaded.startIndex] }

        /// False at the end.
        mutating func advance() -> Bool {
            loaded.removeFirst()
            if loaded.isEmpty { load() }
            return !loaded.isEmpty
        }

        private mutating func load() {
            let part = rest.prefix(512)
            loaded = column.values(part.startIndex..<part.endIndex)[...]
            rest = part.endIndex..<rest.upperBound
        }
    }
}
