import Coding
import Diagnostics
import Foundation
import Methods
import Parallel
import Preferences
import Settings
import Storage
import Transformer

/// What distinguishes one loaded data set from another within a session.
struct DataSetKey: Hashable {
    let files: [String]
    let limit: Int?
    let tokenizer: String
    let eosTokenID: Int32
}

extension Session {
    /// Collective: reads and tokenises the training and held-out files for the model at `path`.
    ///
    /// - Parameter trainFiles: other files than the configuration's.
    /// - Throws: `RDOError.data` for bad rows, `.artefact` when tokenizer and model do not fit.
    package func dataSets(model path: String, trainFiles: [String]? = nil) throws -> PassData {
        let settings = configuration.data
        let (conventions, plan, differencePlan) = try world.collectively { try plans(model: path) }
        func load(_ files: [String], limit: Int?) throws -> DataSet {
            let key = DataSetKey(
                files: files, limit: limit, tokenizer: conventions.tokenizer.digest, eosTokenID: conventions.eosTokenID)
            if let known = dataSets[key] { return known }
            let loaded = try DataSetLoader(
                session: self, plan: plan, differencePlan: differencePlan
            ).load(files, limit: limit)
            dataSets[key] = loaded
            return loaded
        }
        return PassData(
            train: try load(trainFiles ?? settings.train, limit: settings.limit),
            test: settings.test.isEmpty ? nil : try load(settings.test, limit: settings.testLimit),
            conventions: conventions)
    }

    private func plans(model path: String) throws -> (PassConventions, TokenizationPlan, TokenizationPlan) {
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
        return (
            PassConventions(
                tokenizer: tokenizer, tokenizerSource: source, template: settings.template.rawValue, eosTokenID: eos,
                maxTokens: maxTokens),
            try plan(settings.overLong),
            // Both responses stand in one input: what is too long for that is cut, never a reason to lose the pair.
            try plan(.truncate)
        )
    }

    /// A scorer reads the ids of the policy's tokenizer, so it must have been trained with the same one.
    /// - Throws: `RDOError.artefact` when the directory's own tokenizer is another.
    func requireTokenizer(of path: String, toBe expected: any Tokenizer) throws {
        guard try TokenizerLoader.load(tokenizerSource(model: path)).digest != expected.digest else { return }
        throw RDOError(
            .artefact, "its tokenizer is not the policy's", at: path,
            remedy: "use a scorer that was trained from the policy's model family, or set model.tokenizer for both")
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
    let plan: TokenizationPlan
    let differencePlan: TokenizationPlan

    func load(_ files: [String], limit: Int?) throws -> DataSet {
        let world = session.world
        let settings = session.configuration.data
        var data = try world.collectively {
            try PreferenceReader(format: settings.format, policy: settings.onError).read(files)
        }
        if let limit { data.records = Array(data.records.prefix(limit)) }
        let records = data.records
        let slice = RowPartition(rows: records.count, shards: world.size)[world.rank]
        let results: [Result<TokenizedExample, BadRow>] = try gather(plan.examples(of: records, rows: slice))
        let differences: [Result<DifferenceExample, BadRow>] = try gather(
            differencePlan.differenceExamples(of: records, rows: slice))
        var report = data.report
        let examples = try report.admit(
            // A row must be usable by every pass, so that all passes see the same pairs.
            zip(results, differences).map { result, difference in result.flatMap { row in difference.map { _ in row } }
            },
            policy: settings.onError)
        let usable = Set(examples.map(\.row))
        let differenceExamples = differences.compactMap { try? $0.get() }.filter { usable.contains($0.row) }
        if report.badCount > 0 { session.log.warning("left out \(report.summary)") }
        try world.onRankZero {
            let name = URL(fileURLWithPath: files[0]).lastPathComponent
            try Data(report.json().utf8).write(
                to: URL(fileURLWithPath: session.configuration.output + "/data-report-\(name).json"))
        }
        return DataSet(
            examples: examples.map { $0.with(row: records[$0.row].row) },
            differenceExamples: differenceExamples.map { $0.with(row: records[$0.row].row) })
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
