import Coding
import Columns
import Diagnostics

/// Collects pairs one by one into the tables of a coefficient file: every different query once, and every different
/// response to it, in the order of their first pair. Texts wait outside memory.
package final class CoefficientTableBuilder {
    /// One response of a pair.
    package struct Response {
        package let text: String
        /// Tokens, EOS included.
        package let tokenCount: Int

        package init(text: String, tokenCount: Int) { (self.text, self.tokenCount) = (text, tokenCount) }
    }

    private struct ResponseIdentity: Hashable {
        let query: Int32
        let text: Digest
    }

    private var queries: [ContentKey: Int32] = [:]
    private var responses: [ResponseIdentity: Int32] = [:]
    private let queryKeys = ScratchColumn<ContentKey>()
    private let queryTexts = ScratchLists<UInt8>()
    private let responseTexts = ScratchLists<UInt8>()
    private let responseQueries = ScratchColumn<Int32>()
    private let tokenCounts = ScratchColumn<Int32>()
    private let pairQueries = ScratchColumn<Int32>()
    private let firsts = ScratchColumn<Int32>()
    private let seconds = ScratchColumn<Int32>()
    private let labels = ScratchColumn<Int8>()
    private let keys = ScratchColumn<ContentKey>()

    package init() {}

    package var responseCount: Int { responseQueries.count }

    /// - Returns: the rows of both responses.
    /// - Throws: `RDOError.artefact` when the temporary directory has no room.
    package func append(
        key: ContentKey, label: Int8, queryKey: ContentKey, query: String, first: Response, second: Response
    ) throws -> (first: Int, second: Int) {
        let queryRow = queries[queryKey] ?? Int32(queryKeys.count)
        if queryRow == queryKeys.count {
            queries[queryKey] = queryRow
            try queryKeys.append(queryKey)
            try queryTexts.append(Array(query.utf8))
        }
        let (firstRow, secondRow) = (try row(of: first, to: queryRow), try row(of: second, to: queryRow))
        try pairQueries.append(queryRow)
        try firsts.append(firstRow)
        try seconds.append(secondRow)
        try labels.append(label)
        try keys.append(key)
        return (Int(firstRow), Int(secondRow))
    }

    private func row(of response: Response, to query: Int32) throws -> Int32 {
        let bytes = Array(response.text.utf8)
        let identity = ResponseIdentity(query: query, text: bytes.withUnsafeBytes { Digest.of($0) })
        if let known = responses[identity] { return known }
        let row = Int32(responseQueries.count)
        responses[identity] = row
        try responseTexts.append(bytes)
        try responseQueries.append(query)
        try tokenCounts.append(Int32(clamping: response.tokenCount))
        return row
    }

    package var tables: CoefficientTables {
        func texts(_ lists: ScratchLists<UInt8>) -> Rows<String> {
            Rows(count: lists.count) { String(decoding: lists[$0], as: UTF8.self) }
        }
        return CoefficientTables(
            queryTexts: texts(queryTexts), queryKeys: Rows(queryKeys), responseTexts: texts(responseTexts),
            responseQueries: Rows(responseQueries), responseTokenCounts: Rows(tokenCounts),
            pairQueries: Rows(pairQueries), pairFirsts: Rows(firsts), pairSeconds: Rows(seconds),
            labels: Rows(labels), pairKeys: Rows(keys))
    }
}
