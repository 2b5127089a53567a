import Configuration
import Diagnostics
import Objectives
import Preferences
import Storage
import Training
import Transformer

extension TrainingPass {
    func kto() throws {
        let settings = configuration.kto
        let start = session.startModel(of: .kto, setting: settings.training.model)
        let data = try session.dataSets(model: start)
        try KTOData.check(data)
        if settings.coefficients.use && settings.coefficients.column != .only { try requireCoefficientsFor(data.train) }
        let loaded = try LoadedModel(
            start, head: .languageModel, lora: settings.training.lora, seed: seed, session: session)
        let join = PairJoin(session: session, data: data)
        let objective = KTOObjective(
            beta: settings.beta, desirableWeight: settings.desirableWeight,
            undesirableWeight: settings.undesirableWeight)
        var identity: [String: String] = [:]
        func task(_ part: DataSet, isTest: Bool) throws -> KTOTask {
            let path = isTest ? Session.testPath(beside: session.referencePath) : session.referencePath
            let references = try join.references(for: part.examples, path: path)
            // Held-out responses are judged unweighted.
            let weights =
                isTest || !settings.coefficients.use ? nil : try join.weights(for: part, settings.coefficients)
            if !isTest {
                identity["reference"] = references.digest
                identity["coefficients"] = weights?.digest ?? "none"
            }
            let (mismatched, batches) = try KTOData.mismatched(part, isTest: isTest, data: data, session: session)
            let combinations = mismatched.all(batches: batches)
            let values = try join.mismatchedReferences(for: combinations, path: Session.mismatchedPath(beside: path))
            let examples = part.examples.indices.map { index in
                KTOTask.Judged(
                    example: part.examples[index], references: references.values[index],
                    weight: weights?.values[index].weight ?? 1, isFlipped: weights?.values[index].flipped ?? false)
            }
            if !isTest {
                identity["labels"] = PairJoin.digest(examples.map { $0.isDesirable(0) ? 1 : 0 })
                warnOfImbalance(examples, objective)
            }
            return KTOTask(
                examples: examples, objective: objective,
                denominatorRule: isTest ? .pairs : settings.coefficients.denominator,
                costs: CostModel(loaded.model.configuration, head: loaded.model.head), mismatched: mismatched,
                mismatchedReferences: values,
                startsAtReference: !isTest && references.modelDigest == loaded.digest && loaded.startsAsDirectory)
        }
        let training = try task(data.train, isTest: false)
        try train(
            loaded, data, settings.training, keepsLedger: settings.ledger, identity: identity, task: training,
            evaluation: try data.test.map { try task($0, isTest: true) })
    }

    /// Coefficient files know pairs.
    private func requireCoefficientsFor(_ part: DataSet) throws {
        guard let example = part.examples.first(where: { $0.kind == .unpaired }) else { return }
        throw RDOError(
            .usage, "coefficients are for pairs, row \(example.row + 1) is a labelled response",
            remedy: "set kto.coefficients.use to false, or kto.coefficients.column to only and give the rows a weight")
    }

    private func warnOfImbalance(_ examples: [KTOTask.Judged], _ objective: KTOObjective) {
        let desirable = examples.reduce(0) { sum, judged in
            sum + judged.references.indices.count { judged.isDesirable($0) }
        }
        let undesirable = examples.reduce(0) { $0 + $1.references.count } - desirable
        guard let advised = objective.advisedDesirableWeight(desirable: desirable, undesirable: undesirable) else {
            return
        }
        session.log.warning(
            "\(desirable) desirable and \(undesirable) undesirable responses with these weights are "
                + "\(objective.balance(desirable: desirable, undesirable: undesirable)) to 1, advised are 1 to 4/3: "
                + "kto.desirable_weight=\(advised) would do")
    }
}

extension PairJoin {
    /// Reference log-probabilities of KTO's combinations, by key.
    /// - Throws: `RDOError.artefact` when the file is missing, of another tokenizer or lacks combinations.
    fileprivate func mismatchedReferences(
        for combinations: [TokenizedExample], path: String
    ) throws -> [ContentKey: Double] {
        // A held-out part of one query alone has none, and a baseline of 0.
        guard !combinations.isEmpty else { return [:] }
        let values = try references(for: combinations, path: path).values.joined()
        return Dictionary(
            zip(combinations.flatMap(\.responseKeys), values), uniquingKeysWith: { first, _ in first })
    }
}

/// What KTO needs to know of its data before training, and the reference pass before that.
enum KTOData {
    /// - Throws: `RDOError.data` when a row is a list, or all responses are of one kind.
    static func check(_ data: PassData) throws {
        for example in data.train.examples + (data.test?.examples ?? []) where example.kind == .list {
            throw RDOError(
                .data, "row \(example.row + 1) is a list",
                remedy: "KTO needs pairs or labelled responses; lists are for rrhf")
        }
        let labels = Set(data.train.examples.map(\.label))
        guard labels.count > 1 || labels.contains(nil) else {
            throw RDOError(
                .data, "every response is \(labels.contains(true) ? "desirable" : "undesirable")",
                remedy: "KTO needs both kinds; sft learns from desirable responses alone")
        }
    }

    /// The combinations on which the baselines of a run over `part` are estimated, and in how many batches.
    ///
    /// - Throws: `RDOError.data` when a batch has no response to another query.
    static func mismatched(
        _ part: DataSet, isTest: Bool, data: PassData, session: Session
    ) throws -> (MismatchedResponses, batches: Int) {
        let configuration = session.configuration
        let settings = configuration.kto
        let count = part.examples.count
        let seed = UInt64(configuration.seed)
        // The held-out part is one batch in file order.
        let partners = KTOPartners(
            of: part.examples,
            order: SampleOrder(count: count, seed: seed, shuffle: !isTest && configuration.data.shuffle),
            batchSize: isTest ? count : settings.training.batchSize, scope: isTest ? .global : settings.klScope,
            microBatches: isTest ? 1 : settings.training.microBatches, pairing: isTest ? .permuted : settings.klPairing,
            seed: seed)
        let batches = isTest ? 1 : settings.training.totalSteps(exampleCount: count)
        if !isTest, let batch = partners.firstBatchWithoutPartner(among: 0..<batches) {
            throw RDOError(
                .data, "the batch of step \(batch) has no response to another query, so KTO's baseline has no estimate",
                remedy: settings.klScope == .micro
                    ? "set kto.kl_scope to global, or lower kto.micro_batches"
                    : "raise kto.batch_size or shuffle the data")
        }
        return (
            MismatchedResponses(examples: part.examples, partners: partners, maxTokens: data.conventions.maxTokens),
            batches
        )
    }
}

extension Session {
    /// The log-probabilities of KTO's mismatched combinations stand beside those of the data: `reference.h5` →
    /// `reference-kto.h5`.
    static func mismatchedPath(beside path: String) -> String { besidePath(path, "-kto.") }
}
