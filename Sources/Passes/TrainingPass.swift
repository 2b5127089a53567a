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
        configuration[keyPath: section].training.model = model
    }

    /// A pass whose last checkpoint is there and fits is not done again.
    package func run(_ session: Session) throws {
        let method = method(in: session.configuration)
        let (data, context, start) = try data(session)
        let loaded = try LoadedModel(
            start, head: Method.head, headFile: settings(in: session.configuration).scalarHead?.head,
            lora: settings(in: session.configuration).training.lora,
            work: { PlannedWork($0, self, on: data.train, session.configuration) }, session: session)
        let training = try method.task(for: data.train, .training, of: loaded.start, context)
        let evaluation = try data.test.map { try method.task(for: $0, .heldOut, of: loaded.start, context).task }
        try train(loaded, data, training, evaluation, session)
    }

    private func train(
        _ loaded: LoadedModel, _ data: PassData, _ prepared: PreparedTask<Method.Task>, _ evaluation: Method.Task?,
        _ session: Session
    ) throws {
        let settings = settings(in: session.configuration)
        let (task, model) = (prepared.task, loaded.trained.model)
        let directory = session.directory(of: name)
        try session.world.onRankZero { try Session.makeDirectory(directory) }
        let adapter = model.adaptation.map { AdapterConfiguration($0, base: loaded.path, head: model.head) }
        let run = TrainingRun(
            settings: settings.training, headLearningRate: settings.scalarHead?.headLearningRate,
            seed: session.seed, shuffle: session.configuration.data.shuffle, directory: directory,
            tracePath: session.tracePath, keepsLedger: settings.ledger,
            identity: identity(loaded, data, prepared.inputs, session),
            configurationText: session.configuration.yaml,
            modelConfiguration: model.configuration.json(head: model.head), adapterConfiguration: try adapter?.json,
            tokenizerSource: data.conventions.tokenizerSource)
        let steps = settings.training.totalSteps(exampleCount: task.exampleCount)
        session.log.info(
            "\(name): \(task.exampleCount) examples, \(steps) steps of \(settings.training.batchSize) in "
                + "\(settings.training.microBatches) leaves, \(model.layout.parameterCount) parameters"
                + (adapter == nil ? "" : ", \(loaded.trained.parameters.layout.parameterCount) of them trained"))
        let trainer = Trainer(loaded.trained, task: task, evaluationTask: evaluation, run: run, log: session.log)
        let (whole, adapters) = (session.trainedModel(of: name), session.trainedAdapter(of: name))
        let exported = settings.training.lora?.export == .adapter ? adapters : whole
        let policy = session.resume.policy(of: name)
        if policy == .never { for path in [whole, adapters] { try session.removeOnRankZero(path) } }
        if try trainer.train(resume: policy) == 0,
            try session.world.isTrueOnRankZero({ FileManager.default.fileExists(atPath: exported) })
        {
            session.log.info("\(name): complete and unchanged, model in \(exported)")
            return
        }
        let export = ModelExport(world: session.world)
        if let adapter { try export.write(adapter, loaded.trained.parameters, to: adapters) }
        if exported == whole {
            try export.write(
                model, loaded.trained.weights, to: whole, tokenizerFrom: data.conventions.tokenizerSource,
                type: settings.training.export)
        }
        session.log.info("\(name): model in \(exported)")
    }

    private func identity(
        _ loaded: LoadedModel, _ data: PassData, _ inputs: [RunIdentity.Input: String?], _ session: Session
    ) -> RunIdentity {
        let configuration = session.configuration
        var settings = configuration.fingerprint(of: name.rawValue)
        settings["data.shuffle"] = configuration.data.shuffle.yaml
        settings["seed"] = configuration.seed.yaml
        return RunIdentity(
            pass: name, model: loaded.digest, data: data.train.digest, tokenizer: data.conventions.tokenizer.digest,
            template: data.conventions.template, trainsAdapters: loaded.trained.model.adaptation != nil,
            adapter: loaded.adapterDigest, inputs: inputs, settings: settings)
    }
}
