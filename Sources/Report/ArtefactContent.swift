import Coding
import Diagnostics
import Foundation
import Inspection
import Storage

extension ArtefactContent {
    /// Where a pass exports to; the origin in it makes it one of rdo's.
    static let models = ["model", "adapter"].map { $0 + "/" + ModelOrigin.fileName }

    /// An HDF5 file of a run, by its name in the run's directory.
    /// - Throws: `RDOError.artefact` when it cannot be read.
    init(file: String, in run: String, pairs: Int) throws {
        let path = run + "/" + file
        try self.init(ArtefactSummary(of: path, browsed: pairs), file: file)
    }

    init(_ summary: ArtefactSummary, file: String) throws {
        let header = summary.header
        var facts = (summary.provenance?.attributes ?? []).map { Fact(name: $0.name, value: $0.value) }
        if summary.kind != .checkpoint, let digest = try Artefacts.statedDigest(of: summary.path) {
            facts.append(Fact(name: "digest", value: digest))
        }
        if !summary.sealed { facts.append(Fact(name: "origin", value: "another program (no digest)")) }
        self.init(
            file: file, schema: header.schema, created: header.created.isEmpty ? nil : header.created,
            software: header.software, ranks: header.worldSize > 0 ? header.worldSize : nil, facts: facts,
            summary: summary)
    }

    /// The ledger of a pass, with what the run's coefficients say of its pairs; nil where it kept none.
    ///
    /// - Parameter coefficients: nil where the run has none.
    /// - Returns: what keeps it from being joined with them, too.
    /// - Throws: `RDOError.artefact` when it is there and cannot be read.
    static func ledger(
        ofPass pass: String, in run: String, pairs: Int, joining coefficients: String?
    ) throws -> (content: ArtefactContent, note: String?)? {
        let (file, path) = (pass + "/ledger.h5", "\(run)/\(pass)/ledger.h5")
        guard try InputFile.exists(path) else { return nil }
        var note: String?
        if let coefficients {
            do {
                let joined = try ArtefactSummary(of: path, pairs: pairs, joining: coefficients)
                return (try ArtefactContent(joined, file: file), nil)
            } catch { note = "\(path): shown without texts: \(error)" }
        }
        // Damage shows here too.
        return (try ArtefactContent(ArtefactSummary(of: path, pairs: pairs), file: file), note)
    }

    /// The newest checkpoint and what was exported.
    /// - Throws: `RDOError.artefact` when one is there and cannot be read.
    static func made(byPass pass: String, in run: String) throws -> [ArtefactContent] {
        var all: [ArtefactContent] = []
        let directory = run + "/" + pass
        if let newest = try CheckpointDirectory.list(in: directory + "/checkpoints").first {
            let name = URL(ofFile: newest).lastPathComponent
            all.append(try ArtefactContent(checkpoint: newest, file: "\(pass)/checkpoints/\(name)"))
        }
        for model in ["model", "adapter"] {
            guard let origin = try ModelOrigin.read(directory + "/" + model) else { continue }
            all.append(ArtefactContent(origin, file: pass + "/" + model))
        }
        return all
    }

    /// The state of a checkpoint, without the list of its arrays.
    private init(checkpoint path: String, file: String) throws {
        let checkpoint = try Checkpoint.open(path)
        let (header, state) = (checkpoint.header, checkpoint.state)
        let facts: [(String, String?)] =
            [
                ("id", checkpoint.id), ("step", String(state.step)), ("epoch", String(state.epoch)),
                ("samples_consumed", String(state.samplesConsumed)), ("seed", String(state.seed)),
                ("schedule", state.schedule), ("reference_digest", state.referenceDigest),
                ("coefficient_digest", state.coefficientDigest),
                ("blas", "\(state.blasCore), \(state.blasThreads) threads"),
            ]
            + state.extra.sorted { $0.key < $1.key }.filter { $0.key != "adapter_config" }.map { ($0.key, $0.value) }
        self.init(
            file: file, schema: header.schema, created: header.created, software: header.software,
            ranks: header.worldSize,
            facts: facts.compactMap { name, value in value.map { Fact(name: name, value: $0) } },
            summary: nil)
    }

    private init(_ origin: ModelOrigin, file: String) {
        let facts =
            [
                ("pass", origin.pass), ("step", String(origin.step)), ("checkpoint", origin.checkpoint),
                ("type", origin.type),
            ]
            + origin.identity.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
        self.init(
            file: file, schema: origin.schema, created: nil, software: origin.software, ranks: nil,
            facts: facts.map { Fact(name: $0.0, value: $0.1) }, summary: nil)
    }
}
