import Configuration
import Diagnostics
import Preferences
import Storage
import Training
import Transformer

/// Reads every pair, of a list every two of its responses, with the difference model, in both orders, or with the reward
/// model, and stores the reward differences in `coefficients.h5` (and `coefficients-test.h5` for the held-out part).
struct ScorePass {
    let session: Session

    private var settings: ScoreSettings { session.configuration.score }

    func run() throws {
        let scorer: PassName = settings.scorer == .difference ? .difference : .reward
        let path = settings.model ?? session.trainedModel(of: scorer)
        // Pairs are keyed by the policy's tokens, and the scorer reads the same ones.
        let data = try session.dataSets(model: session.alignmentModel)
        try data.requireComparable()
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
        let tables = CoefficientTables(comparing: part.examples)
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
        let comparisons = part.examples.indices.flatMap { example in
            part.examples[example].comparisons.map { Comparison(example: example, first: $0, second: $1) }
        }
        let pairs = comparisons.count
        func range(_ chunk: Int) -> Range<Int> { chunk * rows..<min((chunk + 1) * rows, pairs) }
        let runner = ForwardRunner(model: loaded.model, parameters: loaded.parameters)
        try ChunkedPass(title: "score", world: world, team: loaded.team, log: session.log).run(
            finished: writer?.done ?? [Bool](repeating: false, count: (pairs + rows - 1) / rows),
            compute: { chunk in
                let own = chunk.map { Array(comparisons[range($0)]) } ?? []
                return switch settings.scorer {
                case .difference: try differences(own, of: part, conventions, runner)
                case .reward: try rewards(own, of: part, runner)
                }
            },
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

    /// Two responses of an example.
    private struct Comparison {
        let example: Int
        let first: Int
        let second: Int
    }

    /// d(first, second) and d(second, first) of each comparison. A list whose pairs fall into two chunks has its query read
    /// in both.
    private func differences(
        _ comparisons: [Comparison], of part: DataSet, _ conventions: PassConventions, _ runner: ForwardRunner
    ) throws -> [Double] {
        var forest = TokenForest()
        let ends = Self.byExample(comparisons).flatMap { example, own in
            DifferenceTree.append(
                part.differenceExamples[example],
                comparisons: own.flatMap { [($0.first, $0.second), ($0.second, $0.first)] },
                eos: conventions.eosTokenID, to: &forest)
        }
        return try runner.outputs(of: LeafRequest(forest: forest, outputs: .scalars(ends)))
    }

    /// The rewards of both responses of each comparison.
    private func rewards(_ comparisons: [Comparison], of part: DataSet, _ runner: ForwardRunner) throws -> [Double] {
        let groups = Self.byExample(comparisons).map { example, own in
            (example: example, own: own, responses: Set(own.flatMap { [$0.first, $0.second] }).sorted())
        }
        var outputs = try runner.outputs(
            of: LeafRequest.rewards(of: groups.map { part.examples[$0.example].keeping(responses: $0.responses) }))[...]
        return groups.flatMap { _, own, responses in
            let rewards = Dictionary(uniqueKeysWithValues: zip(responses, outputs.prefix(responses.count)))
            outputs = outputs.dropFirst(responses.count)
            return own.flatMap { [rewards[$0.first, default: .nan], rewards[$0.second, default: .nan]] }
        }
    }

    /// In their order, which is that of the examples.
    private static func byExample(_ comparisons: [Comparison]) -> [(example: Int, own: [Comparison])] {
        Dictionary(grouping: comparisons, by: \.example).sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
    }
}
