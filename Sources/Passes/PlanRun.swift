import Configuration
import Diagnostics
import Foundation
import Parallel
import Planning
import Transformer

/// `rdo plan`: memory and time of every training pass of a configuration, before anything is queued.
package struct PlanRun {
    /// Where the job is to run.
    package struct Target: Sendable {
        package var ranks: Int
        package var nodes: Int
        package var machine: MachineFile
        package var network: Network?
        /// Bytes that a node offers; nil does not say whether it fits.
        package var nodeMemory: Double?
        /// Mean tokens of a query and of a response, to plan without data.
        package var lengths: (query: Int, response: Int)?

        /// - Throws: `RDOError.usage` when nodes do not divide the ranks, or several nodes lack a network.
        package init(
            ranks: Int, nodes: Int, machine: MachineFile, network: Network?, nodeMemory: Double?,
            lengths: (query: Int, response: Int)?
        ) throws {
            guard ranks > 0, nodes > 0, ranks % nodes == 0 else {
                throw RDOError(.usage, "\(ranks) ranks cannot be spread evenly over \(nodes) nodes")
            }
            if nodes > 1 && network == nil {
                throw RDOError(
                    .usage, "several nodes need a network",
                    remedy: "give --network LATENCY_US,GB_PER_S, for example --network 2,12")
            }
            (self.ranks, self.nodes, self.machine, self.network) = (ranks, nodes, machine, network)
            (self.nodeMemory, self.lengths) = (nodeMemory, lengths)
        }
    }

    private let configuration: Configuration
    private let target: Target

    package init(_ configuration: Configuration, _ target: Target) {
        self.configuration = configuration
        self.target = target
    }

    /// - Parameter world: of one rank.
    /// - Throws: what the configuration's models and data throw.
    package func run(on world: Communicator) throws -> [PassPlan] {
        let scratch = FileManager.default.temporaryDirectory.appendingPathComponent("rdo-plan-" + UUID().uuidString)
        defer { try? FileManager.default.removeItem(at: scratch) }
        var configuration = configuration
        configuration.output = scratch.path
        let session = try Session(configuration, world: world, resume: .never, tracePath: nil, keepsLog: false)
        if target.lengths == nil { try session.materializeInitialModel() }
        return try configuration.passes.compactMap { pass in
            guard let settings = configuration.training(of: pass) else { return nil }
            guard settings.microBatches >= target.ranks else {
                throw Pipeline.tooFewLeaves(pass, settings, target.ranks)
            }
            let work = try PlannedWork(pass, lengths: target.lengths, session: session)
            // This process has read the tokenizer and the data, as every rank will.
            let process = target.lengths == nil ? Double(ResidentMemory.current()) : 0
            return plan(pass, settings, work, process: process, gathersBlocks: session.gatherPolicy == .block)
        }
    }

    private func plan(
        _ pass: PassName, _ settings: TrainingSettings, _ work: PlannedWork, process: Double, gathersBlocks: Bool
    ) -> PassPlan {
        let perNode = target.ranks / target.nodes
        let machine = target.machine.profile(ranksPerNode: perNode)
        let leaves = work.batches.map(\.count).max() ?? settings.microBatches
        let leafTokens = work.batches.joined().map(\.tokens).max() ?? 0
        func memory(_ shards: Int) -> (PlannedMesh, MemoryPlan) {
            let mesh = PlannedMesh(ranks: target.ranks, nodes: target.nodes, shards: shards)
            return (
                mesh,
                MemoryPlan(
                    work.model, mesh: mesh, leaves: leaves, leafTokens: leafTokens, gathersBlocks: gathersBlocks,
                    base: max(machine.baseBytes, process))
            )
        }
        let isAdapted = work.model.adaptation != nil
        let choices =
            configuration.parallel.shards.map { [$0] } ?? MeshChoice.candidates(target.ranks, perNode: perNode)
        let fitting = choices.map(memory).first { mesh, memory in
            guard let limit = target.nodeMemory else { return true }
            return memory.perNode(ranks: perNode, sharesMemory: mesh.shards > 1 || isAdapted) <= limit
        }
        let (mesh, memory) = fitting ?? memory(choices[choices.count - 1])
        let steps = work.batches.map { batch in
            StepPlan(
                work.model, leaves: batch, mesh: mesh, gathersBlocks: gathersBlocks, machine: machine,
                network: target.network)
        }
        return PassPlan(
            pass: pass.rawValue, mesh: mesh, parameterCount: work.model.layout.parameterCount,
            batchSize: settings.batchSize, leaves: leaves,
            tokensPerStep: Double(work.batches.joined().reduce(0) { $0 + $1.tokens }) / Double(work.batches.count),
            stepCount: settings.totalSteps(exampleCount: work.exampleCount), memory: memory,
            nodeBytes: memory.perNode(ranks: perNode, sharesMemory: mesh.shards > 1 || isAdapted),
            fits: target.nodeMemory.map { limit in
                memory.perNode(ranks: perNode, sharesMemory: mesh.shards > 1 || isAdapted) <= limit
            }, step: StepPlan(meanOf: steps), gemmPeak: machine.gemmPeak * Double(target.ranks))
    }
}
