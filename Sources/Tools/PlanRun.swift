import Columns
import Costs
import Diagnostics
import Foundation
import Methods
import Parallel
import Passes
import Planning
import Preferences
import Settings
import Storage
import Transformer

/// `rdo plan`: memory and time of every training pass of a configuration on ranks that need not be there.
package struct PlanRun {
    private let ranks, nodes: Int
    private let machine: MachineProfile
    private let network: Network?
    private let nodeMemory: Double?
    private let lengths: (query: Int, response: Int)?

    /// - Parameters:
    ///   - nodeMemory: bytes that a node offers; nil does not say whether it fits.
    ///   - lengths: mean tokens of a query and of a response, to plan without data.
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
        (self.ranks, self.nodes, self.machine) = (ranks, nodes, machine.profile(ranksPerNode: ranks / nodes))
        (self.network, self.nodeMemory, self.lengths) = (network, nodeMemory, lengths)
    }

    /// - Parameter world: of one rank.
    /// - Throws: what the configuration's models and data throw.
    package func run(_ configuration: Configuration, on world: Communicator) throws -> [PassPlan] {
        let scratch = FileManager.default.temporaryDirectory.appendingPathComponent("rdo-plan-" + UUID().uuidString)
        defer { try? FileManager.default.removeItem(at: scratch) }
        var configuration = configuration
        configuration.output = scratch.path
        let session = try Session(
            configuration, world: world, resume: ResumeChoice([]), tracePath: nil, keepsLog: false)
        if lengths == nil { try session.materializeInitialModel() }
        return try configuration.passes.compactMap { name in
            guard let stage = Configuration.pass(name) as? any TrainingStage else { return nil }
            try Pipeline.checkLeaves(of: name, configuration, ranks: ranks)
            let work = try planned(stage, session)
            // This process has read the tokenizer and the data, as every rank will.
            let process = lengths == nil ? Double(ResidentMemory.current()) : 0
            return plan(name, stage.settings(in: configuration).training, work, session, process: process)
        }
    }

    private func planned(_ stage: some TrainingStage, _ session: Session) throws -> PlannedWork {
        let settings = stage.settings(in: session.configuration).training
        let start = session.plannedStart(of: stage.name)
        let model = TransformerModel(
            try session.plannedConfiguration(start),
            head: stage.head, adaptation: settings.lora?.adaptation,
            recomputesBlocks: session.configuration.parallel.recompute == .block)
        let part =
            try lengths.map { DataSet(lengths: $0, count: 4 * settings.batchSize) }
            ?? stage.data(session, start: start).data.train
        return PlannedWork(model, stage, on: part, session.configuration)
    }

    private func plan(
        _ pass: PassName, _ settings: TrainingSettings, _ work: PlannedWork, _ session: Session, process: Double
    ) -> PassPlan {
        let demand = work.memory(gathersBlocks: session.gatherPolicy == .block, base: max(machine.baseBytes, process))
        let mesh =
            session.configuration.parallel.shards.map { PlannedMesh(ranks: ranks, nodes: nodes, shards: $0) }
            ?? demand.mesh(ranks: ranks, nodes: nodes, limit: nodeMemory)
        let nodeBytes = demand.perNode(mesh)
        let steps = work.batches.map { batch in
            StepPlan(
                work.model, leaves: batch, mesh: mesh, gathersBlocks: demand.gathersBlocks, machine: machine,
                network: network)
        }
        return PassPlan(
            pass: pass, mesh: mesh, parameterCount: work.model.layout.parameterCount, batchSize: settings.batchSize,
            leaves: work.batches.map(\.count).max() ?? settings.microBatches,
            tokensPerStep: Double(work.batches.joined().reduce(0) { $0 + $1.tokens }) / Double(work.batches.count),
            stepCount: settings.totalSteps(exampleCount: work.exampleCount), memory: MemoryPlan(demand, mesh: mesh),
            nodeBytes: nodeBytes, fits: nodeMemory.map { nodeBytes <= $0 }, step: StepPlan(meanOf: steps),
            gemmPeak: machine.gemmPeak * Double(ranks))
    }
}

extension DataSet {
    /// Pairs of equal length, for a plan without data.
    fileprivate init(lengths: (query: Int, response: Int), count: Int) {
        func ids(_ count: Int) -> [Int32] { [Int32](repeating: 0, count: count) }
        let pair = [ids(lengths.response), ids(lengths.response)]
        let examples = Rows(count: count) { row in
            TokenizedExample(
                row: row, kind: .pair, prompt: ids(lengths.query), responses: pair, truncatedResponses: [false, false],
                isPromptTruncated: false, promptText: "", responseTexts: ["", ""])
        }
        let differences = Rows(count: count) { row in
            DifferenceExample(
                row: row, query: ids(lengths.query), asFirst: pair, asSecond: pair, truncatedResponses: [false, false],
                isPromptTruncated: false)
        }
        self.init(examples: examples, scorerInputs: .differences(differences, eos: 0))
    }
}

extension Session {
    /// Where a pass starts, as far as that is there: what a pass of the run is yet to train reads and is shaped as what that one
    /// starts from.
    fileprivate func plannedStart(of pass: PassName) -> String {
        let start = configuration.startModel(of: pass)
        let maker = Configuration.trainingPasses.first { configuration.trainedModel(of: $0.name) == start }
        return maker.map { plannedStart(of: $0.name) } ?? start
    }

    /// The shape of the model at `path`, which `model.init` may be yet to write.
    fileprivate func plannedConfiguration(_ path: String) throws -> ModelConfiguration {
        guard path == configuration.baseModel, let settings = configuration.model.initial else {
            return try ModelDirectory.readConfiguration(path)
        }
        return try InitialModel(settings, tokenizer: configuration.model.tokenizer, seed: seed).modelConfiguration()
    }
}
