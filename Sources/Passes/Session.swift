import Coding
import Costs
import Diagnostics
import Foundation
import Methods
import Parallel
import Preferences
import Settings
import Storage
import Tensors
import Training
import Transformer

/// One invocation on all ranks: the configuration, the ranks and where things go.
package final class Session {
    package let configuration: Configuration
    package let world: Communicator
    package let log: Log
    package private(set) var resume: ResumeChoice
    let tracePath: String?
    /// Digests of model directories that were read, by path.
    private var modelDigests: [String: String] = [:]
    /// Those of this and earlier runs, for rank 0.
    let knownDigests: KnownDigests
    /// Loaded data sets, because several passes read the same ones.
    var dataSets: [DataSetKey: DataSet] = [:]
    /// Directories that weights were read from, and for which head.
    var readModels: [(path: String, head: HeadKind)] = []
    private var hasSaidTemplate = false
    /// The meshes in use, by their number of shards.
    private var meshes: [Int: Mesh] = [:]

    /// Collective: makes the output directory and prepares the ranks.
    ///
    /// - Parameter keepsLog: lines also go to `rdo.log` in the output directory.
    /// - Throws: `RDOError.usage` when the directory cannot be written or the mesh does not fit.
    package init(
        _ configuration: Configuration, world: Communicator, resume: ResumeChoice, tracePath: String?,
        keepsLog: Bool = true
    ) throws {
        let log = Log(speaking: world.rank == 0)
        (self.configuration, self.world, self.log) = (configuration, world, log)
        (self.resume, self.tracePath) = (resume, tracePath)
        try world.requireSame("the configuration", configuration.yaml.split(separator: "\n").map(String.init))
        try world.requireSame("the data", configuration.dataSizes())
        try world.collectively { try MeshChoice.check(configuration.parallel.shards, ranks: world.size) }
        world.setPatience(seconds: configuration.parallel.timeout)
        BLAS.configure(threads: configuration.parallel.blasThreads)
        try world.onRankZero {
            try Self.makeDirectory(configuration.output)
            if let warning = try OutputLock.take(configuration.output) { log.warning(warning) }
            if keepsLog {
                try log.append(to: configuration.output + "/rdo.log")
                try RunStatus.keep(configuration)
            }
        }
        knownDigests = try world.collectively { try KnownDigests(configuration.stateDirectory + "/digests.json") }
        log.info(
            "\(Version.software): \(world.size) rank(s), \(configuration.parallel.blasThreads) BLAS thread(s) each (\(BLAS.coreName))"
        )
    }

    /// Collective. The mesh for a pass: as configured, else chosen by what fits the nodes.
    func mesh(for demand: @autoclosure () throws -> MemoryDemand) throws -> Mesh {
        let parallel = configuration.parallel
        let shards =
            try parallel.shards ?? MeshChoice(world: world, sharesMemory: parallel.sharedMemory).shards(for: demand)
        if let known = meshes[shards] { return known }
        let mesh = try Mesh(world: world, shards: shards, sharesMemory: parallel.sharedMemory)
        meshes[shards] = mesh
        log.info(
            "mesh \(mesh.replicas.size)×\(mesh.shards.size) (replicas × shards) on \(mesh.nodeCount) node(s)"
                + (mesh.sharesMemory || world.size == 1
                    ? "" : ", gathered parameters once per rank: memory is not shared"))
        return mesh
    }

    /// Collective. Decides for the passes that will run where each begins.
    func resume(among passes: [PassName]) throws {
        resume = try world.collectively { try resume.assigned(to: passes) }
    }

    /// Collective. Says so where the ranks of a node were to share what they gather and there is no room for it.
    func warn(ofCopies bytes: Int, isShared: Bool, _ mesh: Mesh) throws {
        let copies = mesh.sharesMemory && mesh.node.size > 1 && bytes > 0 && !isShared
        guard try world.allReduceMax(copies ? 1 : 0) == 1 else { return }
        log.warning(MeshChoice.warning(ofCopies: bytes))
    }

    package var gatherPolicy: GatherPolicy { configuration.parallel.gather == .step ? .step : .block }

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

    /// Says once what is to be said of the template and the tokenizer: all models of a run read by the same ones.
    func say(_ reading: ModelReading) {
        if !hasSaidTemplate { reading.say(log) }
        hasSaidTemplate = true
    }

    /// What a method may know of this run.
    package func context(_ conventions: PassConventions) -> MethodContext {
        MethodContext(
            seed: seed, shuffle: configuration.data.shuffle, pairsPerList: configuration.data.pairsPerList,
            conventions: conventions, coefficientFile: configuration.coefficientFile,
            referenceFile: configuration.referenceFile, world: world, log: log,
            digests: { [unowned self] in try expectedDigest(of: $0) })
    }

    /// Collective. Digest of the model that an artefact must be of: the one that its pass would use now. Nil when that
    /// model is not here, so that nothing can be compared.
    private func expectedDigest(of artefact: MadeArtefact) throws -> String? {
        // Coefficients that a path names may be anybody's.
        if artefact == .coefficients, configuration.score.file != nil { return nil }
        let path = artefact == .reference ? configuration.referenceModel : configuration.scorerModel
        let isHere = try world.isTrueOnRankZero { try InputFile.exists(path + "/config.json") }
        return isHere ? try digest(ofModel: path) { try ModelDirectory.open(path, head: artefact.head).digest() } : nil
    }

    /// Collective. Rank 0 reads the files, once in a session.
    func digest(ofModel path: String, _ read: () throws -> String) throws -> String {
        if let known = modelDigests[path] { return known }
        let digest = try world.textFromRankZero { try knownDigests.digest(ofModel: path, read) }
        modelDigests[path] = digest
        return digest
    }

    /// Collective. How the scorer reads the rows; one that is not here is taken to read as the model that it was or will be
    /// made of.
    func scorerReading() throws -> ScorerReading {
        let isDifference = configuration.score.scorer == .difference
        let path = configuration.scorerModel
        let isHere = try world.isTrueOnRankZero { try InputFile.exists(path + "/config.json") }
        let start = configuration.startModel(of: configuration.scorerPass)
        return ScorerReading(model: isHere ? path : start, form: isDifference ? .differences : .responses)
    }

    package var seed: UInt64 { UInt64(configuration.seed) }

    /// The attributes of a new artefact.
    func header(_ schema: String) -> ArtefactHeader {
        ArtefactHeader(
            schema: schema, software: "\(Version.software), OpenBLAS \(BLAS.coreName), \(BLAS.threads) thread(s)",
            config: configuration.yaml, worldSize: world.size)
    }

    package static func makeDirectory(_ path: String) throws {
        do {
            try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
            let probe = path + "/.write-test"
            try Data().write(to: URL(ofFile: probe))
            try FileManager.default.removeItem(atPath: probe)
        } catch {
            throw RDOError(
                .usage, "the output directory is not writable (\(error.localizedDescription))", at: path,
                remedy: "set output to a directory that you may write to")
        }
    }
}
