import ArgumentParser
import Diagnostics
import Foundation
import Parallel
import Passes
import Planning
import Tools

struct Plan: DistributedCommand {
    static let configuration = CommandConfiguration(
        abstract: "Predict memory and time of every training pass of a configuration, before anything is queued.",
        discussion: "Start it alone, without mpirun. The rates come from `mpirun -n RANKS_PER_NODE rdo bench`.")

    @Argument(help: "The configuration (YAML).")
    var config: String

    @Option(name: .customLong("set"), parsing: .upToNextOption, help: "Override keys of the configuration.")
    var settings: [String] = []

    @Option(help: "Ranks of the planned job.")
    var ranks: Int

    @Option(help: "Nodes that they are spread over evenly.")
    var nodes = 1

    @Option(help: "The machine's rates, as `rdo bench --out` writes them.")
    var machine = "machine.json"

    @Option(help: "The network between nodes: microseconds of latency and GB/s of each node, such as 2,12.")
    var network: String?

    @Option(help: "GB of memory of a node: says whether the plan fits, and chooses the mesh so that it does.")
    var memoryPerNode: Double?

    @Option(help: "Mean tokens of a query and of a response, such as 164,145, to plan without reading data.")
    var tokens: String?

    @Option(help: "How many times as fast as in the machine file a rank is, such as one of 16 cores.")
    var speed = 1.0

    @Flag(help: "Print a JSON array.")
    var json = false

    func run(on world: Communicator) throws {
        guard world.size == 1 else {
            throw RDOError(.usage, "rdo plan runs alone", remedy: "start it without mpirun and give --ranks")
        }
        let link = try network.map { try Self.numbers($0, "--network", "2,12") }
        let lengths = try tokens.map { try Self.numbers($0, "--tokens", "164,145") }
        if let memoryPerNode, !(memoryPerNode > 0 && memoryPerNode < 1e9) {
            throw RDOError(.usage, "--memory-per-node must be a number of GB above 0")
        }
        if let lengths, max(lengths.0, lengths.1) > 1e6 {
            throw RDOError(.usage, "--tokens: no model reads more than a million tokens")
        }
        guard Self.plausible.contains(speed) else { throw RDOError(.usage, "--speed must be above 0") }
        let run = try PlanRun(
            ranks: ranks, nodes: nodes, machine: try MachineFile.read(machine).scaled(by: speed),
            network: link.map { Network(latency: $0.0 * 1e-6, bandwidth: $0.1 * 1e9) },
            nodeMemory: memoryPerNode.map { $0 * 1e9 }, lengths: lengths.map { (Int($0.0), Int($0.1)) })
        let plans = try run.run(Configuration.load(path: config, settings: settings), on: world)
        guard json else { return try StandardOutput.write(plans.map(\.text).joined(separator: "\n"), terminator: "") }
        let data = try JSONSerialization.data(
            withJSONObject: plans.map(\.json), options: [.prettyPrinted, .sortedKeys])
        try StandardOutput.write(String(decoding: data, as: UTF8.self))
    }

    /// Beyond these, times are no numbers any more.
    private static let plausible = 1e-9...1e12

    /// Two positive numbers with a comma between them.
    private static func numbers(_ text: String, _ option: String, _ example: String) throws -> (Double, Double) {
        let parts = text.split(separator: ",", omittingEmptySubsequences: false).map { Double($0) }
        guard parts.count == 2, let first = parts[0], let second = parts[1], plausible.contains(first),
            plausible.contains(second)
        else {
            throw RDOError(.usage, "\(option) \(text): expected two positive numbers", remedy: "such as \(example)")
        }
        return (first, second)
    }
}

struct Bench: DistributedCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measure how fast this machine is for the package's own work, against its own GEMM peak.",
        discussion: "Start as many ranks as a node will run: `mpirun -n N rdo bench`. All measure at the same time.")

    @Option(help: "Write the rates to this JSON file, beside those of other numbers of ranks.")
    var out: String?

    @Option(help: "Measure at the shape of this model (a directory, or a config.json) too; may be repeated.")
    var model: [String] = []

    func run(on world: Communicator) throws { try BenchRun.run(models: model, output: out, on: world) }
}
