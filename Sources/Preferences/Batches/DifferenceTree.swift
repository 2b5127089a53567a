import Transformer

/// The token tree of a query and the orders its responses are compared in: what the difference model reads.
///
/// A comparison d(a, b) is the path query → `; Response 1: a` → `; Response 2: b` and EOS; it is read at the EOS.
package enum DifferenceTree {
    /// Rows of the EOS tokens of a comparison's three terms.
    package struct Ends: Sendable, Equatable {
        /// d(first, second).
        package let main: Int
        /// d(y, y).
        package let duplication: Int
        /// d(second, first).
        package let reverse: Int
    }

    /// Appends the training tree of a pair: 5 response segments where three separate inputs have 6.
    ///
    /// - Parameters:
    ///   - swap: response 1 (rejected) and not response 0 (chosen) is Response 1.
    ///   - duplicated: the response, 0 or 1, that is also compared with itself.
    package static func append(
        _ example: DifferenceExample, swap: Bool, duplicated: Int, eos: Int32, to forest: inout TokenForest
    ) -> Ends {
        precondition(example.asFirst.count == 2, "a difference model is trained on pairs")
        precondition(duplicated == 0 || duplicated == 1, "a pair has responses 0 and 1")
        let (first, second) = swap ? (1, 0) : (0, 1)
        let query = forest.append(example.query)
        var duplication = 0
        /// The branch with `a` as Response 1; returns the end of d(a, b).
        func branch(_ a: Int, _ b: Int) -> Int {
            let parent = forest.append(example.asFirst[a], under: query)
            let end = appendSecond(b, of: example, eos: eos, under: parent, to: &forest)
            if duplicated == a {
                duplication = appendSecond(a, of: example, eos: eos, under: parent, to: &forest)
            }
            return end
        }
        let main = branch(first, second)
        let reverse = branch(second, first)
        return Ends(main: main, duplication: duplication, reverse: reverse)
    }

    /// Appends the scoring tree of some comparisons of a query's responses, each Response 1 once.
    ///
    /// - Parameter comparisons: ordered pairs of response indices.
    /// - Returns: for each of them the row of its EOS token.
    package static func append(
        _ example: DifferenceExample, comparisons: [(first: Int, second: Int)], eos: Int32, to forest: inout TokenForest
    ) -> [Int] {
        let query = forest.append(example.query)
        var rows = [Int](repeating: 0, count: comparisons.count)
        for first in example.asFirst.indices {
            let own = comparisons.indices.filter { comparisons[$0].first == first }
            guard !own.isEmpty else { continue }
            let parent = forest.append(example.asFirst[first], under: query)
            for index in own {
                rows[index] = appendSecond(comparisons[index].second, of: example, eos: eos, under: parent, to: &forest)
            }
        }
        return rows
    }

    /// Appends `; Response 2: y` and EOS; returns the row of EOS.
    private static func appendSecond(
        _ response: Int, of example: DifferenceExample, eos: Int32, under parent: Int, to forest: inout TokenForest
    ) -> Int {
        let segment = forest.append(example.asSecond[response] + [eos], under: parent)
        return forest.segments[segment].rows.upperBound - 1
    }
}
