import Columns
import Costs
import Diagnostics
import Preferences
import TestSupport
import Testing
import Transformer

@testable import Methods

@Suite struct SupervisedTests {
    private static func example(_ row: Int, scores: [Double]? = nil, label: Bool? = nil) -> TokenizedExample {
        let count = scores?.count ?? (label == nil ? 2 : 1)
        return TokenizedExample(
            row: row, kind: scores != nil ? .list : label != nil ? .unpaired : .pair, prompt: [1],
            responses: (0..<count).map { [Int32(10 + $0)] }, truncatedResponses: .init(repeating: false, count: count),
            isPromptTruncated: false, scores: scores, label: label, promptText: "",
            responseTexts: .init(
                repeating: "", count: count))
    }

    /// The chosen response of a list is the one with the highest score, the first of several.
    @Test func theBestOfAListIsLearned() throws {
        let part = DataSet(
            examples: Rows([Self.example(0), Self.example(1, scores: [1, 3, 2, 3]), Self.example(2, scores: [5, 4])]))
        let configuration = ModelConfiguration(
            hiddenSize: 8, intermediateSize: 8, layerCount: 1, headCount: 1, keyValueHeadCount: 1, headSize: 8,
            vocabularySize: 32, maxPositions: 16, normEpsilon: 1e-5, tiesEmbeddings: true)
        let costs = CostModel(configuration, head: .languageModel)
        let task = SupervisedMethod(SupervisedSettings()).task(part, costs: costs, nil)
        #expect(task.examples.map(\.responses) == [[[10]], [[11]], [[10]]])
        var all = SupervisedSettings()
        all.responses = .all
        #expect(SupervisedMethod(all).task(part, costs: costs, nil).examples.map(\.responses.count) == [2, 4, 2])
    }

    /// A completion that is labelled as bad is nothing to learn.
    @Test func badCompletionsAreLeftOut() throws {
        let part = Rows([Self.example(0, label: true), Self.example(1, label: false), Self.example(2)])
        var settings = SupervisedSettings()
        #expect(try SupervisedMethod(settings).wanted(part) == [0, 2])
        settings.responses = .all
        #expect(try SupervisedMethod(settings).wanted(part) == [0, 1, 2])
    }
}
