import Costs
import TestSupport
import Testing
import Transformer

@Suite struct CostsTests {
    private static func model(
        recomputes: Bool = false, head: HeadKind = .languageModel, adaptation: LowRankAdaptation? = nil
    ) -> TransformerModel {
        TransformerModel(.planned, head: head, adaptation: adaptation, recomputesBlocks: recomputes)
    }

    private static func mesh(_ ranks: Int, nodes: Int = 1, shards: Int) -> PlannedMesh {
        PlannedMesh(ranks: ranks, nodes: nodes, shards: shards)
    }

    @Test func countsOfATree() {
        var forest = TokenForest()
        let query = forest.append([1, 2, 3])
        forest.append([4, 5], under: query)
        forest.append([6], under: query)
        // 1 + 2 + 3, then 4 + 5, then 4.
        #expect(OperationCounts(forest, headRows: 3) == OperationCounts(tokens: 6, attentionPairs: 19, headRows: 3))
        let costs = CostModel(.planned, head: .scalar)
        #expect(costs.cost(of: forest, headRows: 2) == costs.forward(.init(forest, headRows: 2)).total)
    }

    /// Backward: twice the products of the forward pass, once with frozen weights; in attention two and a half times.
    @Test func operationsOfTraining() {
        let costs = CostModel(.planned, head: .languageModel)
        let counts = OperationCounts(tokens: 10, attentionPairs: 50, headRows: 4)
        let (forward, whole) = (costs.forward(counts), costs.training(counts, isAdapted: false))
        #expect(whole.blocks == 3 * forward.blocks && whole.head == 3 * forward.head)
        #expect(whole.attention == 3.5 * forward.attention)
        let adapted = costs.training(counts, isAdapted: true)
        #expect(adapted.blocks == 2 * forward.blocks && adapted.attention == whole.attention)
    }

    /// Embedding 256; a block 8 + 8·8 + 2·(4·8) + 8·8 + 8 + 3·(8·16) = 592; final norm 8: 2040 parameters.
    @Test func memoryByHand() {
        let model = Self.model()
        #expect(model.layout.parameterCount == 2040)
        let demand = MemoryDemand(model, .training(leaves: 8), leafTokens: 10, gathersBlocks: false, base: 1000)
        let one = MemoryPlan(demand, mesh: Self.mesh(1, shards: 1))
        #expect(one.parameters == 4 * 2040 && one.optimizer == 8 * 2040 && one.gathered == 0)
        // Before the eighth leaf three partial sums wait.
        #expect(one.gradients == 4 * 4 * 2040)
        // Kept of a block: 2·8 + 16 + 8 + 2 + 2·16 floats a token; its backward pass: 3·8 + 16 + 8 + 3·16.
        let kept: Double = 3 * 74 + 96
        #expect(one.activations == 40 * kept)
        #expect(one.buffers == 4 * 2 * 128 * 32)
        let state = one.parameters + one.gradients + one.optimizer
        #expect(one.perRank == 1000 + state + one.activations + one.buffers)

        var blockwise = demand
        blockwise.gathersBlocks = true
        let mesh = Self.mesh(4, shards: 4)
        let four = MemoryPlan(blockwise, mesh: mesh)
        #expect(four.parameters == 2040 && four.optimizer == 2 * 2040)
        let inUse: Double = 256 + 8 + 2 * 592
        #expect(four.gathered == 4 * inUse)
        let sums: Double = 2 * 2040 / 4
        #expect(four.gradients == 4 * (sums + inUse))
        #expect(blockwise.perNode(mesh) == 4 * four.perRank - 3 * four.gathered)

        var recomputing = demand
        recomputing.model = Self.model(recomputes: true)
        let perToken: Double = 3 * 8 + 74 + 96
        #expect(MemoryPlan(recomputing, mesh: Self.mesh(1, shards: 1)).activations == 40 * perToken)
    }

    /// A frozen model is whole once per node, or in shards where blocks are gathered; nothing is kept for a backward pass.
    @Test func memoryOfFrozenModels() {
        let mesh = Self.mesh(4, shards: 4)
        var demand = MemoryDemand(Self.model(), .forward, leafTokens: 10, gathersBlocks: false)
        let whole = MemoryPlan(demand, mesh: mesh)
        #expect(whole.parameters == 0 && whole.gathered == 4 * 2040 && whole.gradients + whole.optimizer == 0)
        #expect(whole.activations == 40 * (4 * 8 + 2 * 16))
        demand.gathersBlocks = true
        let split = MemoryPlan(demand, mesh: mesh)
        let inUse: Double = 256 + 8 + 2 * 592
        #expect(split.parameters == 2040 && split.gathered == 4 * inUse)

        // A and B of a down projection, three blocks: 2·16 + 8·2 each.
        demand.model = Self.model(adaptation: LowRankAdaptation(rank: 2, alpha: 4, targets: [.down]))
        demand.work = .training(leaves: 4)
        let adapted = MemoryPlan(demand, mesh: mesh)
        #expect(adapted.optimizer == 8 * 3 * 48 / 4 && adapted.parameters == 2040 + 3 * 48)
        #expect(adapted.gathered == 4 * (inUse + 2 * 48))
    }

    @Test func moreNodesOnlyAsFarAsNeeded() {
        let demand = MemoryDemand(Self.model(), .training(leaves: 8), leafTokens: 10, gathersBlocks: true)
        func shards(_ limit: Double?) -> Int { demand.mesh(ranks: 8, nodes: 4, limit: limit).shards }
        let bytes = [2, 4, 8].map { demand.perNode(Self.mesh(8, nodes: 4, shards: $0)) }
        #expect(bytes == bytes.sorted(by: >) && Set(bytes).count == 3)
        #expect(shards(nil) == 2 && shards(bytes[0]) == 2)
        #expect(shards(bytes[0] - 1) == 4 && shards(bytes[1]) == 4 && shards(bytes[2]) == 8)
        // Where nothing fits all ranks share one copy.
        #expect(shards(1) == 8)
        // Candidates divide the ranks: six ranks on three nodes have no mesh of four shards.
        #expect(PlannedMesh.candidates(ranks: 6, nodes: 3).map(\.shards) == [2, 6])
    }
}
