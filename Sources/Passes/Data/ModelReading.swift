import Diagnostics
import Methods
import Preferences
import Settings
import Storage

/// How the model of a directory reads the rows: its tokenizer, its EOS and its limit of positions.
struct ModelReading {
    let conventions: PassConventions
    let plan: TokenizationPlan
    let differencePlan: TokenizationPlan
    /// What is to be said of the template, and of the token that ends a response.
    private let remarks: [TemplateChoice.Remark]

    /// What makes one reading another within a session.
    struct Key: Hashable {
        let tokenizer: String
        let eosTokenID: Int32
        let responseEnd: Int32
        let maxTokens: Int
        let modelRows: Int?
    }

    var key: Key {
        Key(
            tokenizer: conventions.tokenizer.digest, eosTokenID: conventions.eosTokenID,
            responseEnd: conventions.responseEnd, maxTokens: conventions.maxTokens, modelRows: plan.modelRows)
    }

    /// Says what is to be said of the template and of the tokenizer.
    func say(_ log: Log) {
        remarks.forEach { $0.say(log) }
        if let remark = conventions.tokenizer.remark { log.warning(remark) }
    }

    /// - Throws: `RDOError.artefact` when the model cannot be read or does not fit its tokenizer.
    init(of path: String, _ configuration: Configuration) throws {
        let settings = configuration.data
        let model = try ModelDirectory.readConfiguration(path)
        let source = configuration.tokenizerSource(model: path)
        let tokenizer = try TokenizerLoader.load(source)
        // Tokens without a row, such as a [PAD] that was added, are refused where the data have them.
        if let bos = tokenizer.bosTokenID, Int(bos) >= model.vocabularySize {
            throw RDOError(
                .artefact,
                "the token \(bos), which the tokenizer puts before texts, lies outside the model's vocabulary of "
                    + "\(model.vocabularySize)",
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
        let choice = try TemplateChoice(configuration)
        let end = try ResponseEndChoice(settings.responseEnd, choice.template, tokenizer, eos: model.eosTokenIDs)
        guard Int(end.token) < model.vocabularySize else {
            throw RDOError(
                .artefact,
                "the token that ends a response, \(end.token), lies outside the vocabulary of "
                    + "\(model.vocabularySize)", at: source, remedy: "set data.response_end to eos")
        }
        let maxTokens = min(settings.maxTokens, model.maxPositions)
        func plan(_ overLong: OverLongPolicy, end: Int32) throws -> TokenizationPlan {
            try TokenizationPlan(
                tokenizer: tokenizer, template: choice.template, eosTokenID: end, bosTokenID: tokenizer.bosTokenID,
                maxTokens: maxTokens, maxPromptTokens: settings.maxPromptTokens, overLong: overLong,
                modelRows: model.vocabularySize)
        }
        conventions = PassConventions(
            tokenizer: tokenizer, tokenizerSource: source, template: choice.template.identity, eosTokenID: eos,
            responseEnd: end.token, maxTokens: maxTokens)
        remarks = [choice.remark, end.remark].compactMap { $0 }
        self.plan = try plan(settings.overLong, end: end.token)
        // Both responses stand in one input: what is too long for that is cut, never a reason to lose the pair.
        differencePlan = try plan(.truncate, end: eos)
    }
}

extension Configuration {
    /// `model.tokenizer`, or the model's own directory.
    func tokenizerSource(model path: String) -> String {
        guard let setting = model.tokenizer, setting != ModelSettings.byteTokenizer else { return path }
        return setting
    }
}
