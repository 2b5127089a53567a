import Costs
import Diagnostics
import TestSupport
import Testing
import Transformer

@testable import Passes

@Suite struct MeshChoiceTests {
    /// A run and `rdo plan` go by the same memory: what a leaf keeps for its backward pass counts in both.
    @Test func aRunChoosesWhatThePlanChooses() {
        let model = TransformerModel(.planned, head: .languageModel)
        for (leaves, tokens) in [(8, 10), (8, 400), (64, 10), (64, 4000)] {
            for gathersBlocks in [false, true] {
                let demand = MemoryDemand(
                    model, .training(leaves: leaves), leafTokens: tokens, gathersBlocks: gathersBlocks)
                let sizes = PlannedMesh.candidates(ranks: 8, nodes: 4).map(demand.perNode)
                for free in sizes.flatMap({ [Int($0), Int($0 / MeshChoice.share) + 1] }) {
                    let planned = demand.mesh(ranks: 8, nodes: 4, limit: MeshChoice.share * Double(free))
                    let chosen = MeshChoice.shards(for: demand, ranks: 8, perNode: 2, free: free)
                    #expect(chosen == planned.shards, "\(leaves) leaves of \(tokens) tokens in \(free) bytes")
                }
            }
        }
    }

    @Test func activationsAskForMoreNodes() {
        func shards(_ tokens: Int) -> Int {
            let model = TransformerModel(.planned, head: .languageModel)
            let demand = MemoryDemand(model, .training(leaves: 8), leafTokens: tokens, gathersBlocks: true)
            return MeshChoice.shards(for: demand, ranks: 8, perNode: 2, free: 10_000_000)
        }
        #expect(shards(10) == 2 && shards(100_000) == 8)
    }

    /// What the ranks of a node cannot share counts once for each of them.
    @Test func copiesAskForMoreNodes() {
        let model = TransformerModel(.planned, head: .languageModel)
        var demand = MemoryDemand(model, .training(leaves: 8), leafTokens: 10, gathersBlocks: false)
        let free = Int(demand.perNode(PlannedMesh(ranks: 8, nodes: 2, shards: 4)) / MeshChoice.share) + 1
        #expect(MeshChoice.shards(for: demand, ranks: 8, perNode: 4, free: free) == 4)
        demand.sharedRoom = 0
        #expect(MeshChoice.shards(for: demand, ranks: 8, perNode: 4, free: free) == 8)
    }

    @Test func shardsDivideTheRanks() throws {
        try MeshChoice.check(nil, ranks: 6)
        try MeshChoice.check(3, ranks: 6)
        #expect { try MeshChoice.check(4, ranks: 6) } throws: { error in
            guard let error = error as? RDOError else { return false }
            return error.kind == .usage && error.remedy?.contains("1, 2, 3, 6") == true
        }
    }
}
