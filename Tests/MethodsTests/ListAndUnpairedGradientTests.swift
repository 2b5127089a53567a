import Coding
import Columns
import Costs
import Foundation
import Objectives
import Preferences
import Storage
import TestSupport
import Testing
import Transformer

@testable import Methods
@testable import Training

/// RRHF and KTO from token trees through model and loss back to every parameter, against finite differences of a loss
/// written in plain formulas over the double-precision reference on unshared sequences.
@Suite struct ListAndUnpairedGradientTests {
    private static func example(
        _ c: ModelConfiguration, row: Int, kind: PreferenceRecord.Kind, lengths: [Int], scores: [Double]? = nil,
        label: Bool? = nil
    ) -> TokenizedExample {
        TokenizedExample(
            row: row, kind: kind, prompt: c.randomIDs(5 + row, seed: UInt64(200 + row)),
            responses: lengths.enumerated().map { c.randomIDs($1, seed: UInt64(300 + 10 * row + $0)) },
            truncatedResponses: lengths.map { _ in false }, isPromptTruncated: false, scores: scores, label: label,
            promptText: "", responseTexts: lengths.map { _ in "" })
    }

    private static func sum(_ reference: DoubleReference, _ prompt: [Int32], _ response: [Int32]) -> Double {
        reference.logProbability(prompt + response, over: prompt.count..<(prompt.count + response.count))
    }

    @Test(arguments: LengthRule.allCases) func weightedRRHF(_ length: LengthRule) throws {
        let twin = TwinModel(try .small(tied: true, bias: false), head: .languageModel)
        let c = twin.model.configuration
        let scores = [[0.5, 2, -1, 2], [1, 3]]
        let examples = [
            Self.example(c, row: 0, kind: .list, lengths: [4, 9, 3, 6], scores: scores[0]),
            Self.example(c, row: 1, kind: .list, lengths: [7, 2], scores: scores[1]),
        ]
        func weight(_ i: Int, _ j: Int) -> Double { 0.3 + Double(i) * 0.5 + Double(j) * 0.2 }
        let task = RRHFTask(
            lists: Rows(count: examples.count) { index in
                RankedList(
                    example: examples[index],
                    ranking: Ranking(
                        pairs: ListRanking.pairs(scores[index]).map {
                            RankedPair(better: $0.better, worse: $0.worse, weight: weight($0.better, $0.worse))
                        }, best: ListRanking.best(scores[index])))
            }, objective: RRHFObjective(rankingWeight: 1.5, lengthExponent: 0.8, length: length),
            costs: CostModel(c, head: .languageModel))
        let samples = examples.indices.map { Sample(number: $0, row: $0, epoch: 0) }
        #expect(samples.map { task.outputCount(of: $0) } == [4, 2] && task.denominator(of: samples) == 2)
        let loss = try twin.learn(task, samples)

        let plain: (DoubleReference) -> Double = { reference in
            examples.indices.reduce(0) { total, index in
                let (example, s) = (examples[index], scores[index])
                let width = example.prompt.count + (example.responses.map(\.count).max() ?? 0)
                let sums = example.responses.map { Self.sum(reference, example.prompt, $0) }
                let n = example.responses.map { Double(length == .tokens ? $0.count : width) }
                let p = zip(sums, n).map { $0 / pow($1, 0.8) }
                var list = -sums[1] / n[1]
                for i in s.indices {
                    for j in s.indices where s[i] > s[j] { list += 1.5 * weight(i, j) * max(0, p[j] - p[i]) }
                }
                return total + list / 2
            }
        }
        #expect(abs(loss / 2 - plain(twin.reference)) < 1e-4)
        let found = twin.disagreements(plain)
        #expect(found.isEmpty, "\(found)")
    }

    /// Two pairs, one of them turned round, and two labelled responses, in two groups with their own baselines.
    @Test(arguments: BaselineScope.allCases) func weightedKTO(_ scope: BaselineScope) throws {
        let twin = TwinModel(try .small(tied: true, bias: false), head: .languageModel)
        let c = twin.model.configuration
        let examples = [
            Self.example(c, row: 0, kind: .pair, lengths: [4, 9]),
            Self.example(c, row: 1, kind: .pair, lengths: [3, 5]),
            Self.example(c, row: 2, kind: .unpaired, lengths: [6], label: true),
            Self.example(c, row: 3, kind: .unpaired, lengths: [2], label: false),
        ]
        // References far below the policy's values make the baselines positive; the cut at 12 tokens cuts some responses.
        func reference(_ tokens: Int, _ salt: Int) -> Double { -4.2 * Double(tokens) - Double(salt % 3) }
        let mismatched = MismatchedResponses(
            examples: Rows(examples),
            partners: try KTOPartners(
                of: Rows(examples), order: SampleOrder(count: 4, seed: 5, shuffle: false), batchSize: 4, scope: scope,
                microBatches: 2, pairing: .permuted, seed: 5), maxTokens: 12)
        let combinations = try mismatched.all(batches: 1)
        var references: [ContentKey: Double] = [:]
        for (index, example) in combinations.enumerated() {
            for (key, response) in zip(example.responseKeys, example.responses) {
                references[key] = reference(response.count, index)
            }
        }
        #expect(references.count == 6)
        let judged = examples.indices.map { index in
            WeightedExample(
                example: examples[index], references: examples[index].responses.map { reference($0.count, index) },
                weight: [0.7, 1.6, 1, 0.4][index], isFlipped: index == 1)
        }
        let unprepared = KTOTask(
            examples: Rows(judged), objective: KTOObjective(beta: 0.3, desirableWeight: 1.2, undesirableWeight: 0.9),
            denominatorRule: .pairs, costs: CostModel(c, head: .languageModel), mismatched: mismatched,
            mismatchedReference: { [references] in references[$0, default: .nan] }, startsAtReference: false)
        let samples = examples.indices.map { Sample(number: $0, row: $0, epoch: 0) }
        #expect(unprepared.denominator(of: samples) == 6)
        // The first phase in two leaves, whose sums are added.
        let preparation = try #require(unprepared.preparation)
        let parts = try [[samples[1], samples[2]], [samples[0], samples[3]]].map { leaf in
            preparation.sums(
                leaf, try twin.model.outputs(of: preparation.request(leaf), parameters: twin.parameters))
        }
        let totals = zip(parts[0], parts[1]).map(+)
        #expect(totals.count == preparation.sumCount)
        let task = preparation.complete(totals)
        let loss = try twin.learn(task, samples)

        // The baselines once more, from unshared sequences, and held fixed: no gradient flows through them.
        var sums = [Int: (Double, Double)]()
        for sample in samples {
            let (query, group) = (examples[sample.row].prompt, scope == .micro ? sample.row / 2 : 0)
            for place in mismatched.places(of: sample).compactMap({ $0 }) {
                #expect(place.example != sample.row && (scope == .global || place.example / 2 == group))
                let response = Array(examples[place.example].responses[place.response].prefix(12 - query.count))
                let key = ContentKey.response(query: query, response: response)
                let ratio = Self.sum(twin.reference, query, response) - (references[key] ?? .nan)
                sums[group] = ((sums[group]?.0 ?? 0) + ratio, (sums[group]?.1 ?? 0) + 1)
            }
        }
        let baselines = sums.mapValues { max(0, $0.0 / $0.1) }
        #expect(baselines.count == (scope == .micro ? 2 : 1) && baselines.values.allSatisfy { $0 > 0 })
        let plain: (DoubleReference) -> Double = { model in
            judged.indices.reduce(0) { total, index in
                let z0 = baselines[scope == .micro ? index / 2 : 0] ?? .nan
                return judged[index].references.indices.reduce(total) { total, response in
                    let ids = examples[index].responses[response]
                    let rho = Self.sum(model, examples[index].prompt, ids) - judged[index].references[response]
                    // Chosen or labelled desirable; the second pair is turned round.
                    let isDesirable = [[true, false], [false, true], [true], [false]][index][response]
                    let value = isDesirable ? 1.2 / (1 + exp(0.3 * (rho - z0))) : 0.9 / (1 + exp(0.3 * (z0 - rho)))
                    return total + judged[index].weight * value / 6
                }
            }
        }
        #expect(abs(loss / 6 - plain(twin.reference)) < 1e-4)
        let found = twin.disagreements(plain)
        #expect(found.isEmpty, "\(found)")
    }
}
