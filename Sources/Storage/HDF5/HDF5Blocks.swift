extension RandomAccessCollection {
    /// The elements block by block, with the places of each block's: enough at once for the library to be fast, few enough
    /// to need no memory.
    func forEachBlock(of length: Int = 1 << 12, _ body: ([Element], Range<Int>) throws -> Void) rethrows {
        var start = startIndex
        var row = 0
        while start < endIndex {
            let end = index(start, offsetBy: length, limitedBy: endIndex) ?? endIndex
            let block = Array(self[start..<end])
            try body(block, row..<row + block.count)
            (start, row) = (end, row + block.count)
        }
    }
}
