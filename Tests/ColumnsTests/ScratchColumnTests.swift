import TestSupport
import Testing

@testable import Columns

/// Columns give back what went in, in memory and in the file, in any order.
@Suite struct ScratchColumnTests {
    /// Around the numbers of elements at which a column of eight bytes goes to its file.
    @Test(arguments: [0, 1, 32_767, 32_768, 32_769, 100_000]) func allElements(_ count: Int) throws {
        let column = try ScratchColumn((0..<count).lazy.map { $0 * $0 })
        #expect(column.count == count)
        #expect(column.elementsEqual((0..<count).lazy.map { $0 * $0 }))
    }

    @Test func anyOrder() throws {
        let column = try ScratchColumn(0..<100_000)
        var generator = SeededGenerator(seed: 4)
        for _ in 0..<2000 {
            let (a, b) = (
                Int.random(in: 0...100_000, using: &generator), Int.random(in: 0...100_000, using: &generator)
            )
            #expect(column.values(min(a, b)..<max(a, b)) == Array(min(a, b)..<max(a, b)))
            if a < 100_000 { #expect(column[a] == a) }
            // Runs of one after the other, too.
            if a < 99_990 { #expect((a..<a + 10).map { column[$0] } == Array(a..<a + 10)) }
        }
    }

    @Test func elementsAreReplaced() throws {
        let column = try ScratchColumn(repeatElement(Float(0), count: 70_000))
        for index in [0, 1, 65_535, 65_536, 69_999] {
            _ = column[index]
            try column.replace(index, with: Float(index) + 0.5)
        }
        #expect(column.indices.filter { column[$0] != 0 } == [0, 1, 65_535, 65_536, 69_999])
        #expect(column[65_535] == 65_535.5)
    }

    @Test func listsAndItems() throws {
        var generator = SeededGenerator(seed: 5)
        let lengths = (0..<50_000).map { _ in Int.random(in: 0...4, using: &generator) }
        let lists = ScratchLists<Int32>()
        for (row, length) in lengths.enumerated() { try lists.append(repeatElement(Int32(row), count: length)) }
        #expect(lists.count == lengths.count)
        #expect(lengths.indices.allSatisfy { lists[$0] == Array(repeating: Int32($0), count: lengths[$0]) })

        let items = try NumberedItems(counts: lengths)
        #expect(items.count == lengths.reduce(0, +) && items.groupCount == lengths.count)
        for start in stride(from: 0, to: items.count, by: 997) {
            let range = start..<min(start + 20, items.count)
            let found = items.groups(range).flatMap { group, own in own.map { items[group].lowerBound + $0 } }
            #expect(found == Array(range))
        }
        #expect(items.groups(7..<7).isEmpty)
    }
}

@Suite struct RowsTests {
    @Test func rowsThatAreLeftOut() {
        var generator = SeededGenerator(seed: 6)
        for count in [0, 1, 5, 40] {
            for _ in 0..<50 {
                let left = (0..<count).filter { _ in Bool.random(using: &generator) }
                #expect(
                    Array(Rows(0..<count).leavingOut(left)) == (0..<count).filter { !left.contains($0) })
            }
        }
    }
}
