import Costs
import Diagnostics
import Foundation
import TestSupport
import Testing
import Transformer

@testable import Planning

@Suite struct PlanningTests {
    private static func model(recomputes: Bool = false) -> TransformerModel {
        TransformerModel(.planned, head: .languageModel, recomputesBlocks: recomputes)
    }

    /// All rates 1: seconds are operations.
    private static func machine(_ ranks: Int = 1) -> MachineProfile {
        let one = MachineProfile.Rate(size: 8, forward: 1, training: 1)
        return MachineProfile(
            ranksPerNode: ranks, software: "test", gemmPeak: 1, blocks: [one], attention: [one], head: [one],
            streamBandwidth: 1e18, optimizerRate: 1e18, reduceBandwidth: 1e18, reduceLatency: 0, baseBytes: 1000)
    }

    @Test func timeByHand() throws {
        let model = Self.model()
        let costs = CostModel(model.configuration, head: .languageModel)
        let leaves = [
            OperationCounts(tokens: 10, attentionPairs: 50, headRows: 4),
            OperationCounts(tokens: 5, attentionPairs: 20, headRows: 2),
        ]
        func seconds(_ leaf: OperationCounts) -> Double {
            3 * costs.perToken * Double(leaf.tokens) + 3.5 * costs.perAttentionPair * Double(leaf.attentionPairs)
                + 3 * costs.perHeadRow * Double(leaf.headRows)
        }
        let one = StepPlan(
            model, leaves: leaves, mesh: PlannedMesh(ranks: 1, nodes: 1, shards: 1), gathersBlocks: false,
            machine: Self.machine(), network: nil)
        #expect(abs(one.compute - seconds(leaves[0]) - seconds(leaves[1])) < 1e-6)
        #expect(one.operations == one.compute && one.imbalance == 0 && one.networkBytes == 0)
        let two = StepPlan(
            model, leaves: leaves, mesh: PlannedMesh(ranks: 2, nodes: 1, shards: 2), gathersBlocks: false,
            machine: Self.machine(2), network: nil)
        #expect(two.compute == one.compute / 2)
        #expect(abs(two.compute + two.imbalance - seconds(leaves[0])) < 1e-6)
        // Recomputing is one more forward pass over the blocks.
        let again = StepPlan(
            Self.model(recomputes: true), leaves: leaves, mesh: PlannedMesh(ranks: 1, nodes: 1, shards: 1),
            gathersBlocks: false, machine: Self.machine(), network: nil)
        #expect(abs(again.compute - one.compute - costs.perToken * 15 - costs.perAttentionPair * 70) < 1e-6)
    }

    @Test func networkByHand() throws {
        let model = Self.model()
        let leaves = [OperationCounts](repeating: .init(tokens: 10, attentionPairs: 50, headRows: 4), count: 4)
        func plan(_ shards: Int, gathersBlocks: Bool = false) -> StepPlan {
            StepPlan(
                model, leaves: leaves, mesh: PlannedMesh(ranks: 4, nodes: 2, shards: shards),
                gathersBlocks: gathersBlocks, machine: Self.machine(2), network: Network(latency: 0, bandwidth: 1e3))
        }
        let total = 4.0 * 2040
        // A replica on each node: half the sums there, half of the total back.
        #expect(plan(2).networkBytes == total)
        // One replica over both: half the parameters once a step, half the gradient of each of its sub-steps.
        #expect(plan(4).networkBytes == total / 2 + total / 2)
        #expect(plan(4, gathersBlocks: true).networkBytes == 2 * total / 2 + total / 2)
        #expect(plan(4).exposedNetwork > 0)
    }

    @Test func machineFiles() throws {
        let directory = try TemporaryDirectory()
        var file = MachineFile(profiles: [Self.machine(1)])
        file.merge(Self.machine(4))
        file.merge(Self.machine(4))
        #expect(file.profiles.map(\.ranksPerNode) == [1, 4])
        #expect(file.profile(ranksPerNode: 3).ranksPerNode == 4 && file.profile(ranksPerNode: 1).ranksPerNode == 1)
        let path = directory.path + "/machine.json"
        try file.write(path)
        #expect(try MachineFile.read(path) == file)
        for text in ["", "{}", #"{"schema": "rdo.machine/1", "profiles": []}"#] {
            try directory.write(text, to: "bad.json")
            #expect { try MachineFile.read(directory.path + "/bad.json") } throws: { error in
                (error as? RDOError)?.kind == .artefact
            }
        }
        #expect(throws: RDOError.self) { try MachineFile.read(directory.path + "/none.json") }
        #expect(try MachineFile.readIfPresent(directory.path + "/none.json") == nil)
        #expect(throws: RDOError.self) { try MachineFile.readIfPresent(directory.path) }
    }

    @Test func ratesAreTakenFromTheNearestSize() {
        let rates = [64, 256, 1024].map { MachineProfile.Rate(size: $0, forward: Double($0), training: 1) }
        #expect(MachineProfile.rate(rates, 100)?.size == 64)
        #expect(MachineProfile.rate(rates, 200)?.size == 256)
        #expect(MachineProfile.rate(rates, 8192)?.size == 1024)
    }
}
