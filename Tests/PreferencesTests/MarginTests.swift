import Testing

@testable import Preferences

/// How much better a response is, where the row says so.
@Suite("Margins of rows") struct MarginTests {
    let directory: DataDirectory

    init() throws { directory = try DataDirectory() }

    private func margin(_ fields: String, columns: [String: String] = [:]) throws -> Double? {
        let row = #"{"prompt": "q", "chosen": "a", "rejected": "b", \#(fields)}"#
        return try #require(PreferenceReader(columns: columns).read([try directory.write([row])]).records.first).margin
    }

    @Test func waysToSayIt() throws {
        #expect(try margin(#""margin": -1.5"#) == -1.5)
        #expect(try margin(#""score_chosen": 4, "score_rejected": 6.5"#) == -2.5)
        #expect(try margin(#""chosen_rating": 5, "rejected_rating": 2"#) == 3)
        #expect(try margin(#""strength": 2"#, columns: ["margin": "strength"]) == 2)
        // The margin comes first, and a null is none.
        #expect(try margin(#""margin": 1, "score_chosen": 4, "score_rejected": 1"#) == 1)
        #expect(try margin(#""margin": null, "score_chosen": 4, "score_rejected": 1"#) == 3)
    }

    @Test(arguments: [
        #""other": 1"#, #""margin": "1""#, #""margin": NaN"#, #""margin": [1]"#, #""score_chosen": 1"#,
        #""score_chosen": 1, "rejected_rating": 2"#, #""score_chosen": 1, "score_rejected": "2""#,
    ])
    func whatSaysNothing(_ fields: String) throws { #expect(try margin(fields) == nil) }

    /// The scores of a list say it; a strength says which response is the better one, and the margin has no sign.
    @Test func otherLayouts() throws {
        let rows = [
            #"{"query": "q", "responses": ["a", "b"], "scores": [1, 2], "margin": 9}"#,
            #"{"prompt": "q", "response_1": "a", "response_2": "b", "preference_strength": -2}"#,
            #"{"context": "q", "response1": "a", "response2": "b", "overall_preference": 3}"#,
        ]
        let records = try PreferenceReader().read([try directory.write(rows)]).records
        #expect(records.map(\.margin) == [nil, 2, 3])
        #expect(records.map(\.responses) == [["a", "b"], ["a", "b"], ["b", "a"]])
    }
}
