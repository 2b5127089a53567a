/// The rows of a data set in their order, each made when it is asked for: a collection of any size takes no memory of its
/// own, whether its rows stand in an array, in files, or are made of another collection's.
package struct Rows<Row>: RandomAccessCollection {
    package let count: Int
    private let row: (Int) -> Row

    /// - Parameter row: makes the row of an index below `count`, the same one every time.
    package init(count: Int, _ row: @escaping (Int) -> Row) { (self.count, self.row) = (count, row) }

    package init(_ rows: [Row]) { self.init(count: rows.count) { rows[$0] } }

    package var startIndex: Int { 0 }
    package var endIndex: Int { count }

    package subscript(index: Int) -> Row { row(index) }

    /// The same rows, each changed when it is asked for.
    package func transformed<Other>(_ transform: @escaping (Row) -> Other) -> Rows<Other> {
        Rows<Other>(count: count) { [row] in transform(row($0)) }
    }

    /// Some of the rows.
    package func selecting(_ indices: [Int]) -> Rows { Rows(count: indices.count) { [row] in row(indices[$0]) } }
}
