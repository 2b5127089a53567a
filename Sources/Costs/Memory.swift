import Transformer

/// What a pass asks of the memory of its ranks: the one model that a plan and a run choose their mesh by.
package struct MemoryDemand: Sendable {
    package enum Work: Sendable, Equatable {
        /// Leaves of the global batch.
        case training(leaves: Int)
        case forward
    }

    package var model: TransformerModel
    package var work: Work
    /// Tokens of the largest leaf, or of the largest tree that runs forward.
    package var leafTokens: Int
    /// `parallel.gather: block`.
    package var gathersBlocks: Bool
    /// Bytes of a process without the model, where they are not in use already.
    package var base: Double
    /// Bytes that the ranks of a node can share: 0 where each keeps what is gathered to itself.
    package var sharedRoom = Double.infinity

    package init(_ model: TransformerModel, _ work: Work, leafTokens: Int, gathersBlocks: Bool, base: Double = 0) {
        (self.model, self.work, self.leafTokens) = (model, work, leafTokens)
        (self.gathersBlocks, self.base) = (gathersBlocks, base)
    }

    /// Bytes on one node.
    package func perNode(_ mesh: PlannedMesh) -> Double {
        let plan = MemoryPlan(self, mesh: mesh)
        let isGathered = mesh.shards > 1 || model.adaptation != nil || work == .forward
        return plan.perNode(ranks: mesh.ranksPerNode, sharesMemory: isGathered && plan.gathered <= sharedRoom)
    }

    /// The mesh to run on, where nobody said how many ranks share one copy of the parameters.
    ///
    /// At least the ranks of a node: there sharding costs nothing, because gathered parameters lie in shared memory and
    /// gradients do not leave the node. More nodes only as far as the model needs them: what the shards do not need, the
    /// replicas need not send across the network in every step.
    ///
    /// - Parameter limit: bytes of a node; nil says that all fits. All ranks share one copy when nothing fits.
    package func mesh(ranks: Int, nodes: Int, limit: Double?) -> PlannedMesh {
        let meshes = PlannedMesh.candidates(ranks: ranks, nodes: nodes)
        return meshes.first { perNode($0) <= limit ?? .infinity } ?? meshes[meshes.count - 1]
    }
}

/// The ranks of a job.
package struct PlannedMesh: Sendable, Equatable {
    package var ranks: Int
    package var nodes: Int
    package var shards: Int

    package init(ranks: Int, nodes: Int, shards: Int) {
        precondition(ranks % nodes == 0 && ranks % shards == 0, "nodes and shards divide the ranks")
        (self.ranks, self.nodes, self.shards) = (ranks, nodes, shards)
    }

    package var replicas: Int { ranks / shards }
    package var ranksPerNode: Int { ranks / nodes }
    /// Nodes that one copy of the parameters spans.
    package var nodesPerReplica: Int { max(1, shards / ranksPerNode) }

    /// Meshes to try, the best first.
    package static func candidates(ranks: Int, nodes: Int) -> [PlannedMesh] {
        let perNode = ranks / nodes
        return stride(from: perNode, through: ranks, by: perNode).filter { ranks % $0 == 0 }.map {
            PlannedMesh(ranks: ranks, nodes: nodes, shards: $0)
        }
    }
}

/// Bytes that a pass holds on a rank, by kind.
package struct MemoryPlan: Sendable, Equatable {
    /// The process, its libraries and the data.
    package var base = 0.0
    /// Own rows.
    package var parameters = 0.0
    /// Room for gathered groups, and the weights that adapters stand beside: once per node where memory is shared, and
    /// then part of every rank's resident set.
    package var gathered = 0.0
    /// Whole gradients of the groups under way, and the tree's partial sums of own rows.
    package var gradients = 0.0
    package var optimizer = 0.0
    package var activations = 0.0
    /// Logits, and messages between ranks.
    package var buffers = 0.0

    /// What the operating system shows as resident for one rank.
    package var perRank: Double { base + parameters + gathered + gradients + optimizer + activations + buffers }

    /// - Parameter sharesMemory: gathered groups exist once for all ranks of the node.
    package func perNode(ranks: Int, sharesMemory: Bool) -> Double {
        Double(ranks) * perRank - (sharesMemory ? Double(ranks - 1) * gathered : 0)
    }

    package init(_ demand: MemoryDemand, mesh: PlannedMesh) {
        let model = demand.model
        base = demand.base
        if case .training(let leaves) = demand.work {
            let sizes = GroupSizes(model.trainedLayout)
            addShards(sizes, mesh, demand)
            let own = sizes.total / Double(mesh.shards)
            let subSteps = (leaves + mesh.ranks - 1) / mesh.ranks
            // The binary counter has a partial sum for each bit of the number of sub-steps so far, and takes one more in.
            let levels = Double((0..<subSteps).map(\.nonzeroBitCount).max() ?? 0)
            gradients = 4 * (mesh.ranks == 1 ? (levels + 1) * sizes.total : (levels + 1) * own + sizes.inUse)
            optimizer = 8 * own
        }
        if demand.work == .forward || model.adaptation != nil {
            let frozen = GroupSizes(model.layout)
            if demand.gathersBlocks { addShards(frozen, mesh, demand) } else { gathered += 4 * frozen.total }
        }
        activations = 4 * Double(demand.leafTokens) * Self.activations(model, demand.work)
        let logits = model.head == .languageModel ? 2 * 128 * Double(model.configuration.vocabularySize) : 0
        buffers = 4 * (logits + (mesh.ranks == 1 ? 0 : Double(1 << 20)))
    }

    /// Own rows and room for what is gathered of them.
    private mutating func addShards(_ sizes: GroupSizes, _ mesh: PlannedMesh, _ demand: MemoryDemand) {
        parameters += 4 * sizes.total / Double(mesh.shards)
        if mesh.shards > 1 { gathered += 4 * (demand.gathersBlocks ? sizes.inUse : sizes.total) }
    }

    /// Floats for each token: what a forward pass keeps, and what one block's backward pass needs beside it.
    private static func activations(_ model: TransformerModel, _ work: MemoryDemand.Work) -> Double {
        let c = model.configuration
        let (hidden, intermediate) = (Double(c.hiddenSize), Double(c.intermediateSize))
        let queries = Double(c.headCount * c.headSize)
        let projections = queries + 2 * Double(c.keyValueHeadCount * c.headSize)
        // What norms of queries and keys, and of attention's and the MLP's sums, read.
        let keys = (projections - queries) / 2
        let normed =
            (c.family.queryKeyNorm == .none ? 0 : queries + keys) + (c.family.norms == .before ? 0 : 2 * hidden)
        // `BlockActivations`: input, projections, attention, its log-sum-exp, the stream between, gate and up.
        let kept = 2 * hidden + projections + queries + Double(c.headCount) + 2 * intermediate + normed
        // Forward alone, the larger half of a block: attention's own and a norm's output, or gate and up and the MLP's.
        guard work != .forward else {
            return normed + max(3 * hidden + projections + queries + Double(c.headCount), 4 * hidden + 2 * intermediate)
        }
        let backward = 3 * hidden + projections + queries + 3 * intermediate
        let layers = Double(c.layerCount)
        return model.recomputesBlocks ? layers * hidden + kept + backward : layers * kept + backward
    }

    /// Parameters of a layout's groups.
    private struct GroupSizes {
        let total: Double
        /// Embedding, head and two blocks: what is whole at once while blocks take turns.
        let inUse: Double

        init(_ layout: ParameterLayout) {
            let sizes = layout.groupNames.map { (group: $0, count: layout.specs(of: $0).reduce(0) { $0 + $1.count }) }
            let block = sizes.filter(\.group.isBlock).map(\.count).max() ?? 0
            total = Double(layout.parameterCount)
            inUse = Double(sizes.filter { !$0.group.isBlock }.reduce(0) { $0 + $1.count } + 2 * block)
        }
    }
}
