import Costs
import Foundation
import Planning
import Settings

/// The plan of one training pass, for people and programs.
package struct PassPlan: Sendable {
    let pass: PassName
    let mesh: PlannedMesh
    let parameterCount: Int
    let batchSize: Int
    let leaves: Int
    let tokensPerStep: Double
    let stepCount: Int
    let memory: MemoryPlan
    let nodeBytes: Double
    /// Nil when nobody said how much memory a node has.
    let fits: Bool?
    let step: StepPlan
    /// Operations a second of all ranks' large products.
    let gemmPeak: Double

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
        var lines = [
            "\(pass): \(String(format: "%.1f", Double(parameterCount) / 1e6)) M parameters, mesh "
                + "\(mesh.replicas)×\(mesh.shards) (replicas × shards) on \(mesh.nodes) node(s) of "
                + "\(mesh.ranksPerNode) rank(s)",
            "  batch of \(batchSize) in \(leaves) leaves, \(Int(tokensPerStep)) tokens a step, \(stepCount) steps",
        ]
        func add(_ name: String, _ value: String) {
            lines.append("  " + name + String(repeating: " ", count: max(0, 36 - name.count)) + value)
        }
        for (name, bytes) in memoryRows { add(name, Self.size(bytes)) }
        add("memory of a rank", Self.size(memory.perRank))
        add("memory of a node", Self.size(nodeBytes) + (fits.map { $0 ? " (fits)" : " (does not fit)" } ?? ""))
        for (name, seconds) in timeRows { add(name, String(format: "%.4g s", seconds)) }
        add(
            "a step",
            String(
                format: "%.4g s, %.4g tokens/s, %.0f %% of the ranks' GEMM peak", step.seconds,
                tokensPerStep / step.seconds, 100 * step.operations / step.seconds / gemmPeak))
        add(
            "operations of a step",
            String(
                format: "%.4g (blocks %.0f %%, attention %.0f %%, head %.0f %%)", step.operations,
                100 * step.blockOperations / step.operations, 100 * step.attentionOperations / step.operations,
                100 * step.headOperations / step.operations))
        add("sent by a node in a step", Self.size(step.networkBytes))
        add("the pass", Self.duration(Double(stepCount) * step.seconds))
        return lines.joined(separator: "\n") + "\n"
    }

    /// One JSON object with the same figures, in bytes and seconds.
    package var json: [String: Any] {
        var object: [String: Any] = [
            "pass": pass.rawValue, "ranks": mesh.ranks, "nodes": mesh.nodes, "shards": mesh.shards,
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
