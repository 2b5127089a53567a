import Costs
import Foundation
import Preferences
import TestSupport
import Testing
import Transformer

@Suite struct BatchTests {
    @Test(arguments: [1, 2, 3, 7, 64, 1000]) func everyEpochIsAPermutation(_ count: Int) {
        let order = SampleOrder(count: count, seed: 5, shuffle: true)
        for epoch in 0..<3 {
            let samples = order.samples((epoch * count)..<((epoch + 1) * count))
            #expect(Set(samples.map(\.row)) == Set(0..<count))
            #expect(samples.allSatisfy { $0.epoch == epoch })
            #expect(samples.map(\.number) == Array((epoch * count)..<((epoch + 1) * count)))
        }
    }

    @Test func epochsAndSeedsDiffer() {
        let order = SampleOrder(count: 100, seed: 5, shuffle: true)
        let first = order.samples(0..<100).map(\.row)
        #expect(first != order.samples(100..<200).map(\.row))
        #expect(first != SampleOrder(count: 100, seed: 6, shuffle: true).samples(0..<100).map(\.row))
        #expect(first != Array(0..<100))
        // Any place of the stream, without what comes before it.
        #expect(SampleOrder(count: 100, seed: 5, shuffle: true).sample(57) == order.samples(0..<100)[57])
    }

    @Test func fileOrderWhenNotShuffled() {
        let order = SampleOrder(count: 3, seed: 5, shuffle: false)
        #expect(order.samples(0..<7).map(\.row) == [0, 1, 2, 0, 1, 2, 0])
        #expect(order.sample(6) == Sample(number: 6, row: 0, epoch: 2))
    }

    @Test func leavesCoverTheBatchAndAreBalanced() {
        var generator = SeededGenerator(seed: 3)
        for _ in 0..<200 {
            let costs = (0..<Int.random(in: 0...80, using: &generator)).map { _ in
                Double(Int.random(in: 1...6, using: &generator) * 100)
            }
            let leaves = Int.random(in: 1...16, using: &generator)
            let plan = BatchPlanner.plan(costs: costs, leaves: leaves)
            #expect(plan == BatchPlanner.plan(costs: costs, leaves: leaves))
            #expect(plan.leaves.count == leaves)
            #expect(plan.leaves.flatMap { $0 }.sorted() == Array(costs.indices))
            #expect(plan.leaves.allSatisfy { $0 == $0.sorted() })
            #expect(plan.costs == plan.leaves.map { $0.reduce(0) { $0 + costs[$1] } })
            #expect(plan.costs == plan.costs.sorted(by: >))
            // Graham's bound for list scheduling: no leaf exceeds the mean by more than the costliest example.
            let mean = costs.reduce(0, +) / Double(leaves)
            #expect((plan.costs.max() ?? 0) <= mean + (costs.max() ?? 0))
            #expect(plan.leafImbalance >= 1)
        }
    }

    @Test func tiesGoByIndex() {
        #expect(BatchPlanner.plan(costs: [1, 1, 1, 1], leaves: 2).leaves == [[0, 2], [1, 3]])
        #expect(BatchPlanner.plan(costs: [3, 3, 2, 2, 2], leaves: 2).leaves == [[0, 2, 4], [1, 3]])
        let few = BatchPlanner.plan(costs: [1, 2], leaves: 4)
        #expect(few.leaves == [[1], [0], [], []])
        #expect(few.leafImbalance == 2 / 0.75)
        #expect(BatchPlanner.plan(costs: [], leaves: 3).leafImbalance == 1)
    }

    @Test func ranksWaitForTheCostliestLeafOfASubStep() {
        // Leaves 5, 4, 3, 2: two ranks take 5 + 3 where 7 were perfect.
        let plan = BatchPlanner.plan(costs: [2, 3, 4, 5], leaves: 4)
        #expect(plan.costs == [5, 4, 3, 2])
        #expect(plan.rankImbalance(ranks: 1) == 1)
        #expect(plan.rankImbalance(ranks: 2) == 8.0 / 7)
        #expect(plan.rankImbalance(ranks: 3) == 7 * 3 / 14.0)
        #expect(plan.rankImbalance(ranks: 4) == plan.leafImbalance)
    }

    @Test func anExampleThatOutweighsALeafGetsAnEqualPartner() {
        let plan = BatchPlanner.plan(costs: [20, 6, 6, 4, 4, 4, 4, 3, 3, 3, 3], leaves: 4)
        #expect(plan.leaves == [[0], [1, 2, 3, 4], [5, 7, 9], [6, 8, 10]])
        #expect(plan.costs == [20, 20, 10, 10])
        #expect(plan.rankImbalance(ranks: 2) == 1)
    }

    @Test func leavesKeepToTheTokenLimit() {
        var generator = SeededGenerator(seed: 4)
        for _ in 0..<200 {
            let tokens = (0..<Int.random(in: 1...60, using: &generator)).map { _ in
                Int.random(in: 1...300, using: &generator)
            }
            let costs = tokens.map { Double($0 * $0) }
            let leaves = Int.random(in: 1...8, using: &generator)
            let plan = BatchPlanner.plan(costs: costs, leaves: leaves, tokens: tokens, limit: 400)
            #expect(plan.leaves.count % leaves == 0)
            #expect(plan.leaves.flatMap { $0 }.sorted() == Array(costs.indices))
            #expect(plan.leaves.allSatisfy { $0.count < 2 || $0.reduce(0) { $0 + tokens[$1] } <= 400 })
            // No more leaves than examples, rounded up.
            #expect(plan.leaves.count < max(leaves, tokens.count) + leaves)
        }
        // An example that is longer than the limit stands alone.
        let long = BatchPlanner.plan(costs: [9, 1, 1], leaves: 1, tokens: [900, 10, 10], limit: 400)
        #expect(long.leaves == [[0], [1, 2]])
    }

    @Test(.enabled(if: hasDataAssets, "no assets")) func realLengthsBalanceWell() throws {
        let records = try PreferenceReader().read([dataAssets + "hh_harmless_test/pairs.jsonl"]).records
        let examples = try plan(.hh, maxTokens: 1 << 16).examples(of: records, rows: 0..<256).map { try $0.get() }
        let costs = examples.map { Double($0.prompt.count + $0.responses.reduce(0) { $0 + $1.count }) }
        #expect(BatchPlanner.plan(costs: costs, leaves: 16).leafImbalance < 1.05)
    }

    @Test func costsAreTheOperationsOfTheForwardPass() throws {
        let json = """
            {"model_type": "llama", "architectures": ["LlamaForCausalLM"], "hidden_size": 8, "intermediate_size": 16,
             "num_hidden_layers": 3, "num_attention_heads": 2, "num_key_value_heads": 1, "vocab_size": 32,
             "max_position_embeddings": 64, "rms_norm_eps": 1e-5, "rope_theta": 10000.0, "hidden_act": "silu",
             "tie_word_embeddings": true, "bos_token_id": 1, "eos_token_id": 2}
            """
        let configuration = try ModelConfiguration(json: Data(json.utf8), file: "config.json")
        // A block: queries and output 8 × 8, keys and values 8 × 4, three of 8 × 16.
        let weights = 3 * (2 * 64 + 2 * 32 + 3 * 128)
        let perToken = Double(2 * weights)
        // Scores and sums over values: a product and a sum for each of 8 columns, in three blocks.
        let perPair = Double(3 * 2 * 2 * 8)
        // Prompt of 2, responses of 2 and 3 with EOS: pairs 1 + 2, 3 + 4, 3 + 4 + 5.
        let example = try plan().examples(of: [pair("q", "a", "bc")], rows: 0..<1)[0].get()
        let trunk = 7 * perToken + 22 * perPair
        let languageModel = CostModel(configuration, head: .languageModel)
        #expect(languageModel.cost(of: example) == trunk + Double(5 * 2 * 8 * 32))
        let scalar = CostModel(configuration, head: .scalar)
        #expect(scalar.cost(of: example) == trunk + Double(2 * 2 * 8))
        let comparison = DifferenceExample(
            row: 0, query: [1], asFirst: [[2], [3]], asSecond: [[4], [5, 6]], truncatedResponses: [false, false],
            isPromptTruncated: false)
        // Segments of 1, then 1, 3, 2 and 1, 2 tokens: response 0 is first and duplicated.
        let training: Double = 10 * perToken + 31 * perPair
        #expect(scalar.cost(of: comparison) == training + Double(3 * 2 * 8))
    }
}
