import TestSupport
import Testing

@testable import Objectives

@Suite("Rankings of lists") struct ListRankingTests {
    @Test func pairsAreStrict() {
        #expect(
            ListRanking.pairs([1, 3, 1, 2]).map { [$0.better, $0.worse] } == [
                [1, 0], [1, 2], [1, 3], [3, 0], [3, 2],
            ])
        #expect(ListRanking.pairs([2, 2, 2]).isEmpty)
        #expect(ListRanking.pairs([-1, 5]).map { [$0.better, $0.worse] } == [[1, 0]])
    }

    @Test func theFirstOfEqualsIsBest() {
        #expect(ListRanking.best([1, 3, 3, 2]) == 1)
        #expect(ListRanking.best([0, 0]) == 0)
        #expect(ListRanking.best([-4, -1, -2]) == 1)
    }

    @Test(arguments: 2...9) func scoresReproduceConsistentDifferences(_ count: Int) {
        var random = SeededGenerator(seed: 7)
        let truth = (0..<count).map { _ in Double.random(in: -5...5, using: &random) }
        let mean = truth.reduce(0, +) / Double(count)
        let matrix = DifferenceMatrix(count: count) { truth[$0] - truth[$1] }
        for (score, value) in zip(matrix.scores, truth) { #expect(isClose(score, value - mean, absolute: 1e-12)) }
        #expect(matrix.cycles == 0)
    }

    /// No other scores are nearer to the matrix: steps in any direction make the sum of squares greater.
    @Test(arguments: 2...8) func scoresAreTheLeastSquares(_ count: Int) {
        var random = SeededGenerator(seed: 8)
        let matrix = DifferenceMatrix(count: count) { _, _ in .random(in: -3...3, using: &random) }
        func squares(_ scores: [Double]) -> Double {
            var sum = 0.0
            for i in 0..<count {
                for j in 0..<i {
                    sum += (scores[i] - scores[j] - matrix[i, j]) * (scores[i] - scores[j] - matrix[i, j])
                }
            }
            return sum
        }
        let least = squares(matrix.scores)
        for _ in 0..<200 {
            let near = matrix.scores.map { $0 + .random(in: -0.01...0.01, using: &random) }
            #expect(squares(near) >= least - 1e-12)
        }
        #expect(isClose(matrix.scores.reduce(0, +), 0, absolute: 1e-12))
    }

    @Test func matricesAreAntisymmetric() {
        var random = SeededGenerator(seed: 9)
        let matrix = DifferenceMatrix(count: 6) { _, _ in .random(in: -3...3, using: &random) }
        for i in 0..<6 {
            for j in 0..<6 { #expect(matrix[i, j] == -matrix[j, i]) }
        }
        // One response alone has nothing to be compared with.
        #expect(DifferenceMatrix(count: 1) { _, _ in 1 }.scores == [0])
    }

    @Test func cyclesAreTriplesThatContradictEachOther() {
        var random = SeededGenerator(seed: 10)
        // Rock, paper, scissors.
        let three = DifferenceMatrix(count: 3) { i, j in (i, j) == (0, 2) ? -1 : 1 }
        #expect(three.cycles == 1)
        #expect(three.scores == [0, 0, 0])
        #expect(DifferenceMatrix(count: 3) { i, j in (i, j) == (0, 2) ? 1 : -1 }.cycles == 1)
        #expect(DifferenceMatrix(count: 3) { _, _ in 1 }.cycles == 0)
        #expect(DifferenceMatrix(count: 3) { i, j in (i, j) == (0, 2) ? 0 : 1 }.cycles == 0)
        // In a tournament the triples that are no cycle have a winner: Σ over responses of (wins choose 2).
        for count in 3...8 {
            let matrix = DifferenceMatrix(count: count) { _, _ in Bool.random(using: &random) ? 1 : -1 }
            let wins = (0..<count).map { i in (0..<count).count { matrix[i, $0] > 0 } }
            let triples = count * (count - 1) * (count - 2) / 6
            #expect(matrix.cycles == triples - wins.reduce(0) { $0 + $1 * ($1 - 1) / 2 })
        }
    }
}
