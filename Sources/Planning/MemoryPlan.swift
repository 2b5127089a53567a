import Tensors
import Transformer

/// Bytes that a training pass holds on a rank, by kind.
package struct MemoryPlan: Sendable, Equatable {
    /// The process, its libraries and the data.
    package var base = 0.0
    /// Own rows.
    package var parameters = 0.0
    /// Room for gathered groups, and the weights that adapters stand beside: once per node where memory is shared, and then part of every rank's resident set.
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

    /// - Parameters:
    ///   - leaves: of the global batch.
    ///   - leafTokens: of the largest leaf.
    ///   - gathersBlocks: `parallel.gather: block`.
    package init(
        _ model: TransformerModel, mesh: PlannedMesh, leaves: Int, leafTokens: Int, gathersBlocks: Bool, base: Double
    ) {
        let layout = model.trainedLayout
        let groups = layout.groups.map { group in Double(layout.specs[group].reduce(0) { $0 + $1.count }) }
        let total = groups.reduce(0, +)
        let block = groups.dropFirst().dropLast().max() ?? 0
        let ends = groups[0] + groups[groups.count - 1]
        let own = total / Double(mesh.shards)
        self.base = base
        parameters = 4 * own
        gathered = mesh.shards == 1 ? 0 : 4 * (gathersBlocks ? ends + 2 * block : total)
        if model.adaptation != nil { gathered += 4 * Double(model.layout.parameterCount) }
        let subSteps = (leaves + mesh.ranks - 1) / mesh.ranks
        // The binary counter has a partial sum for each bit of the number of sub-steps so far, and takes one more in.
        let levels = Double((0..<subSteps).map(\.nonzeroBitCount).max() ?? 0)
        gradients =
            mesh.ranks == 1 ? 4 * (levels + 1) * total : 4 * ((levels + 1) * own + ends + 2 * block)
        optimizer = 8 * own
        activations = Self.activations(model, tokens: leafTokens)
        let logits = model.head == .languageModel ? 2 * 128 * Double(model.configuration.vocabularySize) : 0
        buffers = 4 * (logits + (mesh.ranks == 1 ? 0 : Double(1 << 20)))
    }

    /// What a forward pass over `tokens` tokens keeps, and what one block's backward pass needs beside it.
    private static func activations(_ model: TransformerModel, tokens: Int) -> Double {
        let c = model.configuration
        let (hidden, intermediate) = (Double(c.hiddenSize), Double(c.intermediateSize))
        let queries = Double(c.headCount * c.headSize)
        let projections = queries + 2 * Double(c.keyValueHeadCount * c.headSize)
        // `BlockActivations`: input, projections, attention, its log-sum-exp, the stream between, gate and up.
        let kept = 2 * hidden + projections + queries + Double(c.headCount) + 2 * intermediate
        let backward = 3 * hidden + projections + queries + 3 * intermediate
        let layers = Double(c.layerCount)
        let perToken = model.recomputesBlocks ? layers * hidden + kept + backward : layers * kept + backward
        return 4 * Double(tokens) * perToken
    }
}

/// The ranks of a planned job.
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
}
