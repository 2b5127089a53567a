import Diagnostics
import Objectives
import Storage

/// What `rdo inspect` says of an artefact, as an encodable value and as text.
package struct ArtefactSummary: Encodable, Sendable {
    package let path: String
    package let kind: Artefacts.Kind
    package let header: ArtefactHeader
    /// Absent for a ledger and a checkpoint.
    package private(set) var provenance: Provenance?
    /// False when another program made the file.
    package let sealed: Bool
    package private(set) var coefficients: CoefficientSummary?
    package private(set) var reference: ReferenceSummary?
    package private(set) var ledger: LedgerSummary?
    package private(set) var checkpoint: CheckpointSummary?

    /// Summarises a coefficient file, a reference file, a ledger or a checkpoint.
    ///
    /// - Parameters:
    ///   - pairs: how many of the largest and of the smallest pairs to list; of a ledger of the largest, by gradient scale.
    ///   - order: what "largest" means in a coefficient file.
    ///   - query: counts some pairs of a coefficient file alone.
    ///   - coefficients: a coefficient file that says of the pairs of a ledger what they are.
    ///   - rule: what the weights of a coefficient file are forecast with; the forecast has its own α.
    ///   - browsed: above 0, how many pairs of each end of every order of a coefficient file to hand over for reading,
    ///     in place of those lists.
    /// - Throws: `RDOError(.artefact)` when it is none of these or damaged, `.usage` for a wrong query, or one of a file
    ///   without coefficients.
    package init(
        of path: String, pairs: Int = 0, by order: PairOrder = .difference, _ query: PairQuery? = nil,
        joining coefficientPath: String? = nil,
        rule: CoefficientRule = CoefficientRule(alpha: 0.5, symmetric: true, disagreement: .zero), browsed: Int = 0
    ) throws {
        self.path = path
        kind = try Artefacts.kind(of: path)
        if kind != .ledger, coefficientPath != nil {
            throw RDOError(.usage, "--coefficients is joined with a ledger", at: path)
        }
        if kind != .coefficients, query?.condition != nil {
            throw RDOError(.usage, "--where asks for pairs of a coefficient file", at: path)
        }
        switch kind {
        case .coefficients:
            let file = try CoefficientFile.read(path)
            (header, provenance, sealed) = (file.header, file.provenance, file.isSealed)
            coefficients = try CoefficientSummary(
                of: file, query ?? PairQuery(), pairs: browsed > 0 ? 0 : pairs, by: order, rule: rule, browsed: browsed)
        case .reference, .logprobs:
            let file = try ReferenceFile.read(path)
            (header, provenance, sealed) = (file.header, file.provenance, file.isSealed)
            reference = ReferenceSummary(of: file)
        case .ledger:
            let file = try LedgerFile.read(path)
            (header, sealed) = (file.header, file.isSealed)
            ledger = try LedgerSummary(of: file, pairs: pairs, coefficientPath.map(PairJudgements.init))
        case .checkpoint:
            let opened = try Checkpoint.open(path)
            (header, sealed) = (opened.header, true)
            checkpoint = CheckpointSummary(of: opened)
        case .measurements:
            throw RDOError(
                .artefact, "these are figures of an evaluation, without a summary of their own", at: path,
                remedy: "read evaluation.json of the same run, or the file with h5py (docs/files.md)")
        case .shard:
            throw RDOError(.artefact, "this is one shard of a checkpoint", at: path, remedy: "name its directory")
        case .unfinished: throw try Artefacts.unfinished(path)
        }
    }

    /// Lines for a terminal.
    ///
    /// - Parameter isFull: texts of pairs whole instead of their starts.
    package func text(isFull: Bool = false) -> String {
        var lines = ["\(path): \(header.schema)"]
        lines += labelled([("created", header.created), ("software", header.software)])
        if header.worldSize > 0 { lines += labelled([("ranks", String(header.worldSize))]) }
        lines += labelled((provenance?.attributes ?? []).map { ($0.name.replacing("_", with: " "), $0.value) })
        if !sealed { lines += labelled([("origin", "another program (no digest)")]) }
        lines += coefficients?.lines(isFull: isFull) ?? reference?.lines ?? ledger?.lines ?? checkpoint?.lines ?? []
        return lines.joined(separator: "\n") + "\n"
    }
}

/// Responses of a reference file.
package struct ReferenceSummary: Encodable, Sendable {
    package let responses: Int
    /// Nil when the file does not count tokens.
    package let tokens: Int?
    /// Σ log π / Σ tokens, nats.
    package let meanLogprobPerToken: Double?
    /// Σ log π / responses, nats.
    package let meanLogprob: Double?

    init(of file: ReferenceFile) {
        responses = file.count
        tokens = file.tokenCounts.map { $0.reduce(0) { $0 + Int($1) } }
        let sum = file.logprobs.reduce(0, +)
        meanLogprob = file.count > 0 ? sum / Double(file.count) : nil
        meanLogprobPerToken = tokens.flatMap { $0 > 0 ? sum / Double($0) : nil }
    }

    var lines: [String] {
        labelled([
            ("responses", String(responses)), ("tokens", tokens.map(String.init) ?? "unknown"),
            ("mean log-probability", rounded(meanLogprob) + " per response, \(rounded(meanLogprobPerToken)) per token"),
        ])
    }
}

/// State, parameters and files of a checkpoint.
package struct CheckpointSummary: Encodable, Sendable {
    package struct Shard: Encodable, Sendable {
        package let file: String
        package let bytes: Int
        package let digest: String
    }

    package let id: String
    package let state: CheckpointState
    package let hasOptimizer: Bool
    package let parameterCount: Int
    package let parameters: [Checkpoint.Parameter]
    package let shards: [Shard]

    init(of checkpoint: Checkpoint) {
        id = checkpoint.id
        state = checkpoint.state
        hasOptimizer = checkpoint.hasOptimizer
        parameters = checkpoint.parameters
        parameterCount = parameters.reduce(0) { $0 + $1.shape.reduce(1, *) }
        shards = checkpoint.shards.map { Shard(file: $0.name, bytes: $0.byteCount, digest: $0.digest.hex) }
    }

    var lines: [String] {
        var lines = labelled([
            ("task", state.task),
            ("step", "\(state.step), epoch \(state.epoch), \(state.samplesConsumed) samples consumed"),
            ("seed", String(state.seed)), ("schedule", state.schedule),
            ("reference digest", state.referenceDigest ?? ""), ("coefficient digest", state.coefficientDigest ?? ""),
            ("BLAS", "\(state.blasCore), \(state.blasThreads) threads"),
            ("optimizer", hasOptimizer ? "first and second moments" : "none"),
        ])
        lines += labelled(state.extra.sorted { $0.key < $1.key }.map { ($0.key, $0.value) })
        lines += labelled([("parameters", "\(parameterCount) in \(parameters.count) arrays")])
        lines += parameters.map { "    \($0.name) [\($0.shape.map(String.init).joined(separator: ", "))]" }
        lines += labelled([("shards", String(shards.count))])
        lines += shards.map { "    \($0.file) \($0.bytes) bytes \($0.digest)" }
        return lines
    }
}
