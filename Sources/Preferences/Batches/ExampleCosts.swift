import Costs
import Transformer

extension CostModel {
    /// Prompt and responses. The vocabulary head runs at every response token, the scalar head once for each response.
    package func cost(of example: TokenizedExample) -> Double {
        var forest = TokenForest()
        let segments = ResponseTree.append(example, to: &forest)
        let tokens = segments.reduce(0) { $0 + forest.segments[$1].rows.count }
        return cost(of: forest, headRows: head == .languageModel ? tokens : segments.count)
    }

    /// The training tree of a pair, with the chosen response first and duplicated.
    package func cost(of example: DifferenceExample) -> Double {
        var forest = TokenForest()
        _ = DifferenceTree.append(example, swap: false, duplicated: 0, eos: 0, to: &forest)
        return cost(of: forest, headRows: 3)
    }
}
