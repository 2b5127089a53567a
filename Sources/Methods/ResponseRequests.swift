import Coding
import Costs
import Preferences
import Storage
import Training
import Transformer

extension ForestRequest {
    /// One tree per example: the prompt with its responses as branches; the log-probability of each response.
    package static func responses(of examples: [TokenizedExample]) -> ForestRequest {
        var forest = TokenForest()
        var responses: [[Prediction]] = []
        for example in examples {
            let segments = ResponseTree.append(example, to: &forest)
            responses += segments.map { forest.predictions(of: $0) }
        }
        return ForestRequest(forest: forest, outputs: .logProbabilities(responses))
    }

    /// The same trees; the scalar head at the last token of every response.
    package static func rewards(of examples: [TokenizedExample]) -> ForestRequest {
        var forest = TokenForest()
        var rows: [Int] = []
        for example in examples {
            rows += ResponseTree.append(example, to: &forest).map { forest.segments[$0].rows.upperBound - 1 }
        }
        return ForestRequest(forest: forest, outputs: .scalars(rows))
    }
}

/// A task whose samples are examples with their responses, each one a tree.
package protocol ResponseTask: TrainingTask {
    var costs: CostModel { get }
    func example(of sample: Sample) -> TokenizedExample
}

extension ResponseTask {
    package func dataRow(of sample: Sample) -> Int { example(of: sample).row }
    package func cost(of sample: Sample) -> Double { costs.cost(of: example(of: sample)) }
    package func outputCount(of sample: Sample) -> Int { example(of: sample).responses.count }
    package func request(_ samples: [Sample]) -> ForestRequest { .responses(of: samples.map(example)) }
}

extension TokenizedExample {
    /// The same example with some of its responses.
    package func keeping(responses kept: [Int]) -> TokenizedExample {
        var example = self
        example.responses = kept.map { responses[$0] }
        example.truncatedResponses = kept.map { truncatedResponses[$0] }
        example.responseTexts = kept.map { responseTexts[$0] }
        example.scores = scores.map { scores in kept.map { scores[$0] } }
        return example
    }

    /// Every two of the responses, the earlier one first.
    package var comparisons: [(first: Int, second: Int)] {
        responses.indices.flatMap { second in (0..<second).map { ($0, second) } }
    }

    /// Where a response stands in its data row.
    func place(of response: Int) -> Int { listPlaces?[response] ?? response }

    /// A list's scores, which are equal while nobody scored it; a pair's chosen response is better than the rejected one.
    package var listScores: [Double] { scores ?? (kind == .list ? responses.map { _ in 0 } : [1, 0]) }

    // MARK: - Keys in artefacts

    /// Key of each response in a reference file.
    package var responseKeys: [ContentKey] { responses.map { ContentKey.response(query: prompt, response: $0) } }

    /// Key of an ordered pair of responses in a coefficient file.
    package func pairKey(_ first: Int, _ second: Int) -> ContentKey {
        ContentKey.pair(query: prompt, first: responses[first], second: responses[second])
    }

    /// The key under which the scoring pass stores two responses, whichever of them is better: the earlier one in the data
    /// row stands first.
    func ledgerKey(_ a: Int, _ b: Int) -> ContentKey { place(of: a) < place(of: b) ? pairKey(a, b) : pairKey(b, a) }
}
