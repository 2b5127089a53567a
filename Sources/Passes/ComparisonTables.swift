import Coding
import Methods
import Preferences
import Storage

extension CoefficientTables {
    /// Queries and responses of `examples`, and every two responses to a query.
    init(comparing examples: Rows<TokenizedExample>) {
        var rows: [ContentKey: Int32] = [:]
        var queryTexts: [String] = []
        var queryKeys: [ContentKey] = []
        var queries: [Int32] = []
        for example in examples {
            let key = ContentKey.query(example.prompt)
            let row =
                rows[key]
                ?? {
                    rows[key] = Int32(queryKeys.count)
                    queryTexts.append(example.promptText)
                    queryKeys.append(key)
                    return Int32(queryKeys.count - 1)
                }()
            queries.append(row)
        }
        var pairs: [(query: Int32, first: Int32, second: Int32, label: Int8, key: ContentKey)] = []
        var responses: Int32 = 0
        for (example, query) in zip(examples, queries) {
            let scores = example.listScores
            for (first, second) in example.comparisons {
                let label: Int8 = scores[first] > scores[second] ? 1 : scores[first] < scores[second] ? -1 : 0
                pairs.append(
                    (query, responses + Int32(first), responses + Int32(second), label, example.pairKey(first, second)))
            }
            responses += Int32(example.responses.count)
        }
        self.init(
            queryTexts: queryTexts, queryKeys: queryKeys, responseTexts: examples.flatMap(\.responseTexts),
            responseQueries: zip(examples, queries).flatMap { Array(repeating: $1, count: $0.responses.count) },
            responseTokenCounts: examples.flatMap { $0.responses.map { Int32($0.count) } },
            pairQueries: pairs.map(\.query), pairFirsts: pairs.map(\.first), pairSeconds: pairs.map(\.second),
            labels: pairs.map(\.label), pairKeys: pairs.map(\.key))
    }
}
