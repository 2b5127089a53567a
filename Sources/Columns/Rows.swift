/// The rows of a data set in their order, each made when it is asked for: a collection of any size takes no memory of its
/// own, whether its rows stand in an array, in files, or are made of another collection's.
package struct Rows<Row>: RandomAccessCollection {
    package let count: Int
    private let row: (Int) -> Row

    /// - Parameter row: makes the row of an index below `count`, the same one every time.
    package init(count: Int, _ row: @escaping (Int) -> Row) { (self.count, self.row) = (count, row) }

    /// - Parameter rows: their indices start at 0.
    package init<Source: RandomAccessCollection>(_ rows: Source) where Source.Element == Row, Source.Index == Int {
        self.init(count: rows.count) { rows[$0] }
    }

    package var startIndex: Int { 0 }
    package var endIndex: Int { count }
    // The library's own are generic, and a third of the time of going through many rows.
    package func index(after index: Int) -> Int { index + 1 }
    package func formIndex(after index: inout Int) { index += 1 }

    package subscript(index: Int) -> Row { row(index) }

    /// The same rows, each changed when it is asked for.
    package func transformed<Other>(_ transform: @escaping (Row) -> Other) -> Rows<Other> {
        Rows<Other>(count: count) { [row] in transform(row($0)) }
    }

    /// Some of the rows.
    package func selecting<Indices: RandomAccessCollection>(_ indices: Indices) -> Rows
    where Indices.Element == Int, Indices.Index == Int {
        Rows(count: indices.count) { [row] in row(indices[$0]) }
    }

    /// All rows but some.
    /// - Parameter left: indices in ascending order.
    package func leavingOut(_ left: [Int]) -> Rows {
        if left.isEmpty { return self }
        return Rows(count: count - left.count) { [row] index in
            // How many are left out before the row.
            var (low, high) = (0, left.count)
            while low < high {
                let middle = (low + high) / 2
                if left[middle] - middle <= index { low = middle + 1 } else { high = middle }
            }
            return row(index + low)
        }
    }
}

extension Rows: Equatable where Row: Equatable {
    package static func == (a: Rows, b: Rows) -> Bool { a.elementsEqual(b) }
}
