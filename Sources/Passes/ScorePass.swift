import Coding
import Columns
import Diagnostics
import Foundation
import Inspection
import Methods
import Preferences
import Settings
import Storage
import Transformer

/// Reads every pair, of a list every two of its responses, with the difference model, in both orders, or with the reward
/// model, and stores the reward differences in `coefficients.h5` (and `coefficients-test.h5` for the held-out part).
package struct ScorePass: CommandPass {
    package static let name = PassName(rawValue: "score")
    package static let summary = "Predict every pair's reward difference and store the coefficients."

    package init() {}

    package func recipe(_ configuration: Configuration, _ digests: KnownDigests) throws -> Recipe {
        var recipe = try Recipe(configuration, digests, trainFiles: nil, reader: configuration.alignmentModel)
        recipe.add(settingsOf: name.rawValue)
        try recipe.add(model: configuration.scorerModel, head: .scalar, as: "scorer")
        return recipe
    }

    package func artefacts(in configuration: Configuration) -> [String] {
        [DataRole.training, .heldOut].filter(configuration.score.data.includes).map {
            configuration.coefficientFile.of($0).path
        }
    }

    package func progress(in configuration: Configuration) throws -> String {
        try Artefacts.progress(of: artefacts(in: configuration))
    }

    package func run(_ session: Session) throws {
        let settings = session.configuration.score
        let path = session.configuration.scorerModel
        // Pairs are keyed by the policy's tokens; the scorer reads the rows within its own limits.
        let data = try session.dataSets(
            model: session.configuration.alignmentModel,
            scorer: ScorerReading(model: path, form: settings.scorer == .difference ? .differences : .responses))
        try data.requireComparable()
        let model = try FrozenModel(path, head: .scalar, session: session)
        try session.world.collectively { try session.requireTokenizer(of: path, toBe: data.conventions.tokenizer) }
        guard model.hasScalarHead else {
            throw RDOError(
                .artefact, "the scorer has no score.weight", at: path,
                remedy: "train it first (`rdo train \(session.configuration.scorerPass)`) or set score.model")
        }
        for (part, role) in [(data.train, DataRole.training), (data.test, .heldOut)] {
            guard let part, settings.data.includes(role) else { continue }
            try Scoring(
                part: part, conventions: data.conventions, scorer: settings.scorer, model: model, session: session
            ).store(in: session.context(data.conventions).coefficientFile.of(role).path)
        }
        let made = (model.digest, data.conventions.template)
        try session.world.onRankZero {
            try Self.calibrate(session.configuration.coefficientFile, of: made, session.log)
        }
    }

    /// States in the files of a scorer and template what corrects it, fitted on the held-out pairs; without those, in a file
    /// that states nothing, how its judgements follow length.
    private static func calibrate(
        _ path: ArtefactPath, of made: (scorer: String, template: String), _ log: Log
    ) throws {
        func file(_ role: DataRole) throws -> CoefficientFile? {
            let path = path.of(role).path
            guard try InputFile.exists(path) else { return nil }
            let file = try CoefficientFile.read(path)
            // The part that this pass was not to score may be there of an earlier scorer.
            return file.provenance.modelDigest == made.scorer && file.provenance.template == made.template ? file : nil
        }
        let (training, heldOut) = (try file(.training), try file(.heldOut))
        let calibration: ScorerCalibration?
        if let heldOut {
            calibration = try ScorerCalibration(fittingHeldOut: heldOut)
        } else if let training, training.calibration == nil {
            calibration = try ScorerCalibration(
                fitting: ScoredPairs(of: training, training.readTablesIfPresent()),
                of: training.provenance.dataDigest, areHeldOut: false)
        } else {
            return
        }
        guard let calibration else { return }
        for file in [training, heldOut] {
            if let file, file.calibration != calibration { try file.write(calibration, to: file.path) }
        }
        log.info("score: \(calibration.text), used on request (docs/scorers.md)")
    }
}

package struct ScoreSettings: ConfigurationSection {
    package enum Scorer: String, SettingChoice { case difference, reward }

    package enum Part: String, SettingChoice {
        case train, test, both

        func includes(_ role: DataRole) -> Bool { self == .both || self == (role == .training ? .train : .test) }
    }

    package var scorer = Scorer.difference
    package var model: String?
    package var file: String?
    package var data = Part.train
    package var chunk = 8

    package init() {}

    package static var fields: [Field<Self>] {
        [
            .value(\.scorer, "scorer", "What predicts the reward differences."),
            .value(\.model, "model", "Directory of the scorer; by default what that training pass left in output."),
            .value(\.file, "file", "The coefficient file; coefficients.h5 in output by default."),
            .value(\.data, "data", "Which part to score; the held-out part goes to a second file, FILE-test.h5."),
            .value(\.chunk, "chunk", .atLeast(1), "Pairs per forward pass and durable unit of work.").cosmetic,
        ]
    }
}

/// One part of the data under one scorer.
private struct Scoring {
    let part: DataSet
    let conventions: PassConventions
    let scorer: ScoreSettings.Scorer
    let model: FrozenModel
    let session: Session

    func store(in path: String) throws {
        let scorer = ScorerDescription(
            kind: scorer == .difference ? .difference : .reward, symmetric: scorer == .difference,
            provenance: Provenance(
                modelDigest: model.digest, tokenizerDigest: conventions.tokenizer.digest, dataDigest: part.digest,
                inputDigest: part.scorerDigest, template: conventions.template))
        // Rank 0 alone needs the texts and keys of all pairs.
        let tables = try session.world.onRankZero { try CoefficientTables(comparing: part) }
        let comparisons = try session.world.collectively {
            try NumberedItems(counts: part.examples.lazy.map { $0.responses.count * ($0.responses.count - 1) / 2 })
        }
        let pass = ForwardPass(
            title: "score", path: path, itemCount: comparisons.count, chunk: session.configuration.score.chunk,
            model: model, session: session,
            dataRow: { part.examples[comparisons.groups($0..<$0 + 1)[0].group].row })
        let isNew = try pass.run(
            misfit: {
                let file = try CoefficientFile.read(path)
                return scorer.provenance.differences(from: file.provenance)
                    + (tables.map { file.keys.elementsEqual($0.pairKeys) } == true
                        ? [] : ["it has other pairs"])
                    + (file.scorer == scorer.kind.rawValue ? [] : ["its scorer is of another kind"])
            },
            open: {
                guard let tables else { preconditionFailure("rank 0 has the tables") }
                return try CoefficientWriter(
                    path: path, header: session.header(CoefficientFile.schema), scorer: scorer, tables: tables,
                    chunkRows: pass.chunk)
            },
            compute: { range in
                let own = comparisons.groups(range).map { example, items in
                    (example: example, own: Array(part.examples[example].comparisons[items]))
                }
                return switch part.scorerInputs {
                case .differences(let examples, let eos): try differences(own, examples, eos: eos)
                case .responses(let examples): try rewards(own, examples)
                case .none: preconditionFailure("a scorer reads something")
                }
            })
        if isNew { session.log.info("score: \(comparisons.count) reward differences in \(path)") }
    }

    /// Some comparisons of an example.
    private typealias Group = (example: Int, own: [(first: Int, second: Int)])

    /// d(first, second) and d(second, first) of each comparison. A list whose pairs fall into two chunks has its query read
    /// in both.
    private func differences(
        _ comparisons: [Group], _ examples: Rows<DifferenceExample>, eos: Int32
    ) throws -> [Double] {
        var forest = TokenForest()
        let ends = comparisons.flatMap { example, own in
            DifferenceTree.append(
                examples[example],
                comparisons: own.flatMap { [($0.first, $0.second), ($0.second, $0.first)] },
                eos: eos, to: &forest)
        }
        return try model.outputs(of: ForestRequest(forest: forest, outputs: .scalars(ends)))
    }

    /// The rewards of both responses of each comparison.
    private func rewards(
        _ comparisons: [Group], _ examples: Rows<TokenizedExample>
    ) throws -> [Double] {
        let groups = comparisons.map { example, own in
            (example: example, own: own, responses: Set(own.flatMap { [$0.first, $0.second] }).sorted())
        }
        var outputs = try model.outputs(
            of: model.rewards(of: groups.map { examples[$0.example].keeping(responses: $0.responses) }))[...]
        return groups.flatMap { _, own, responses in
            let rewards = Dictionary(uniqueKeysWithValues: zip(responses, outputs.prefix(responses.count)))
            outputs = outputs.dropFirst(responses.count)
            return own.flatMap { [rewards[$0.first, default: .nan], rewards[$0.second, default: .nan]] }
        }
    }
}

extension CoefficientWriter: ChunkWriter {
    /// Two figures for each pair: the difference in both orders, or the rewards of both responses.
    func write(rows: Range<Int>, values: [Double]) throws {
        let first = stride(from: 0, to: values.count, by: 2).map { Float(values[$0]) }
        let second = stride(from: 1, to: values.count, by: 2).map { Float(values[$0]) }
        switch scorer.kind {
        case .difference: try write(rows: rows, differences: first, reversed: second)
        case .reward: try write(rows: rows, rewardsFirst: first, rewardsSecond: second)
        }
    }
}
