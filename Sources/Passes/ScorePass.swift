import Configuration
import Diagnostics
import Preferences
import Storage
import Training
import Transformer

/// Reads every pair with the difference model, in both orders, or with the reward model, and stores the reward
/// differences in `coefficients.h5` (and `coefficients-test.h5` for the held-out part).
struct ScorePass {
    let session: Session

    private var settings: ScoreSettings { session.configuration.score }

    func run() throws {
        let scorer: PassName = settings.scorer == .difference ? .difference : .reward
        let path = settings.model ?? session.trainedModel(of: scorer)
        // Pairs are keyed by the policy's tokens, and the scorer reads the same ones.
        let data = try session.dataSets(
            model: session.startModel(of: .dpo, setting: session.configuration.dpo.training.model))
        try data.requirePairs()
        let loaded = try FrozenModel(path, head: .scalar, session: session)
        try session.world.collectively { try session.requireTokenizer(of: path, toBe: data.conventions.tokenizer) }
        guard loaded.directory.contains("score.weight") else {
            throw RDOError(
                .artefact, "the scorer has no score.weight", at: path,
                remedy: "train it first (`rdo train \(scorer.rawValue)`) or set score.model")
        }
        if settings.data != .test { try store(data.train, data.conventions, loaded, path: session.coefficientPath) }
        if settings.data != .train, let test = data.test {
            try store(test, data.conventions, loaded, path: Session.testPath(beside: session.coefficientPath))
        }
    }

    private func store(_ part: DataSet, _ conventions: PassConventions, _ loaded: FrozenModel, path: String) throws {
        let world = session.world
        let scorer = ScorerDescription(
            kind: settings.scorer == .difference ? .difference : .reward, symmetric: settings.scorer == .difference,
            provenance: Provenance(
                modelDigest: loaded.digest, tokenizerDigest: conventions.tokenizer.digest, dataDigest: part.digest,
                template: conventions.template))
        let tables = CoefficientTables(pairs: part.examples)
        let isComplete = try world.isTrueOnRankZero {
            guard let file = try? CoefficientFile.read(path) else { return false }
            return file.provenance == scorer.provenance && file.keys == tables.pairKeys
                && file.scorer == scorer.kind.rawValue
        }
        if isComplete {
            session.log.info("score: \(path) is complete and unchanged")
            return
        }
        let writer = try world.collectively {
            world.rank == 0
                ? try CoefficientWriter(
                    path: path,
                    header: ArtefactHeader(
                        schema: CoefficientFile.schema, software: session.software,
                        config: session.configuration.effectiveYAML, worldSize: world.size),
                    scorer: scorer, tables: tables, chunkRows: settings.chunk) : nil
        }
        let rows = try world.numberFromRankZero { writer?.chunkRows ?? settings.chunk }
        let pairs = part.examples.count
        func range(_ chunk: Int) -> Range<Int> { chunk * rows..<min((chunk + 1) * rows, pairs) }
        let runner = ForwardRunner(model: loaded.model, parameters: loaded.parameters)
        try ChunkedPass(title: "score", world: world, team: loaded.team, log: session.log).run(
            finished: writer?.done ?? [Bool](repeating: false, count: (pairs + rows - 1) / rows),
            compute: { chunk in try runner.outputs(of: request(chunk.map(range) ?? 0..<0, of: part, conventions)) },
            store: { chunk, values in
                let first = stride(from: 0, to: values.count, by: 2).map { Float(values[$0]) }
                let second = stride(from: 1, to: values.count, by: 2).map { Float(values[$0]) }
                switch settings.scorer {
                case .difference: try writer?.write(rows: range(chunk), differences: first, reversed: second)
                case .reward: try writer?.write(rows: range(chunk), rewardsFirst: first, rewardsSecond: second)
                }
            })
        try world.collectively { try writer?.finish() }
        session.log.info("score: \(pairs) reward differences in \(path)")
    }

    /// Two scalars a pair: d(chosen, rejected) and d(rejected, chosen), or the two rewards.
    private func request(_ rows: Range<Int>, of part: DataSet, _ conventions: PassConventions) -> LeafRequest {
        guard settings.scorer == .difference else { return LeafRequest.rewards(of: Array(part.examples[rows])) }
        var forest = TokenForest()
        let ends = rows.flatMap { row in
            DifferenceTree.appendOrderedPairs(
                part.differenceExamples[row], eos: conventions.eosTokenID, to: &forest
            ).map(\.row)
        }
        return LeafRequest(forest: forest, outputs: .scalars(ends))
    }
}
