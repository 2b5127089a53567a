import Configuration
import Diagnostics
import Foundation
import Parallel
import Preferences
import Storage
import Tensors
import Training
import Transformer

/// One invocation on all ranks: the configuration, the ranks and where things go.
package final class Session {
    package let configuration: Configuration
    package let world: Communicator
    package let log: Log
    let resume: ResumePolicy
    let tracePath: String?
    /// Loaded data sets, because several passes read the same ones.
    var dataSets: [DataSetKey: DataSet] = [:]
    /// The meshes in use, by their number of shards.
    private var meshes: [Int: Mesh] = [:]

    /// Collective: makes the output directory and prepares the ranks.
    ///
    /// - Parameter keepsLog: lines also go to `rdo.log` in the output directory.
    /// - Throws: `RDOError.usage` when the directory cannot be written or the mesh does not fit.
    package init(
        _ configuration: Configuration, world: Communicator, resume: ResumePolicy, tracePath: String?,
        keepsLog: Bool = true
    ) throws {
        self.configuration = configuration
        self.world = world
        self.resume = resume
        self.tracePath = tracePath
        let log = Log(speaking: world.rank == 0)
        self.log = log
        try world.collectively { try MeshChoice.check(configuration.parallel.shards, ranks: world.size) }
        world.setPatience(seconds: configuration.parallel.timeout)
        BLAS.configure(threads: configuration.parallel.blasThreads)
        try world.collectively {
            guard world.rank == 0 else { return }
            try Self.makeDirectory(configuration.output)
            if keepsLog { try log.append(to: configuration.output + "/rdo.log") }
        }
        log.info(
            "\(Version.software): \(world.size) rank(s), \(configuration.parallel.blasThreads) BLAS thread(s) each (\(BLAS.coreName))"
        )
    }

    /// Collective. The mesh for a model: as configured, else chosen by what fits the nodes.
    func mesh(for layout: ParameterLayout) throws -> Mesh {
        let parallel = configuration.parallel
        let shards = try parallel.shards ?? MeshChoice(world: world, gather: gatherPolicy).shards(for: layout)
        if let known = meshes[shards] { return known }
        let mesh = try Mesh(world: world, shards: shards, sharesMemory: parallel.sharedMemory)
        meshes[shards] = mesh
        log.info(
            "mesh \(mesh.replicas.size)×\(mesh.shards.size) (replicas × shards) on \(mesh.nodeCount) node(s)"
                + (mesh.sharesMemory || world.size == 1
                    ? "" : ", gathered parameters once per rank: memory is not shared"))
        return mesh
    }

    var gatherPolicy: GatherPolicy { configuration.parallel.gather == .step ? .step : .block }

    /// Says so when there are more busy threads than processors here, which slows every rank down.
    package func warnOfCrowding() {
        let machine = ProcessInfo.processInfo
        let threads = configuration.parallel.blasThreads
        let available = machine.activeProcessorCount
        // A launcher that binds ranks gives each processors of its own; otherwise the ranks of this host share them.
        let isBound = available < machine.processorCount
        let neighbours = machine.environment["OMPI_COMM_WORLD_LOCAL_SIZE"].flatMap { Int($0) } ?? 1
        let busy = isBound ? threads : neighbours * threads
        guard busy > available else { return }
        log.warning("\(busy) threads share \(available) processor(s): start fewer ranks, or bind more to each")
    }

    /// What makes the numbers of an artefact: the program and the BLAS kernels under it.
    var software: String {
        "\(Version.software), OpenBLAS \(BLAS.coreName), \(BLAS.threads) thread(s)"
    }

    /// Where a pass keeps its files.
    func directory(of pass: PassName) -> String { configuration.output + "/" + pass.rawValue }

    /// The model directory that a training pass leaves.
    func trainedModel(of pass: PassName) -> String { directory(of: pass) + "/model" }

    /// The adapter directory that a training pass with `lora` leaves.
    func trainedAdapter(of pass: PassName) -> String { directory(of: pass) + "/adapter" }

    /// Where a training pass starts: its own `model`, else what SFT left when SFT is among the passes, else the base.
    func startModel(of pass: PassName, setting: String?) -> String {
        if let setting { return setting }
        let hasSupervised = configuration.passes.contains(.sft)
        return hasSupervised && pass != .sft ? trainedModel(of: .sft) : baseModel
    }

    /// The first of the passes that align a policy: reference and scoring passes read the data as its model does.
    var alignmentModel: String {
        let pass = configuration.passes.first { [.dpo, .rrhf, .kto].contains($0) } ?? .dpo
        return startModel(of: pass, setting: configuration.training(of: pass)?.model)
    }

    /// `model.path`, or where `model.init` is written.
    var baseModel: String { configuration.model.path ?? configuration.output + "/initial-model" }

    var coefficientPath: String { configuration.score.file ?? configuration.output + "/coefficients.h5" }
    var referencePath: String { configuration.reference.file ?? configuration.output + "/reference.h5" }

    /// The held-out part's own file beside `path`: `reference.h5` → `reference-test.h5`.
    static func testPath(beside path: String) -> String { besidePath(path, "-test.") }

    static func besidePath(_ path: String, _ mark: String) -> String {
        let url = URL(fileURLWithPath: path)
        return url.deletingPathExtension().path + mark + url.pathExtension
    }

    /// Collective: rank 0 removes what stands there, if anything does.
    func removeOnRankZero(_ path: String) throws {
        try world.collectively {
            guard world.rank == 0, FileManager.default.fileExists(atPath: path) else { return }
            do {
                try FileManager.default.removeItem(atPath: path)
            } catch {
                throw RDOError(.usage, "cannot remove (\(error.localizedDescription))", at: path)
            }
        }
    }

    static func makeDirectory(_ path: String) throws {
        do {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
            let probe = path + "/.write-test"
            try Data().write(to: URL(fileURLWithPath: probe))
            try FileManager.default.removeItem(atPath: probe)
        } catch {
            throw RDOError(
                .usage, "the output directory is not writable (\(error.localizedDescription))", at: path,
                remedy: "set output to a directory that you may write to")
        }
    }
}
