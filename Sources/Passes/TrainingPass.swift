import Diagnostics
import Foundation
import Methods
import Preferences
import Settings
import Storage
import Training

/// A training pass of any method: a start model and data in, checkpoints and a Hugging Face directory out.
package struct TrainingPass<Method: TrainingMethod>: TrainingStage {
    private let section: WritableKeyPath<Configuration, Method.Settings> & Sendable

    init(_ section: WritableKeyPath<Configuration, Method.Settings> & Sendable) { self.section = section }

    package func settings(in configuration: Configuration) -> Method.Settings { configuration[keyPath: section] }

    package func start(from model: String, in configuration: inout Configuration) {
        configuration[keyPath: section].start(from: model)
    }

    /// A pass whose last checkpoint is there and fits is not done again.
    package func run(_ session: Session) throws {
        let method = method(in: session.configuration)
        let (data, context, start) = try data(session)
        guard Durable.absolute(start) != Durable.absolute(session.configuration.trainedModel(of: name)) else {
            throw RDOError(
                .usage, "\(name) would replace the model that it starts from", at: start,
                remedy: "copy that directory, or set another output")
        }
        let loaded = try LoadedModel(
            start, head: Method.head, scalarHead: settings(in: session.configuration).scalarHead,
            lora: settings(in: session.configuration).training.lora,
            work: { PlannedWork($0, self, on: data.train, session.configuration) }, session: session)
        let training = try method.task(for: data.train, .training, of: loaded.start, context)
        let evaluation = try data.test.map { try method.task(for: $0, .heldOut, of: loaded.start, context) }
        try train(loaded, data, training, evaluation, session)
    }

    private func train(
        _ loaded: LoadedModel, _ data: PassData, _ prepared: PreparedTask<Method.Task>,
        _ evaluation: PreparedTask<Method.Task>?, _ session: Session
    ) throws {
        let settings = settings(in: session.configuration)
        let (task, model) = (prepared.task, loaded.trained.model)
        let directory = session.configuration.directory(of: name)
        try session.world.onRankZero { try Session.makeDirectory(directory) }
        let adapter = model.adaptation.map { AdapterConfiguration($0, base: loaded.path, head: model.head) }
        let run = TrainingRun(
            settings: settings.training, headLearningRate: settings.scalarHead?.headLearningRate,
            seed: session.seed, shuffle: session.configuration.data.shuffle, directory: directory,
            tracePath: session.tracePath, keepsLedger: settings.ledger,
            writesEvents: session.configuration.metrics.contains(.tensorboard),
            identity: identity(loaded, data, prepared.inputs, session),
            evaluationDigest: evaluation.map { $0.digest(with: data.test?.digest ?? "") },
            configurationText: session.configuration.yaml,
            modelConfiguration: model.configuration.json(head: model.head), adapterConfiguration: try adapter?.json,
            tokenizerSource: data.conventions.tokenizerSource)
        let steps = settings.training.totalSteps(exampleCount: task.exampleCount)
        session.log.info(
            "\(name): \(task.exampleCount) examples, \(steps) steps of \(settings.training.batchSize) in "
                + "\(settings.training.microBatches) leaves, \(model.layout.parameterCount) parameters"
                + (adapter == nil ? "" : ", \(loaded.trained.parameters.layout.parameterCount) of them trained"))
        let trainer = Trainer(loaded.trained, task: task, evaluationTask: evaluation?.task, run: run, log: session.log)
        let made = try trainer.train(resume: session.resume.policy(of: name))
        let origin = ModelOrigin(
            pass: name.rawValue, step: steps, checkpoint: trainer.checkpointID,
            type: settings.training.export.rawValue, identity: run.identity.attributes)
        try export(loaded, adapter, data.conventions, origin, isNew: made > 0, session)
    }

    /// Writes what the pass leaves, unless it stands there and holds the weights of the last checkpoint.
    private func export(
        _ loaded: LoadedModel, _ adapter: AdapterConfiguration?, _ conventions: PassConventions,
        _ origin: ModelOrigin, isNew: Bool, _ session: Session
    ) throws {
        let configuration = session.configuration
        let exported = exported(in: configuration)
        let reason = try session.world.textFromRankZero {
            for path in [configuration.trainedModel(of: name), configuration.trainedAdapter(of: name)] {
                try ReplacedDirectory.settle(path)
            }
            return try reasonToWrite(exported, origin)
        }
        if !isNew && reason.isEmpty {
            session.log.info("\(name): complete and unchanged, model in \(exported)")
            return
        }
        if !isNew { session.log.info("\(name): writing the model again, because \(reason)") }
        let export = ModelExport(world: session.world)
        if let adapter {
            try export.write(
                adapter, loaded.trained.parameters, to: configuration.trainedAdapter(of: name), origin: origin)
        }
        if exported == configuration.trainedModel(of: name) {
            try export.write(
                loaded.trained.model, loaded.trained.weights, to: exported, conventions, startedFrom: loaded.path,
                origin: origin)
        }
        session.log.info("\(name): model in \(exported)")
    }

    /// Why what stands in a directory is not the model of `origin`; empty when it is.
    private func reasonToWrite(_ directory: String, _ origin: ModelOrigin) throws -> String {
        guard try Durable.exists(directory) else { return "it is missing" }
        guard let found = try ModelOrigin.read(directory) else { return "it does not say what it was made from" }
        if found.type != origin.type { return "it is in \(found.type) and export is \(origin.type)" }
        if found.step != origin.step { return "it is of step \(found.step), and the last is \(origin.step)" }
        return found.checkpoint == origin.checkpoint ? "" : "it is of another checkpoint"
    }

    private func identity(
        _ loaded: LoadedModel, _ data: PassData, _ inputs: [RunIdentity.Input: String?], _ session: Session
    ) -> RunIdentity {
        let configuration = session.configuration
        var settings = configuration.fingerprint(of: name.rawValue)
        settings["data.shuffle"] = configuration.data.shuffle.yaml
        settings["seed"] = configuration.seed.yaml
        var inputs = inputs
        if Method.head == .scalar { inputs[.head] = .some(loaded.headDigest) }
        return RunIdentity(
            pass: name, model: loaded.digest, data: data.train.digest, tokenizer: data.conventions.tokenizer.digest,
            template: data.conventions.template, trainsAdapters: loaded.trained.model.adaptation != nil,
            adapter: loaded.adapterDigest, inputs: inputs, settings: settings)
    }
}
