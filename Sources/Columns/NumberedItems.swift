/// The items of groups, such as the responses of examples, numbered through from the first group's first.
package final class NumberedItems {
    /// The end of each group's items.
    private let ends = ScratchColumn<Int>()

    package init() {}

    /// - Parameter counts: items of each group.
    /// - Throws: `RDOError.artefact` when the temporary directory has no room.
    package convenience init(counts: some Sequence<Int>) throws {
        self.init()
        for count in counts { try append(count: count) }
    }

    package private(set) var count = 0
    package var groupCount: Int { ends.count }

    /// Adds a group.
    /// - Throws: `RDOError.artefact` when the temporary directory has no room.
    package func append(count added: Int) throws {
        count += added
        try ends.append(count)
    }

    /// The items of a group.
    package subscript(group: Int) -> Range<Int> {
        let bounds = ends.values(max(0, group - 1)..<group + 1)
        return group == 0 ? 0..<bounds[0] : bounds[0]..<bounds[1]
    }

    /// The groups that a range of items belongs to, and which of each one's items are in it.
    package func groups(_ range: Range<Int>) -> [(group: Int, items: Range<Int>)] {
        var (low, high) = (0, groupCount)
        while low < high {
            let middle = (low + high) / 2
            if ends[middle] <= range.lowerBound { low = middle + 1 } else { high = middle }
        }
        return (low..<groupCount).lazy.map { ($0, self[$0]) }.prefix { $1.lowerBound < range.upperBound }.compactMap {
            group, own in
            let items = own.clamped(to: range)
            return items.isEmpty
                ? nil : (group, items.lowerBound - own.lowerBound..<items.upperBound - own.lowerBound)
        }
    }
}
