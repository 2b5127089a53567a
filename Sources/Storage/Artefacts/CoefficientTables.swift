import Coding
import Diagnostics

/// Queries, responses and pairs of a coefficient file: everything that is known before a difference is computed.
package struct CoefficientTables: Sendable, Equatable {
    package var queryTexts: [String]
    package var queryKeys: [ContentKey]

    package var responseTexts: [String]
    /// Row of the query that a response answers.
    package var responseQueries: [Int32]
    package var responseTokenCounts: [Int32]

    /// Row of the pair's query.
    package var pairQueries: [Int32]
    /// Rows of the pair's two responses.
    package var pairFirsts: [Int32]
    package var pairSeconds: [Int32]
    /// +1: the first is preferred, -1: the second, 0: unknown.
    package var labels: [Int8]
    package var pairKeys: [ContentKey]

    package var pairCount: Int { pairKeys.count }

    /// - Precondition: the columns of a table have equal lengths and every row number is valid.
    package init(
        queryTexts: [String], queryKeys: [ContentKey], responseTexts: [String], responseQueries: [Int32],
        responseTokenCounts: [Int32], pairQueries: [Int32], pairFirsts: [Int32], pairSeconds: [Int32], labels: [Int8],
        pairKeys: [ContentKey]
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
        guard (pairFirsts + pairSeconds).allSatisfy({ isRow($0, of: responseTexts.count) })
        else { return "/pairs/first or /pairs/second names a response that does not exist" }
        return nil
    }

    /// Reads the tables of a file that has all of them.
    ///
    /// - Throws: `RDOError(.artefact)` when a dataset is missing or they contradict each other.
    init(of file: HDF5File) throws {
        queryTexts = try file.dataset("/queries/text").readStrings()
        queryKeys = try file.readKeys("/queries/key")
        responseTexts = try file.dataset("/responses/text").readStrings()
        responseQueries = try file.dataset("/responses/query").read(Int32.self)
        responseTokenCounts = try file.dataset("/responses/token_count").read(Int32.self)
        pairQueries = try file.dataset("/pairs/query").read(Int32.self)
        pairFirsts = try file.dataset("/pairs/first").read(Int32.self)
        pairSeconds = try file.dataset("/pairs/second").read(Int32.self)
        labels = try file.dataset("/pairs/label").read(Int8.self)
        pairKeys = try file.readKeys("/pairs/key")
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
