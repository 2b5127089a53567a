import Diagnostics
import Foundation
import Methods
import Preferences
import Settings
import Storage
import Training
import Transformer

/// One resumable stage of `rdo run`: it turns files into files, and does nothing where they are there and fit.
package protocol Pass: Sendable {
    var name: PassName { get }
    /// What its result depends on.
    /// - Throws: `RDOError` when something that it reads is there and cannot be read.
    func recipe(_ configuration: Configuration, _ digests: KnownDigests) throws -> Recipe
    /// The files and directories that it leaves; empty when it must always run.
    func artefacts(in configuration: Configuration) -> [String]
    /// What is done of it, for people; empty when nothing is.
    func progress(in configuration: Configuration) throws -> String
    /// Whether what is done of it is of no use when these parts of its recipe changed.
    func startsAnew(_ changed: [RecipeDifference], in configuration: Configuration) -> Bool
    /// Collective.
    /// - Throws: its first error; `RDOError.stopped` when a signal came and everything is saved.
    func run(_ session: Session) throws
    /// What a start says of what is complete and passed over. Rank 0 calls it.
    func showComplete(in configuration: Configuration) throws
}

extension Pass {
    package func startsAnew(_ changed: [RecipeDifference], in configuration: Configuration) -> Bool { true }
    package func showComplete(in configuration: Configuration) throws {}
}

/// A pass with a command of its own: `rdo NAME CONFIG`. (Training passes share `rdo train`.)
package protocol CommandPass: Pass {
    static var name: PassName { get }
    /// One sentence for the command line.
    static var summary: String { get }
    init()
}

extension CommandPass {
    package var name: PassName { Self.name }
}

/// A pass that trains a model.
package protocol TrainingStage: Pass {
    associatedtype Method: TrainingMethod
    func settings(in configuration: Configuration) -> Method.Settings
    /// Makes the pass start from this directory.
    func start(from model: String, in configuration: inout Configuration)
}

extension TrainingStage {
    package var name: PassName { Method.name }
    var purpose: MethodPurpose { Method.purpose }

    func method(in configuration: Configuration) -> Method { Method(settings(in: configuration)) }
    func anyMethod(in configuration: Configuration) -> any TrainingMethod { method(in: configuration) }

    package var head: HeadKind { Method.head }
    var readsMismatched: Bool { Method.readsMismatched }

    package func recipe(_ configuration: Configuration, _ digests: KnownDigests) throws -> Recipe {
        let settings = settings(in: configuration)
        let start = configuration.startModel(of: name)
        var recipe = try Recipe(configuration, digests, trainFiles: settings.trainFiles, reader: start)
        recipe.add(settingsOf: name.rawValue)
        try recipe.add(model: start, head: Method.head, as: "start model")
        if let head = settings.scalarHead?.headFile { try recipe.add(file: head, as: "head") }
        if let adapter = settings.training.lora?.start {
            for file in ["adapter_config.json", "adapter_model.safetensors"] {
                try recipe.add(file: adapter + "/" + file, as: file)
            }
        }
        if settings.readsCoefficients {
            let files = settings.weighting?.file?.map { ArtefactPath($0) } ?? [configuration.coefficientFile]
            for (index, file) in files.enumerated() {
                try recipe.add(artefact: file.path, as: "coefficients[\(index)]")
                try recipe.add(artefact: file.of(.heldOut).path, as: "held-out coefficients[\(index)]")
            }
            try recipe.add(file: configuration.scorerModel + "/config.json", as: "scorer's reading")
        }
        if purpose == .alignsPolicy {
            let (reference, heldOut) = (configuration.referenceFile, configuration.referenceFile.of(.heldOut))
            for file in [reference, heldOut, reference.mismatched, heldOut.mismatched] {
                try recipe.add(artefact: file.path, as: URL(ofFile: file.path).lastPathComponent)
            }
        }
        return recipe
    }

    package func artefacts(in configuration: Configuration) -> [String] { [exported(in: configuration)] }

    /// The directory that later passes and users look for.
    func exported(in configuration: Configuration) -> String {
        settings(in: configuration).training.lora?.export == .adapter
            ? configuration.trainedAdapter(of: name) : configuration.trainedModel(of: name)
    }

    package func progress(in configuration: Configuration) throws -> String {
        let root = configuration.directory(of: name) + "/checkpoints"
        guard let path = try CheckpointDirectory.list(in: root).first else { return "" }
        let state = try Checkpoint.open(path).state
        let examples = state.extra["examples"].flatMap { Int($0) }
        let total = examples.map { settings(in: configuration).training.totalSteps(exampleCount: $0) }
        return "a checkpoint of step \(state.step)" + (total.map { " of \($0)" } ?? "")
    }

    /// A run goes on with more steps, or with other held-out data.
    package func startsAnew(_ changed: [RecipeDifference], in configuration: Configuration) -> Bool {
        let neutral = Set(configuration.rows(of: name.rawValue).filter(\.isNeutral).map(\.key))
        return changed.contains { !neutral.contains($0.name) && !$0.name.hasPrefix("data.test") }
    }

    /// Who reads the rows beside the model: the scorer that this pass trains, or the one whose judgements it learns from.
    func scorer(_ session: Session, start: String) throws -> ScorerReading? {
        if Method.readsDifferences { return ScorerReading(model: start, form: .differences) }
        let settings = settings(in: session.configuration)
        let isOwn = settings.weighting?.file == nil && session.configuration.score.file == nil
        // Otherwise a row that the scorer cannot use has ended the scoring pass.
        guard settings.readsCoefficients, isOwn, session.configuration.data.onError == .skip else { return nil }
        return try session.scorerReading()
    }

    /// The data as the method reads them, for the model that it starts from.
    /// - Parameter start: another directory of a model that reads as that one will.
    package func data(
        _ session: Session, start: String? = nil
    ) throws -> (data: PassData, context: MethodContext, start: String) {
        let start = start ?? session.configuration.startModel(of: name)
        let data = try rows(session, start: start)
        let context = session.context(data.conventions)
        return (try method(in: session.configuration).prepare(data, context), context, start)
    }

    /// The rows before the method chooses among them.
    func rows(_ session: Session, start: String) throws -> PassData {
        try session.dataSets(
            model: start, trainFiles: settings(in: session.configuration).trainFiles,
            scorer: scorer(session, start: start))
    }
}
