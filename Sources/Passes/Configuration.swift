import Coding
import Diagnostics
import Foundation
import Methods
import Settings

/// A whole configuration: typed, every key known, stored in every artefact.
///
/// Relative paths in it are relative to the current directory. A pass has a section here and a line in `allPasses`.
package struct Configuration: ConfigurationSection {
    package var output = ""
    package var seed = 1
    package var metrics = [MetricsForm.jsonl]
    package var passes = [DifferenceMethod.name, ScorePass.name, ReferencePass.name, PairwiseMethod.name]
    package var model = ModelSettings()
    package var data = DataSettings()
    package var parallel = ParallelSettings()
    package var prepare = PrepareSettings()
    package var sft = SupervisedSettings()
    package var reward = RewardSettings()
    package var difference = DifferenceSettings()
    package var score = ScoreSettings()
    package var reference = ReferenceSettings()
    package var generate = GenerateSettings()
    package var dpo = PairwiseSettings()
    package var rrhf = ListSettings()
    package var kto = UnpairedSettings()
    package var evaluate = EvaluateSettings()

    package init() {}

    package static var fields: [Field<Self>] {
        [
            .value(\.output, "output", "Directory of all artefacts (required)."),
            .value(\.seed, "seed", .atLeast(0), "Seed of everything that is drawn."),
            .value(
                \.metrics, "metrics",
                "How training passes write their figures: JSON lines, always, and TensorBoard's event files (docs/watching.md)."
            ),
            .value(\.passes, "passes", "What `rdo run` does, in this order."),
            .section(\.model, "model", "The base model."),
            .section(\.data, "data", "Preference data."),
            .section(\.parallel, "parallel", "Ranks and threads (docs/parallelism.md)."),
            .section(\.prepare, "prepare", "Reading the data alone, before anything is trained."),
            .section(\.sft, "sft", "Supervised fine-tuning, which prepares a base model."),
            .section(\.reward, "reward", "The pointwise reward model."),
            .section(\.difference, "difference", "The difference model."),
            .section(\.score, "score", "The scoring pass, which writes coefficients.h5."),
            .section(\.reference, "reference", "The reference pass, which writes reference.h5."),
            .section(\.generate, "generate", "Answering queries with a model, which writes generated.jsonl."),
            .section(\.dpo, "dpo", "DPO and its pairwise relatives, weighted by the coefficients."),
            .section(\.rrhf, "rrhf", "RRHF: ranks the responses of a list, weighted by the coefficients."),
            .section(\.kto, "kto", "KTO: judges each response alone, weighted by the coefficients."),
            .section(
                \.evaluate, "evaluate", "Policies compared by scorers and by held-out data (docs/evaluating.md)."),
        ]
    }

    /// Every pass, in the order of the documentation; a new one is added here, and its section above.
    package static let allPasses: [any Pass] = [
        TrainingPass<SupervisedMethod>(\.sft), TrainingPass<RewardMethod>(\.reward),
        TrainingPass<DifferenceMethod>(\.difference), GeneratePass(), ScorePass(), ReferencePass(),
        TrainingPass<PairwiseMethod>(\.dpo), TrainingPass<RRHFMethod>(\.rrhf), TrainingPass<KTOMethod>(\.kto),
        PreparePass(), EvaluatePass(),
    ]

    /// Reads a configuration file.
    ///
    /// - Parameter settings: `section.key=value`, applied over the file.
    /// - Throws: `RDOError.usage` naming file, line and key.
    package static func load(path: String, settings: [String] = []) throws -> Configuration {
        guard let text = try InputFile.text(of: path, called: "the configuration", .usage) else {
            throw RDOError(.usage, "cannot read the configuration", at: path, remedy: "name a YAML file")
        }
        return try Configuration(yaml: text, settings: settings, source: path)
    }

    /// - Parameter source: names the text in messages.
    /// - Throws: `RDOError.usage` naming source, line and key.
    package init(yaml: String, settings: [String] = [], source: String = "configuration") throws {
        try self.init(reading: yaml, settings: settings, source: source)
        try validate(source)
    }

    // MARK: - What no single key can tell

    /// - Parameter source: names the configuration in messages.
    /// - Throws: `RDOError.usage`.
    package func validate(_ source: String) throws {
        func fail(_ what: String, remedy: String? = nil) -> RDOError {
            RDOError(.usage, what, at: source, remedy: remedy)
        }
        if output.isEmpty {
            throw fail("output is missing", remedy: "name the directory that everything is written to")
        }
        if data.train.isEmpty { throw fail("data.train is missing", remedy: "name the preference data") }
        switch (model.path, model.initial) {
        case (nil, nil):
            throw fail("model.path is missing", remedy: "name a Hugging Face directory, or give model.init")
        case (.some, .some): throw fail("model.path and model.init are both given", remedy: "keep one of them")
        case (.some, nil):
            if model.tokenizer == ModelSettings.byteTokenizer {
                throw fail("model.tokenizer bytes is for new models only", remedy: "remove it or use model.init")
            }
        case (nil, .some(let shape)):
            guard shape.hiddenSize % shape.heads == 0, shape.hiddenSize / shape.heads % 2 == 0 else {
                throw fail("model.init: hidden_size / heads must be an even number")
            }
            guard shape.heads % shape.keyValueHeads == 0 else {
                throw fail("model.init: heads must be a multiple of key_value_heads")
            }
        }
        try validateTemplate(fail)
        for pass in Self.trainingPasses { try validate(pass.name, pass.settings(in: self), fail) }
        try generate.validate { fail($0, remedy: $1) }
        try evaluate.validate { fail($0, remedy: $1) }
        if score.data != .train && data.test.isEmpty {
            throw fail("score.data is \(score.data.rawValue) but data.test is empty", remedy: "name the held-out data")
        }
        if let prompt = data.maxPromptTokens, prompt >= data.maxTokens {
            throw fail(
                "data.max_prompt_tokens (\(prompt)) leaves no room within data.max_tokens (\(data.maxTokens))",
                remedy: "lower the first or raise the second")
        }
        if !metrics.contains(.jsonl) {
            throw fail("metrics leaves out jsonl", remedy: "add it: resuming and `rdo grid` read those files")
        }
        if Set(metrics).count < metrics.count { throw fail("metrics names a form twice") }
        if passes.isEmpty { throw fail("passes is empty", remedy: "name at least one pass") }
        if Set(passes).count < passes.count { throw fail("passes names a pass twice") }
    }

    private func validateTemplate(_ fail: (String, String?) -> RDOError) throws {
        guard let turns = data.turns else {
            guard data.template == .custom else { return }
            throw fail(
                "data.template is custom and data.turns is missing",
                "describe the turns there, or name a built-in template")
        }
        guard data.template == .custom else {
            throw fail(
                "data.turns is given but data.template is \(data.template.rawValue)",
                "set data.template to custom, or remove data.turns")
        }
        if turns.user.prefix.isEmpty, turns.user.suffix.isEmpty {
            throw fail(
                "data.turns.user has neither prefix nor suffix", "say what stands before and after a user's message")
        }
    }

    private func validate(
        _ name: PassName, _ settings: any MethodSettings, _ fail: (String, String?) -> RDOError
    ) throws {
        let training = settings.training
        if training.microBatches > training.batchSize {
            throw fail(
                "\(name).micro_batches (\(training.microBatches)) exceeds \(name).batch_size (\(training.batchSize))",
                "a leaf needs at least one example: lower micro_batches or raise batch_size")
        }
        if let targets = training.lora?.targets {
            if targets.isEmpty {
                throw fail("\(name).lora.targets is empty", "name projections, or remove \(name).lora")
            }
            if Set(targets).count < targets.count { throw fail("\(name).lora.targets names a projection twice", nil) }
        }
        if let weighting = settings.weighting, weighting.combine == .product, weighting.disagreement == .flip {
            throw fail(
                "\(name).coefficients: combine product knows no single sign, so disagreement cannot be flip",
                "use combine mean or another disagreement")
        }
        if let weighting = settings.weighting, weighting.calibrated, !weighting.symmetric {
            throw fail(
                "\(name).coefficients: temperatures are of R from both orders, so calibrated needs symmetric",
                "remove one of calibrated and symmetric: false")
        }
        try settings.validate { fail($0, $1) }
        if let start = settings.scalarHead?.start, let place = passes.firstIndex(of: name),
            let earlier = passes.firstIndex(where: { $0.rawValue == start.rawValue }), earlier > place
        {
            throw fail(
                "\(name).start is \(start.rawValue), which comes later in passes",
                "put \(start.rawValue) before \(name)")
        }
    }
}

extension Configuration {
    package static let trainingPasses = allPasses.compactMap { $0 as? any TrainingStage }

    /// - Precondition: there is such a pass; a configuration names no others.
    package static func pass(_ name: PassName) -> any Pass {
        guard let pass = allPasses.first(where: { $0.name == name }) else { preconditionFailure("no pass \(name)") }
        return pass
    }

    /// The training settings of a pass that trains.
    package func training(of name: PassName) -> TrainingSettings? {
        Self.trainingPasses.first { $0.name == name }?.settings(in: self).training
    }

    /// How a pass that trains a scorer starts.
    func scalarHead(of name: PassName) -> ScalarHeadSettings? {
        Self.trainingPasses.first { $0.name == name }?.settings(in: self).scalarHead
    }
}

extension PassName: SettingChoice {
    package static var allCases: [PassName] { Configuration.allPasses.map(\.name) }
}
