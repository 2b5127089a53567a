import Coding
import Columns
import Diagnostics

/// Queries, responses and pairs of a coefficient file: everything that is known before a difference is computed.
package struct CoefficientTables: Equatable {
    package var queryTexts: Rows<String>
    package var queryKeys: Rows<ContentKey>

    package var responseTexts: Rows<String>
    /// Row of the query that a response answers.
    package var responseQueries: Rows<Int32>
    package var responseTokenCounts: Rows<Int32>

    /// Row of the pair's query.
    package var pairQueries: Rows<Int32>
    /// Rows of the pair's two responses.
    package var pairFirsts: Rows<Int32>
    package var pairSeconds: Rows<Int32>
    /// +1: the first is preferred, -1: the second, 0: unknown.
    package var labels: Rows<Int8>
    package var pairKeys: Rows<ContentKey>

    package var pairCount: Int { pairKeys.count }

    /// - Precondition: the columns of a table have equal lengths and every row number is valid.
    package init(
        queryTexts: Rows<String>, queryKeys: Rows<ContentKey>, responseTexts: Rows<String>,
        responseQueries: Rows<Int32>, responseTokenCounts: Rows<Int32>, pairQueries: Rows<Int32>,
        pairFirsts: Rows<Int32>, pairSeconds: Rows<Int32>, labels: Rows<Int8>, pairKeys: Rows<ContentKey>
    ) {
        (self.queryTexts, self.queryKeys) = (queryTexts, queryKeys)
        (self.responseTexts, self.responseQueries) = (responseTexts, responseQueries)
        self.responseTokenCounts = responseTokenCounts
        (self.pairQueries, self.pairFirsts, self.pairSeconds) = (pairQueries, pairFirsts, pairSeconds)
        (self.labels, self.pairKeys) = (labels, pairKeys)
        precondition(problem == nil, problem ?? "")
    }

    /// What is inconsistent between the columns; nil when all is well.
    private var problem: String? {
        guard queryTexts.count == queryKeys.count else { return "/queries have columns of different lengths" }
        guard responseTexts.count == responseQueries.count, responseTexts.count == responseTokenCounts.count
        else { return "/responses have columns of different lengths" }
        guard [pairQueries.count, pairFirsts.count, pairSeconds.count, labels.count].allSatisfy({ $0 == pairCount })
        else { return "/pairs have columns of different lengths" }
        func isRow(_ index: Int32, of count: Int) -> Bool { index >= 0 && Int(index) < count }
        guard responseQueries.allSatisfy({ isRow($0, of: queryTexts.count) })
        else { return "/responses/query names a query that does not exist" }
        guard pairQueries.allSatisfy({ isRow($0, of: queryTexts.count) })
        else { return "/pairs/query names a query that does not exist" }
        guard [pairFirsts, pairSeconds].allSatisfy({ $0.allSatisfy { isRow($0, of: responseTexts.count) } })
        else { return "/pairs/first or /pairs/second names a response that does not exist" }
        if let row = responseTokenCounts.firstIndex(where: { $0 < 0 }) {
            return "/responses/token_count[\(row)] is \(responseTokenCounts[row])"
        }
        return Self.labelProblem(labels)
    }

    /// What is wrong with a column of labels; nil when all is well.
    static func labelProblem(_ labels: some RandomAccessCollection<Int8>) -> String? {
        guard let row = labels.firstIndex(where: { !(-1...1).contains($0) }) else { return nil }
        return "/pairs/label[\(labels.distance(from: labels.startIndex, to: row))] is \(labels[row]), not -1, 0 or 1"
    }

    /// Reads the tables of a file that has all of them.
    ///
    /// - Throws: `RDOError(.artefact)` when a dataset is missing or they contradict each other.
    init(of file: HDF5File) throws {
        func numbers<T: HDF5Number>(_ name: String) throws -> Rows<T> { Rows(try file.dataset(name).read(T.self)) }
        queryTexts = try file.dataset("/queries/text").strings()
        queryKeys = Rows(try file.readKeys("/queries/key"))
        responseTexts = try file.dataset("/responses/text").strings()
        responseQueries = try numbers("/responses/query")
        responseTokenCounts = try numbers("/responses/token_count")
        pairQueries = try numbers("/pairs/query")
        pairFirsts = try numbers("/pairs/first")
        pairSeconds = try numbers("/pairs/second")
        labels = try numbers("/pairs/label")
        pairKeys = Rows(try file.readKeys("/pairs/key"))
        if let problem { throw RDOError(.artefact, problem, at: file.filePath) }
    }

    func write(to file: HDF5File) throws {
        try file.createStrings("/queries/text", queryTexts)
        try file.write(queryKeys, to: "/queries/key")
        try file.createStrings("/responses/text", responseTexts)
        try file.write(responseQueries, to: "/responses/query")
        try file.write(responseTokenCounts, to: "/responses/token_count")
        try file.write(pairQueries, to: "/pairs/query")
        try file.write(pairFirsts, to: "/pairs/first")
        try file.write(pairSeconds, to: "/pairs/second")
        try file.write(labels, to: "/pairs/label")
        try file.write(pairKeys, to: "/pairs/key")
    }
}
