import Diagnostics
import Foundation
import Parallel
import Planning
import Storage
import Tensors
import Transformer

/// `rdo bench`: measures this machine on all ranks, prints a table and keeps the rates for `rdo plan`.
package enum BenchRun {
    /// Collective.
    /// - Throws: `RDOError` when a model cannot be read or the file cannot be written.
    package static func run(models: [String], output: String?, on world: Communicator) throws {
        BLAS.configure(threads: 1)
        // Said before half a minute is spent.
        if let output { try world.onRankZero { _ = try MachineFile.readIfPresent(output) } }
        let log = Log(speaking: world.rank == 0)
        let shapes = try world.collectively { try models.map { try ModelDirectory.readConfiguration(directory($0)) } }
        let profile = try MachineBenchmark(world, software: "\(Version.software), OpenBLAS \(BLAS.coreName)").run(
            models: shapes, log: log)
        var lines = table(profile)
        if world.size > 1 { lines += try reductions(world) }
        try world.onRankZero {
            try StandardOutput.write(lines.joined(separator: "\n"))
            if let output { try MachineFile.merge(profile, into: output) }
        }
    }

    private static func directory(_ path: String) -> String {
        path.hasSuffix("/config.json") ? String(path.dropLast("/config.json".count)) : path
    }

    private static func table(_ profile: MachineProfile) -> [String] {
        func row(_ name: String, _ rate: Double) -> String {
            String(format: "| %@ | %.1f | %.0f %% |", name, rate / 1e9, 100 * rate / profile.gemmPeak)
        }
        var lines = [
            "\(profile.ranksPerNode) rank(s) on a node, \(profile.software)", "",
            "| work of each rank | GFLOP/s | of its GEMM peak |", "|---|---:|---:|",
            row("product of 768 × 768 matrices", profile.gemmPeak),
        ]
        for (name, rates) in [
            ("block of width", profile.blocks), ("attention, head size", profile.attention),
            ("vocabulary head of width", profile.head),
        ] {
            for rate in rates {
                lines.append(row("\(name) \(rate.size), forward", rate.forward))
                lines.append(row("\(name) \(rate.size), forward and backward", rate.training))
            }
        }
        return lines + [
            "",
            String(
                format: "sums of vectors %.1f GB/s, AdamW %.0f million parameters/s, a process without a model %.0f MB",
                profile.streamBandwidth / 1e9, profile.optimizerRate / 1e6, profile.baseBytes / 1e6),
        ]
    }

    /// The package's reduction beside MPI's.
    private static func reductions(_ world: Communicator) throws -> [String] {
        let timings = CollectiveTimings(world)
        let header = [
            "", "| reduce-scatter of | fixed tree | MPI_Reduce_scatter_block | ratio |", "|---|---:|---:|---:|",
        ]
        let rows = try [1, 4, 16, 64].map { megabytes in
            let own = try timings.treeReduceScatter(count: megabytes << 18)
            let mpi = try timings.mpiReduceScatter(count: megabytes << 18)
            return String(
                format: "| %d MB a rank | %.2f ms | %.2f ms | %.2f |", megabytes, own * 1e3, mpi * 1e3, mpi / own)
        }
        return header + rows
    }
}
