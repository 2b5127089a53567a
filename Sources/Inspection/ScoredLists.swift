import Objectives

/// The responses to one query of which every two were compared.
struct ScoredList {
    let query: Int32
    /// Rows of the responses, in the order of the file.
    let responses: [Int32]
    /// R of every two of them.
    let differences: DifferenceMatrix
}

extension ScoredPairs {
    /// Calls `body` with every list whose pairs are all there, a pair alone being a list of two; with none when the file does
    /// not say which responses its pairs are of.
    func forEachList(_ body: (ScoredList) throws -> Void) rethrows {
        guard let places else { return }
        var start = 0
        while start < count {
            // A list's pairs stand together.
            var end = start
            var order: [Int32: Int] = [:]
            while end < count, places[end].query == places[start].query,
                end == start || order[places[end].first] != nil || order[places[end].second] != nil
            {
                for response in [places[end].first, places[end].second] where order[response] == nil {
                    order[response] = order.count
                }
                end += 1
            }
            defer { start = end }
            let size = order.count
            guard end - start == size * (size - 1) / 2 else { continue }
            var known = [Double](repeating: 0, count: size * size)
            for pair in start..<end {
                guard let i = order[places[pair].first], let j = order[places[pair].second] else { continue }
                known[i * size + j] = differences[pair]
                known[j * size + i] = -differences[pair]
            }
            try body(
                ScoredList(
                    query: places[start].query,
                    responses: order.sorted { $0.value < $1.value }.map(\.key),
                    differences: DifferenceMatrix(count: size) { known[$0 * size + $1] }))
        }
    }
}
