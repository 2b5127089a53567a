import Preferences
import Testing
import Transformer

@Suite struct TreeTests {
    private let eos: Int32 = 99
    private let example = DifferenceExample(
        row: 0, query: [1, 2, 3], asFirst: [[10, 11], [12]], asSecond: [[20], [21, 22, 23]],
        truncatedResponses: [false, false], isPromptTruncated: false)

    /// The whole input that ends at `row`.
    private func input(endingAt row: Int, of forest: TokenForest) -> [Int32] {
        guard let segment = forest.segments.firstIndex(where: { $0.rows.contains(row) }) else { return [] }
        return forest.path(to: segment).flatMap { Array(forest.tokens[$0]) }
    }

    private func comparison(_ a: Int, _ b: Int) -> [Int32] {
        example.query + example.asFirst[a] + example.asSecond[b] + [eos]
    }

    @Test func theThreeTermsAreReadAtTheEndOfTheirInputs() {
        for swap in [false, true] {
            for duplicated in [0, 1] {
                var forest = TokenForest()
                forest.append([7, 7])
                let ends = DifferenceTree.append(example, swap: swap, duplicated: duplicated, eos: eos, to: &forest)
                let (first, second) = swap ? (1, 0) : (0, 1)
                #expect(input(endingAt: ends.main, of: forest) == comparison(first, second))
                #expect(input(endingAt: ends.reverse, of: forest) == comparison(second, first))
                #expect(input(endingAt: ends.duplication, of: forest) == comparison(duplicated, duplicated))
                for row in [ends.main, ends.reverse, ends.duplication] { #expect(forest.tokens[row] == eos) }
                // The query and both first responses are stored once.
                #expect(forest.segments.count == 1 + 6)
                #expect(forest.tokens.count == 2 + 3 + 3 + 4 + example.asSecond[duplicated].count + 3)
                #expect(forest.tokens.count { $0 == eos } == 3)
            }
        }
    }

    @Test func allOrderedPairsOfALongerList() {
        let list = DifferenceExample(
            row: 0, query: [1], asFirst: [[10], [11], [12, 13]], asSecond: [[20, 21], [22], [23]],
            truncatedResponses: [false, false, false], isPromptTruncated: false)
        var forest = TokenForest()
        let pairs = Self.orderedPairs(3)
        let rows = DifferenceTree.append(list, comparisons: pairs, eos: eos, to: &forest)
        for (row, pair) in zip(rows, pairs) {
            #expect(
                input(endingAt: row, of: forest) == list.query + list.asFirst[pair.first]
                    + list.asSecond[pair.second] + [eos])
        }
        #expect(forest.segments.count == 1 + 3 + 6)
        // Some of them, in any order, and only what they need.
        var part = TokenForest()
        let some = DifferenceTree.append(
            list, comparisons: [(first: 2, second: 0), (first: 0, second: 1), (first: 2, second: 1)], eos: eos,
            to: &part)
        #expect(part.segments.count == 1 + 2 + 3)
        #expect(input(endingAt: some[0], of: part) == [1, 12, 13, 20, 21, eos])
        #expect(input(endingAt: some[1], of: part) == [1, 10, 22, eos])
        #expect(input(endingAt: some[2], of: part) == [1, 12, 13, 22, eos])
    }

    private static func orderedPairs(_ count: Int) -> [(first: Int, second: Int)] {
        (0..<count).flatMap { first in (0..<count).filter { $0 != first }.map { (first, $0) } }
    }

    /// The documented figure: K = 6 responses of 145 tokens under a query of 164.
    @Test func scoringSixResponsesTakes5384Tokens() {
        let response = [Int32](repeating: 5, count: 145)
        let list = DifferenceExample(
            row: 0, query: [Int32](repeating: 1, count: 164), asFirst: Array(repeating: response, count: 6),
            asSecond: Array(repeating: Array(response.dropLast()), count: 6),
            truncatedResponses: Array(repeating: false, count: 6), isPromptTruncated: false)
        var forest = TokenForest()
        _ = DifferenceTree.append(list, comparisons: Self.orderedPairs(6), eos: eos, to: &forest)
        #expect(forest.tokens.count == 5384)
    }

    @Test func responsesShareTheirPrompt() throws {
        let example = try plan().examples(of: [pair("q", "ab", "c")], rows: 0..<1)[0].get()
        var forest = TokenForest()
        forest.append([7])
        let segments = ResponseTree.append(example, to: &forest)
        #expect(forest.tokens == [7] + example.prompt + example.responses[0] + example.responses[1])
        for (segment, response) in zip(segments, example.responses) {
            let predictions = forest.predictions(of: segment)
            #expect(predictions.map(\.target) == response)
            // Every response is predicted from the prompt's last token on, EOS included.
            #expect(predictions[0].row == example.prompt.count)
        }
    }
}
