import Costs
import Foundation

/// The plan of one training pass, for people and programs.
package struct PassPlan: Sendable {
    package var pass: String
    package var mesh: PlannedMesh
    package var parameterCount: Int
    package var batchSize: Int
    package var leaves: Int
    package var tokensPerStep: Double
    package var stepCount: Int
    package var memory: MemoryPlan
    package var nodeBytes: Double
    /// Nil when nobody said how much memory a node has.
    package var fits: Bool?
    package var step: StepPlan
    /// Operations a second of all ranks' large products.
    package var gemmPeak: Double

    package init(
        pass: String, mesh: PlannedMesh, parameterCount: Int, batchSize: Int, leaves: Int, tokensPerStep: Double,
        stepCount: Int, memory: MemoryPlan, nodeBytes: Double, fits: Bool?, step: StepPlan, gemmPeak: Double
    ) {
        (self.pass, self.mesh, self.parameterCount) = (pass, mesh, parameterCount)
        (self.batchSize, self.leaves, self.tokensPerStep) = (batchSize, leaves, tokensPerStep)
        (self.stepCount, self.memory, self.nodeBytes, self.fits) = (stepCount, memory, nodeBytes, fits)
        (self.step, self.gemmPeak) = (step, gemmPeak)
    }

    package var tokensPerSecond: Double { tokensPerStep / step.seconds }

    private var memoryRows: [(String, Double)] {
        [
            ("parameters (own rows)", memory.parameters), ("gathered parameters", memory.gathered),
            ("gradients", memory.gradients), ("optimizer", memory.optimizer), ("activations", memory.activations),
            ("buffers", memory.buffers), ("process", memory.base),
        ]
    }

    private var timeRows: [(String, Double)] {
        [
            ("arithmetic", step.compute), ("waiting for the slowest", step.imbalance),
            ("gathering and reducing on the node", step.node), ("network not hidden", step.exposedNetwork),
            ("optimizer", step.optimizer),
        ]
    }

    /// A few lines and a table.
    package var text: String {
        func pad(_ text: String, _ width: Int) -> String {
            text + String(repeating: " ", count: max(0, width - text.count))
        }
        let perRank = mesh.ranksPerNode
        var lines = [
            "\(pass): \(String(format: "%.1f", Double(parameterCount) / 1e6)) M parameters, mesh "
                + "\(mesh.replicas)×\(mesh.shards) (replicas × shards) on \(mesh.nodes) node(s) of \(perRank) rank(s)",
            "  batch of \(batchSize) in \(leaves) leaves, \(Int(tokensPerStep)) tokens a step, \(stepCount) steps",
        ]
        for (name, bytes) in memoryRows { lines.append("  " + pad(name, 36) + Self.size(bytes)) }
        lines.append("  " + pad("memory of a rank", 36) + Self.size(memory.perRank))
        lines.append(
            "  " + pad("memory of a node", 36) + Self.size(nodeBytes)
                + (fits.map { $0 ? " (fits)" : " (does not fit)" } ?? ""))
        for (name, seconds) in timeRows {
            lines.append("  " + pad(name, 36) + String(format: "%.4g s", seconds))
        }
        lines.append(
            "  " + pad("a step", 36)
                + String(
                    format: "%.4g s, %.4g tokens/s, %.0f %% of the ranks' GEMM peak", step.seconds, tokensPerSecond,
                    100 * step.operations / step.seconds / gemmPeak))
        lines.append(
            "  " + pad("operations of a step", 36)
                + String(
                    format: "%.4g (blocks %.0f %%, attention %.0f %%, head %.0f %%)", step.operations,
                    100 * step.blockOperations / step.operations, 100 * step.attentionOperations / step.operations,
                    100 * step.headOperations / step.operations))
        lines.append("  " + pad("sent by a node in a step", 36) + Self.size(step.networkBytes))
        lines.append("  " + pad("the pass", 36) + Self.duration(Double(stepCount) * step.seconds))
        return lines.joined(separator: "\n") + "\n"
    }

    /// One JSON object with the same figures, in bytes and seconds.
    package var json: [String: Any] {
        var object: [String: Any] = [
            "pass": pass, "ranks": mesh.ranks, "nodes": mesh.nodes, "shards": mesh.shards,
            "parameters": parameterCount, "batch_size": batchSize, "leaves": leaves, "tokens_per_step": tokensPerStep,
            "steps": stepCount, "rank_bytes": memory.perRank, "node_bytes": nodeBytes,
            "step_seconds": step.seconds, "operations": step.operations, "network_bytes": step.networkBytes,
            "memory": Dictionary(uniqueKeysWithValues: memoryRows), "time": Dictionary(uniqueKeysWithValues: timeRows),
        ]
        object["fits"] = fits
        return object
    }

    private static func size(_ bytes: Double) -> String {
        bytes >= 1e9 ? String(format: "%.2f GB", bytes / 1e9) : String(format: "%.1f MB", bytes / 1e6)
    }

    private static func duration(_ seconds: Double) -> String {
        seconds < 3600 ? String(format: "%.1f minutes", seconds / 60) : String(format: "%.1f hours", seconds / 3600)
    }
}

extension StepPlan {
    /// The mean over several batches.
    /// - Precondition: there is at least one.
    package init(meanOf plans: [StepPlan]) {
        precondition(!plans.isEmpty, "a mean of nothing")
        var mean = plans[0]
        func average(_ path: WritableKeyPath<StepPlan, Double>) {
            mean[keyPath: path] = plans.reduce(0) { $0 + $1[keyPath: path] } / Double(plans.count)
        }
        for path: WritableKeyPath<StepPlan, Double> in [
            \.blockOperations, \.attentionOperations, \.headOperations, \.compute, \.imbalance, \.node,
            \.exposedNetwork, \.optimizer, \.networkBytes,
        ] { average(path) }
        self = mean
    }
}
