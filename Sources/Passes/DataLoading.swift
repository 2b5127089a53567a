import Coding
import Diagnostics
import Foundation
import Methods
import Parallel
import Preferences
import Settings
import Storage
import Transformer

/// How the model of a directory reads the rows: its tokenizer, its EOS and its limit of positions.
private struct ModelReading {
    let conventions: PassConventions
    let plan: TokenizationPlan
    let differencePlan: TokenizationPlan

    /// What makes one reading another within a session.
    struct Key: Hashable {
        let tokenizer: String
        let eosTokenID: Int32
        let maxTokens: Int
    }

    var key: Key {
        Key(
            tokenizer: conventions.tokenizer.digest, eosTokenID: conventions.eosTokenID,
            maxTokens: conventions.maxTokens)
    }
}

/// What a scorer reads of the rows beside the ids of the model that is trained.
package struct ScorerReading {
    package enum Form: Hashable, Sendable {
        /// Both responses in one input.
        case differences
        /// Each response after the prompt.
        case responses
    }

    /// Directory of the scorer.
    package let model: String
    package let form: Form

    package init(model: String, form: Form) { (self.model, self.form) = (model, form) }
}

/// What distinguishes one loaded data set from another within a session.
struct DataSetKey: Hashable {
    fileprivate let files: [String]
    fileprivate let limit: Int?
    fileprivate let reader: ModelReading.Key
    fileprivate let scorer: ModelReading.Key?
    fileprivate let form: ScorerReading.Form?
}

extension Session {
    /// Collective: reads and tokenises the training and held-out files for the model at `path`.
    ///
    /// - Parameters:
    ///   - trainFiles: other files than the configuration's.
    ///   - scorer: reads the rows too; one that it cannot use is a bad row.
    /// - Throws: `RDOError.data` for bad rows, `.artefact` when tokenizer and model do not fit.
    package func dataSets(
        model path: String, trainFiles: [String]? = nil, scorer: ScorerReading? = nil
    ) throws -> PassData {
        let settings = configuration.data
        let (own, scorers) = try world.collectively {
            (try reading(of: path), try scorer.map { (try reading(of: $0.model), $0.form) })
        }
        func load(_ files: [String], limit: Int?) throws -> DataSet {
            let key = DataSetKey(
                files: files, limit: limit, reader: own.key, scorer: scorers?.0.key, form: scorers?.1)
            if let known = dataSets[key] { return known }
            let loaded = try DataSetLoader(session: self, own: own, scorer: scorers).load(files, limit: limit)
            dataSets[key] = loaded
            return loaded
        }
        return PassData(
            train: try load(trainFiles ?? settings.train, limit: settings.limit),
            test: settings.test.isEmpty ? nil : try load(settings.test, limit: settings.testLimit),
            conventions: own.conventions)
    }

    private func reading(of path: String) throws -> ModelReading {
        let settings = configuration.data
        let model = try ModelDirectory.readConfiguration(path)
        let source = try tokenizerSource(model: path)
        let tokenizer = try TokenizerLoader.load(source)
        guard tokenizer.vocabularySize <= model.vocabularySize else {
            throw RDOError(
                .artefact, "the tokenizer has \(tokenizer.vocabularySize) tokens, the model \(model.vocabularySize)",
                at: source, remedy: "use the tokenizer that the model was trained with")
        }
        guard let eos = model.eosTokenIDs.first else {
            throw RDOError(
                .artefact, "eos_token_id is missing", at: path + "/config.json",
                remedy: "add the id of the token that ends a response")
        }
        guard Int(eos) < model.vocabularySize else {
            throw RDOError(
                .artefact, "eos_token_id \(eos) lies outside the vocabulary of \(model.vocabularySize)",
                at: path + "/config.json")
        }
        let maxTokens = min(settings.maxTokens, model.maxPositions)
        func plan(_ overLong: OverLongPolicy) throws -> TokenizationPlan {
            try TokenizationPlan(
                tokenizer: tokenizer, template: settings.template, eosTokenID: eos, bosTokenID: tokenizer.bosTokenID,
                maxTokens: maxTokens, maxPromptTokens: settings.maxPromptTokens, overLong: overLong)
        }
        return ModelReading(
            conventions: PassConventions(
                tokenizer: tokenizer, tokenizerSource: source, template: settings.template.rawValue, eosTokenID: eos,
                maxTokens: maxTokens),
            plan: try plan(settings.overLong),
            // Both responses stand in one input: what is too long for that is cut, never a reason to lose the pair.
            differencePlan: try plan(.truncate))
    }

    /// A scorer reads the ids of the policy's tokenizer, so it must have been trained with the same one.
    /// - Throws: `RDOError.artefact` when the directory's own tokenizer is another.
    func requireTokenizer(of path: String, toBe expected: any Tokenizer) throws {
        guard try TokenizerLoader.load(tokenizerSource(model: path)).digest != expected.digest else { return }
        throw RDOError(
            .artefact, "its tokenizer is not the policy's", at: path,
            remedy: "use a model of the policy's family, or set model.tokenizer for both")
    }

    /// - Throws: `RDOError.artefact` when a model that reads another's sequences has too few positions for one of them.
    func requireReadable(_ data: PassData, at path: String, limit: Int) throws {
        for example in data.examples {
            let longest = example.prompt.count + (example.responses.map(\.count).max() ?? 0)
            guard longest > limit else { continue }
            throw RDOError(
                .artefact, "row \(example.row + 1) has \(longest) tokens, this model reads \(limit)", at: path,
                remedy: "lower data.max_tokens to \(limit)")
        }
    }

    /// `model.tokenizer`, or the model's own directory.
    private func tokenizerSource(model path: String) throws -> String {
        guard let setting = configuration.model.tokenizer, setting != ModelSettings.byteTokenizer else { return path }
        return setting
    }
}

/// Reads the files on every rank, tokenises a slice on each, and gathers.
private struct DataSetLoader {
    let session: Session
    let own: ModelReading
    let scorer: (reading: ModelReading, form: ScorerReading.Form)?

    func load(_ files: [String], limit: Int?) throws -> DataSet {
        let world = session.world
        let settings = session.configuration.data
        var data = try world.collectively {
            try PreferenceReader(format: settings.format, policy: settings.onError).read(files)
        }
        if let limit { data.records = Array(data.records.prefix(limit)) }
        let records = data.records
        let slice = RowPartition(rows: records.count, shards: world.size)[world.rank]
        let results: [Result<TokenizedExample, BadRow>] = try gather(own.plan.examples(of: records, rows: slice))
        var differences: [Result<DifferenceExample, BadRow>] = []
        var responses: [Result<TokenizedExample, BadRow>] = []
        switch scorer?.form {
        case .differences?:
            differences = try gather(
                scorer?.reading.differencePlan.differenceExamples(of: records, rows: slice) ?? [])
        case .responses?: responses = try gather(scorer?.reading.plan.examples(of: records, rows: slice) ?? [])
        case nil: break
        }
        // Whoever learns from the scorer's judgements sees the same rows as the scorer.
        let unusable = differences.map(\.failure) + responses.map(\.failure)
        var report = data.report
        let examples = try report.admit(
            unusable.isEmpty
                ? results : zip(results, unusable).map { result, bad in bad.map { .failure($0) } ?? result },
            policy: settings.onError)
        let usable = Set(examples.map(\.row))
        func admitted<Row: TokenizedRow>(_ rows: [Result<Row, BadRow>]) -> [Row] {
            rows.compactMap(\.success).filter { usable.contains($0.row) }.map { $0.with(row: records[$0.row].row) }
        }
        if report.badCount > 0 { session.log.warning("left out \(report.summary)") }
        try world.onRankZero {
            let name = URL(fileURLWithPath: files[0]).lastPathComponent
            try Data(report.json().utf8).write(
                to: URL(fileURLWithPath: session.configuration.output + "/data-report-\(name).json"))
        }
        return DataSet(
            examples: examples.map { $0.with(row: records[$0.row].row) },
            scorerInputs: scorer.map { scorer in
                switch scorer.form {
                case .differences: .differences(admitted(differences), eos: scorer.reading.conventions.eosTokenID)
                case .responses: .responses(admitted(responses))
                }
            } ?? .none)
    }

    private func gather<Row: TokenizedRow>(_ own: [Result<Row, BadRow>]) throws -> [Result<Row, BadRow>] {
        try session.world.allGather(TokenizedRowCoding.encode(own)).flatMap {
            try TokenizedRowCoding.decode($0, as: Row.self)
        }
    }
}

extension TokenizedRow {
    fileprivate func with(row: Int) -> Self {
        var example = self
        example.row = row
        return example
    }
}

extension Result {
    fileprivate var success: Success? { try? get() }

    fileprivate var failure: Failure? {
        guard case .failure(let failure) = self else { return nil }
        return failure
    }
}
