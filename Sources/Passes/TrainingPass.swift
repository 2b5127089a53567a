import Configuration
import Diagnostics
import Foundation
import Objectives
import Parallel
import Preferences
import Storage
import Training
import Transformer

/// One training pass: a start model and data in, checkpoints and a Hugging Face directory out.
struct TrainingPass {
    let pass: PassName
    let session: Session

    var configuration: Configuration { session.configuration }

    /// Collective. A pass whose last checkpoint is there and fits is not done again.
    func run() throws {
        switch pass {
        case .sft: try supervised()
        case .reward: try reward()
        case .difference: try difference()
        case .dpo: try pairwise()
        case .rrhf: try rrhf()
        case .kto: try kto()
        case .score, .reference: preconditionFailure("\(pass) is not a training pass")
        }
    }

    // MARK: - The objectives

    private func supervised() throws {
        let settings = configuration.sft
        let start = session.startModel(of: .sft, setting: settings.training.model)
        let data = try session.dataSets(model: start, trainFiles: settings.data)
        let loaded = try LoadedModel(
            start, head: .languageModel, lora: settings.training.lora, seed: seed, session: session)
        func task(_ part: DataSet) -> SupervisedTask {
            SupervisedTask(
                examples: settings.responses == .all ? part.examples : part.examples.map { $0.keeping(responses: [0]) },
                costs: CostModel(loaded.model.configuration, head: loaded.model.head))
        }
        try train(loaded, data, settings.training, task: task(data.train), evaluation: data.test.map(task))
    }

    private func reward() throws {
        let settings = configuration.reward
        let start = session.startModel(of: .reward, setting: settings.training.model)
        let data = try pairs(model: start)
        let loaded = try LoadedModel(
            start, head: .scalar, headFile: settings.head, lora: settings.training.lora, seed: seed, session: session)
        func task(_ part: DataSet) -> RewardTask {
            RewardTask(examples: part.examples, costs: CostModel(loaded.model.configuration, head: loaded.model.head))
        }
        try train(
            loaded, data, settings.training, headLearningRate: settings.headLearningRate,
            task: task(data.train), evaluation: data.test.map(task))
    }

    private func difference() throws {
        let settings = configuration.difference
        let start = session.startModel(of: .difference, setting: settings.training.model)
        let data = try pairs(model: start)
        let loaded = try LoadedModel(
            start, head: .scalar, headFile: settings.head, lora: settings.training.lora, seed: seed, session: session)
        func task(_ part: DataSet) -> DifferenceTask {
            DifferenceTask(
                examples: part.differenceExamples,
                objective: DifferenceObjective(
                    lambdaDuplication: settings.lambdaDuplication, lambdaReverse: settings.lambdaReverse),
                eosTokenID: data.conventions.eosTokenID, seed: seed,
                costs: CostModel(loaded.model.configuration, head: loaded.model.head))
        }
        try train(
            loaded, data, settings.training, headLearningRate: settings.headLearningRate,
            task: task(data.train), evaluation: data.test.map(task))
    }

    private func pairwise() throws {
        let settings = configuration.dpo
        let start = session.startModel(of: .dpo, setting: settings.training.model)
        let data = try pairs(model: start)
        let loaded = try LoadedModel(
            start, head: .languageModel, lora: settings.training.lora, seed: seed, session: session)
        let join = PairJoin(session: session, data: data)
        let objective = PairwiseObjective(
            variant: settings.variant, beta: settings.beta, labelSmoothing: settings.labelSmoothing,
            simpoGamma: settings.simpoGamma ?? 1)
        var identity: [String: String] = [:]
        func task(_ part: DataSet, isTest: Bool) throws -> PairwiseTask {
            let path = isTest ? Session.testPath(beside: session.referencePath) : session.referencePath
            let references = settings.variant.needsReference ? try join.references(for: part.examples, path: path) : nil
            // Held-out pairs are judged unweighted.
            let weights =
                isTest || !settings.coefficients.use
                ? nil : try join.weights(for: part, settings.coefficients)
            if !isTest {
                identity["reference"] = references?.digest ?? "none"
                identity["coefficients"] = weights?.digest ?? "none"
            }
            return PairwiseTask(
                pairs: part.examples.indices.map { index in
                    PairwiseTask.Pair(
                        example: part.examples[index], referenceChosen: references?.values[index][0] ?? 0,
                        referenceRejected: references?.values[index][1] ?? 0,
                        weight: weights?.values[index].weight ?? 1, isFlipped: weights?.values[index].flipped ?? false)
                },
                objective: objective, denominatorRule: isTest ? .pairs : settings.coefficients.denominator,
                costs: CostModel(loaded.model.configuration, head: loaded.model.head),
                startsAtReference: !isTest && references?.modelDigest == loaded.digest
                    && loaded.startsAsDirectory)
        }
        let training = try task(data.train, isTest: false)
        try train(
            loaded, data, settings.training, keepsLedger: settings.ledger, identity: identity, task: training,
            evaluation: try data.test.map { try task($0, isTest: true) })
    }

    // MARK: - What they share

    /// The data as pairs, whatever they are.
    private func pairs(model: String) throws -> PassData {
        try session.dataSets(model: model).asPairs(perList: configuration.data.pairsPerList, seed: seed)
    }

    var seed: UInt64 { UInt64(configuration.seed) }

    func train<Task: TrainingTask>(
        _ loaded: LoadedModel, _ data: PassData, _ settings: TrainingSettings,
        headLearningRate: Double? = nil, keepsLedger: Bool = false, identity: [String: String] = [:], task: Task,
        evaluation: Task?
    ) throws {
        let directory = session.directory(of: pass)
        try session.world.collectively {
            if session.world.rank == 0 { try Session.makeDirectory(directory) }
        }
        let adapter = loaded.model.adaptation.map {
            AdapterConfiguration($0, base: loaded.path, head: loaded.model.head)
        }
        let run = TrainingRun(
            settings: settings, headLearningRate: headLearningRate, seed: seed, shuffle: configuration.data.shuffle,
            directory: directory, tracePath: session.tracePath, keepsLedger: keepsLedger,
            identity: identity.merging(configuration.fingerprint(of: pass)) { own, _ in own }.merging([
                "pass": pass.rawValue, "model": loaded.digest, "data": data.train.digest,
                "tokenizer": data.conventions.tokenizer.digest, "template": configuration.data.template.rawValue,
                "lora": settings.lora == nil ? "none" : "adapters", "adapter": loaded.adapterDigest ?? "none",
            ]) { own, _ in own },
            configurationText: configuration.effectiveYAML,
            modelConfiguration: loaded.model.configuration.json(head: loaded.model.head),
            adapterConfiguration: try adapter?.json, tokenizerSource: data.conventions.tokenizerSource)
        session.log.info(
            "\(pass.rawValue): \(task.exampleCount) examples, \(run.totalSteps(exampleCount: task.exampleCount)) steps of "
                + "\(settings.batchSize) in \(settings.microBatches) leaves, \(loaded.model.layout.parameterCount) parameters"
                + (adapter == nil ? "" : ", \(loaded.parameters.layout.parameterCount) of them trained")
        )
        let trainer = Trainer(
            model: loaded.model, parameters: loaded.parameters, frozen: loaded.frozen, mesh: loaded.mesh, task: task,
            evaluationTask: evaluation, run: run, log: session.log)
        let (trained, adapters) = (session.trainedModel(of: pass), session.trainedAdapter(of: pass))
        let exported = settings.lora?.export == .adapter ? adapters : trained
        if session.resume == .never { for path in [trained, adapters] { try session.removeOnRankZero(path) } }
        let steps = try trainer.train(resume: session.resume)
        if steps == 0, try session.world.isTrueOnRankZero({ FileManager.default.fileExists(atPath: exported) }) {
            session.log.info("\(pass.rawValue): complete and unchanged, model in \(exported)")
            return
        }
        let export = ModelExport(session.world)
        if let adapter { try export.write(adapter, loaded.parameters, to: adapters) }
        if exported == trained {
            try export.write(
                loaded.model, loaded.weights, to: trained, tokenizerFrom: data.conventions.tokenizerSource,
                type: settings.export)
        }
        session.log.info("\(pass.rawValue): model in \(exported)")
    }
}
