import Testing
import Transformer

@Suite struct TokenForestTests {
    @Test func positionsAndPathsFollowTheAncestors() {
        var forest = TokenForest()
        let query = forest.append([1, 2, 3])
        let first = forest.append([4, 5], under: query)
        let nested = forest.append([6], under: first)
        let second = forest.append([7, 8], under: query)
        #expect(forest.tokens == [1, 2, 3, 4, 5, 6, 7, 8])
        #expect(forest.segments[nested].position == 5)
        #expect(forest.segments[second].position == 3)
        #expect(forest.path(to: nested) == [0..<3, 3..<5, 5..<6])
        #expect(forest.path(to: second) == [0..<3, 6..<8])
    }

    @Test func aResponseIsPredictedFromTheEndOfItsPrompt() {
        var forest = TokenForest()
        let query = forest.append([1, 2])
        forest.append([3, 4], under: query)
        let second = forest.append([5, 6], under: query)
        #expect(forest.predictions(of: second) == [Prediction(row: 1, target: 5), Prediction(row: 4, target: 6)])
        // Nothing comes before a root's first token.
        #expect(forest.predictions(of: query) == [Prediction(row: 0, target: 2)])
    }

    @Test func anEmptySegmentIsTransparent() {
        var forest = TokenForest()
        let query = forest.append([1, 2])
        let empty = forest.append([], under: query)
        let response = forest.append([3], under: empty)
        #expect(forest.rowBefore(response) == 1)
        #expect(forest.segments[response].position == 2)
    }
}
