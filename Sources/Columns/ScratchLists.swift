/// Lists of numbers, one for each row, of any number of rows: end to end in a `ScratchColumn`.
package final class ScratchLists<Element: BitwiseCopyable> {
    /// The elements of all lists.
    package let elements = ScratchColumn<Element>()
    private let items = NumberedItems()

    package init() {}

    package var count: Int { items.groupCount }

    /// - Throws: `RDOError.artefact` when the temporary directory has no room.
    package func append(_ list: some Collection<Element>) throws {
        try elements.append(contentsOf: list)
        try items.append(count: list.count)
    }

    package subscript(index: Int) -> [Element] { elements.values(items[index]) }
}
