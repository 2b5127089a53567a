import Costs
import Foundation
import Transformer

/// A network between nodes, as each node sees it.
package struct Network: Sendable, Equatable {
    /// Seconds a message takes however small.
    package var latency: Double
    /// Bytes a second in each direction.
    package var bandwidth: Double

    package init(latency: Double, bandwidth: Double) { (self.latency, self.bandwidth) = (latency, bandwidth) }
}

/// The predicted time of one optimizer step, in seconds, and what it is made of.
package struct StepPlan: Sendable, Equatable {
    /// Floating-point operations of the whole batch, forward and backward, by kind.
    package var blockOperations = 0.0
    package var attentionOperations = 0.0
    package var headOperations = 0.0
    /// Arithmetic of a rank when all have as much.
    package var compute = 0.0
    /// What waiting for the slowest rank of each sub-step adds.
    package var imbalance = 0.0
    /// Gathering and reducing on the node, which takes time from the cores that compute.
    package var node = 0.0
    /// Network traffic that does not fit behind the arithmetic.
    package var exposedNetwork = 0.0
    package var optimizer = 0.0
    /// Bytes each node sends in a step.
    package var networkBytes = 0.0

    package var operations: Double { blockOperations + attentionOperations + headOperations }
    package var seconds: Double { compute + imbalance + node + exposedNetwork + optimizer }

    /// - Parameters:
    ///   - leaves: of one global batch; leaf `l` runs on rank `l mod R`.
    ///   - network: needed for more than one node.
    package init(
        _ model: TransformerModel, leaves: [OperationCounts], mesh: PlannedMesh, gathersBlocks: Bool,
        machine: MachineProfile, network: Network?
    ) {
        let costs = CostModel(model.configuration, head: model.head)
        guard let block = MachineProfile.rate(machine.blocks, model.configuration.hiddenSize),
            let attention = MachineProfile.rate(machine.attention, model.configuration.headSize),
            let head = MachineProfile.rate(machine.head, model.configuration.hiddenSize)
        else { preconditionFailure("a profile has rates of every kind") }
        var leafSeconds: [Double] = []
        for leaf in leaves {
            let training = costs.training(leaf, isAdapted: model.adaptation != nil)
            blockOperations += training.blocks
            attentionOperations += training.attention
            headOperations += training.head
            var seconds = training.blocks / block.training + training.attention / attention.training
            if model.head == .languageModel { seconds += training.head / head.training }
            // Recomputing a block is one more forward pass over it.
            if model.recomputesBlocks {
                let forward = costs.forward(leaf)
                seconds += forward.blocks / block.forward + forward.attention / attention.forward
            }
            leafSeconds.append(seconds)
        }
        compute = leafSeconds.reduce(0, +) / Double(mesh.ranks)
        let slowest = stride(from: 0, to: leafSeconds.count, by: mesh.ranks).reduce(0.0) { sum, first in
            sum + (leafSeconds[first..<min(first + mesh.ranks, leafSeconds.count)].max() ?? 0)
        }
        imbalance = max(0, slowest - compute)

        let subSteps = Double((leaves.count + mesh.ranks - 1) / mesh.ranks)
        let total = 4 * Double(model.trainedLayout.parameterCount)
        let own = total / Double(mesh.shards)
        let groups = Double(model.trainedLayout.groupCount)
        let gathers = mesh.shards == 1 ? 0 : gathersBlocks ? 2 * subSteps : 1
        // A leaf's gradient is set to zero, and added to the tree's partial sum of own rows.
        node = subSteps * (total + 3 * own) / machine.streamBandwidth
        if mesh.ranks > 1 {
            node += subSteps * (total / machine.reduceBandwidth + groups * machine.reduceLatency)
            // Each rank of a node copies its part of the rows.
            node += gathers * 2 * total / Double(min(mesh.shards, mesh.ranksPerNode)) / machine.streamBandwidth
        }
        optimizer = own / 4 / machine.optimizerRate + own / machine.streamBandwidth
        guard mesh.nodes > 1, let network else { return }

        // Of each group a node sends its part of the rows to the replica's other nodes, and what of the sums belongs to
        // them; then its rows' sums are exchanged between replicas (each way: reduce and gather).
        let spread = Double(mesh.nodesPerReplica)
        let away = (spread - 1) / spread
        let replicasAcross = Double(mesh.nodes) / spread
        let exchanged = 2 * total / spread * (replicasAcross - 1) / replicasAcross
        networkBytes = gathers * total * away + subSteps * (total * away + exchanged)
        let messages = (gathers + 2 * subSteps) * groups * (max(1, log2(spread)) + log2(replicasAcross))
        let seconds = networkBytes / network.bandwidth + messages * network.latency
        // All but one group's traffic can run beside the arithmetic of another.
        exposedNetwork = max(0, seconds - (compute + imbalance)) + seconds / max(groups * subSteps, 1)
    }

    /// The mean over several batches.
    /// - Precondition: there is at least one.
    package init(meanOf plans: [StepPlan]) {
        precondition(!plans.isEmpty, "a mean of nothing")
        self = plans[0]
        for path: WritableKeyPath<StepPlan, Double> in [
            \.blockOperations, \.attentionOperations, \.headOperations, \.compute, \.imbalance, \.node,
            \.exposedNetwork, \.optimizer, \.networkBytes,
        ] { self[keyPath: path] = plans.reduce(0) { $0 + $1[keyPath: path] } / Double(plans.count) }
    }
}
