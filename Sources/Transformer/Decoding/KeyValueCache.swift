import Tensors

/// The keys and values of one query's tokens in every block: of its prompt, once for all responses, then of the responses'
/// tokens in the order in which they came. A response is a list of rows, so that two that part ways share what is before.
package final class KeyValueCache {
    package let promptCount: Int
    /// Rows in use.
    package private(set) var rowCount: Int
    /// For each block `[capacity, 2 * kvHeads * headSize]`: rotated keys, then values.
    private var entries: [Matrix]

    /// - Parameter rows: how many there is room for at first.
    init(_ c: ModelConfiguration, promptCount: Int, rows: Int) {
        (self.promptCount, rowCount) = (promptCount, promptCount)
        let width = 2 * c.keyValueHeadCount * c.headSize
        entries = (0..<c.layerCount).map { _ in Matrix(rows: max(rows, promptCount), columns: width) }
    }

    /// Bytes that a token takes in all blocks.
    package static func bytesPerToken(_ c: ModelConfiguration) -> Int {
        c.layerCount * 2 * c.keyValueHeadCount * c.headSize * MemoryLayout<Float>.stride
    }

    /// Room for a response's next token.
    package func addRow() -> Int32 {
        defer { rowCount += 1 }
        let capacity = entries.first?.rows ?? .max
        if rowCount == capacity {
            entries = entries.map { old in
                let grown = Matrix(rows: capacity + capacity / 2 + 16, columns: old.columns)
                grown.rows(0..<capacity).copy(from: old)
                return grown
            }
        }
        return Int32(rowCount)
    }

    func keys(_ layer: Int) -> Matrix { entries[layer].columns(0..<entries[layer].columns / 2) }
    func values(_ layer: Int) -> Matrix {
        entries[layer].columns(entries[layer].columns / 2..<entries[layer].columns)
    }

    /// Keeps keys and values, as they lie side by side in a batch.
    func keep(_ keysAndValues: Matrix, layer: Int, at row: Int) {
        entries[layer].rows(row..<row + keysAndValues.rows).copy(from: keysAndValues)
    }
}
