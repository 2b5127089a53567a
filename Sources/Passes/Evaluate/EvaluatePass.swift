import Coding
import Diagnostics
import Foundation
import Inspection
import Methods
import Preferences
import Settings
import Storage
import Tensors
import Transformer

/// Compares policies: scores of their responses by reward and difference models, who wins and how far length decides it, how their
/// models order held-out pairs, how far they have moved from the reference, perplexity within and out of the domain. What models
/// compute is stored chunk by chunk in `evaluate/`; the figures are in `evaluation.json`.
package struct EvaluatePass: CommandPass {
    package static let name = PassName(rawValue: "evaluate")
    package static let summary = "Compare policies by scorers, held-out data, length, KL and perplexity."

    package init() {}

    package func recipe(_ configuration: Configuration, _ digests: KnownDigests) throws -> Recipe {
        let settings = configuration.evaluate
        var recipe = try Recipe(configuration, digests, trainFiles: [], reader: configuration.baseModel)
        recipe.add(settingsOf: name.rawValue)
        if settings.beta == nil { recipe.add(setting: "dpo.beta") }
        func add(_ model: String?, _ kind: String, _ name: String, _ head: HeadKind) throws {
            guard let model else { return }
            try recipe.add(model: model, head: head, as: "\(kind) \(name)")
            try recipe.add(tokenizerOf: model, as: "\(kind) \(name) ")
        }
        for (name, policy) in settings.policies.entries.map({ ($0.name, $0.part) }) {
            if let file = policy.responseFile { try recipe.add(file: file, as: "responses of \(name)", .data) }
            try add(policy.model, "policy", name, .languageModel)
        }
        for (name, scorer) in settings.scorers.entries.map({ ($0.name, $0.part) }) {
            try add(scorer.model, "scorer", name, .scalar)
            if let model = scorer.model {
                try recipe.add(file: model + "/" + ModelOrigin.fileName, as: "kind of \(name)")
            }
        }
        for (name, texts) in settings.outOfDomain.entries.map({ ($0.name, $0.part) }) {
            for (index, file) in texts.files.enumerated() {
                try recipe.add(file: file, as: "out of domain \(name)[\(index)]", .data)
            }
        }
        return recipe
    }

    package func artefacts(in configuration: Configuration) -> [String] {
        [configuration.evaluationFile, configuration.evaluatedQueries]
    }

    package func progress(in configuration: Configuration) throws -> String {
        let files = try Durable.files(in: configuration.directory(of: name)) ?? []
        let figures = files.filter { $0.hasSuffix(".h5") }
        let unfinished = files.filter { $0.hasSuffix(".h5.partial") }.map { String($0.dropLast(".partial".count)) }
        return try ([figures.isEmpty ? "" : "\(figures.count) files of figures"] + [Artefacts.progress(of: unfinished)])
            .filter { !$0.isEmpty }.joined(separator: ", ")
    }

    package func run(_ session: Session) throws {
        let (world, configuration) = (session.world, session.configuration)
        let settings = configuration.evaluate
        guard !settings.policies.isEmpty else {
            throw RDOError(
                .usage, "evaluate.policies is empty", remedy: "name what is to be compared (docs/evaluating.md)")
        }
        try world.onRankZero {
            try EvaluationFile.requireReplaceable(configuration.evaluationFile)
            try Durable.createDirectory(configuration.directory(of: name))
        }
        let answers = try world.collectively {
            try PolicyAnswers(settings.policies) { try session.heldOutRecords() }
        }
        if answers.unansweredCount > 0 {
            session.log.info(
                "evaluate: \(answers.unansweredCount) queries of data.test are not in the response files, and left out")
        }
        let bootstrap = Bootstrap(resamples: settings.bootstrap, seed: session.seed)
        let scorings = try settings.scorers.entries.map { entry in
            try PolicyScoring(entry.name, entry.part, answers, session)
        }
        if settings.baseline != nil, !scorings.contains(where: \.isDifference) {
            session.log.warning("evaluate.baseline has no effect: no scorer is a difference model")
        }
        let likelihoods = try PolicyLikelihoods(answers, bootstrap, session)
        try likelihoods?.measure()
        let scores = try scorings.map { try $0.scores() }
        try world.withoutTimeout {
            try world.onRankZero {
                let results = try EvaluationResults(
                    answers, zip(scorings, scores).map { ($0, $1 ?? PolicyScoring.Scores()) }, likelihoods, bootstrap,
                    session)
                try results.write()
                session.log.info("evaluate: figures in \(configuration.evaluationFile)")
                try StandardOutput.write(results.evaluation.text, terminator: "")
            }
        }
    }

    package func showComplete(in configuration: Configuration) throws {
        try StandardOutput.write(EvaluationFile.read(configuration.evaluationFile).text, terminator: "")
    }
}

extension Configuration {
    var evaluationFile: String { output + "/" + EvaluationFile.name }

    /// Scores and lengths query by query.
    var evaluatedQueries: String { directory(of: EvaluatePass.name) + "/queries.jsonl" }
}
