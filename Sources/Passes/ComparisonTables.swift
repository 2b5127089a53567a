import Coding
import Columns
import Methods
import Preferences
import Storage

extension CoefficientTables {
    /// Queries and responses of a part of the data, and every two responses to a query.
    ///
    /// - Throws: `RDOError.artefact` when the temporary directory has no room.
    init(comparing part: DataSet) throws {
        let index = try KeyIndex(part.examples.lazy.map { .query($0.prompt) })
        // Of each query its key and the first example that asks it; of each example the row of its query.
        let (queryKeys, firstExamples) = (ScratchColumn<ContentKey>(), ScratchColumn<Int>())
        let queries = ScratchColumn<Int32>()
        // Of each response its example and its place there.
        let places = ScratchColumn<ResponsePlace>()
        let (responseQueries, tokenCounts) = (ScratchColumn<Int32>(), ScratchColumn<Int32>())
        let (pairQueries, labels) = (ScratchColumn<Int32>(), ScratchColumn<Int8>())
        let (firsts, seconds) = (ScratchColumn<Int32>(), ScratchColumn<Int32>())
        let pairKeys = ScratchColumn<ContentKey>()
        for (number, example) in part.examples.enumerated() {
            let key = ContentKey.query(example.prompt)
            let first = index[key] ?? number
            let query = first == number ? Int32(queryKeys.count) : queries[first]
            try queries.append(query)
            if first == number {
                try queryKeys.append(key)
                try firstExamples.append(number)
            }
            let (start, scores) = (Int32(places.count), example.listScores)
            for (place, response) in example.responses.enumerated() {
                try places.append(ResponsePlace(example: number, response: place))
                try responseQueries.append(query)
                try tokenCounts.append(Int32(response.count))
            }
            for (first, second) in example.comparisons {
                try pairQueries.append(query)
                try firsts.append(start + Int32(first))
                try seconds.append(start + Int32(second))
                try labels.append(scores[first] > scores[second] ? 1 : scores[first] < scores[second] ? -1 : 0)
                try pairKeys.append(example.pairKey(first, second))
            }
        }
        let withTexts = part.withTexts
        self.init(
            queryTexts: Rows(count: firstExamples.count) { withTexts[firstExamples[$0]].promptText },
            queryKeys: Rows(queryKeys),
            responseTexts: Rows(count: places.count) {
                let place = places[$0]
                return withTexts[place.example].responseTexts[place.response]
            },
            responseQueries: Rows(responseQueries), responseTokenCounts: Rows(tokenCounts),
            pairQueries: Rows(pairQueries), pairFirsts: Rows(firsts), pairSeconds: Rows(seconds), labels: Rows(labels),
            pairKeys: Rows(pairKeys))
    }
}
