import Diagnostics
import Foundation
import Yams

/// A whole configuration: typed, every key known, stored in every artefact.
///
/// Relative paths in it are relative to the current directory.
package struct Configuration: ConfigurationSection, Sendable, Equatable {
    package var output = ""
    package var seed = 1
    package var passes: [PassName] = [.difference, .score, .reference, .dpo]
    package var model = ModelSettings()
    package var data = DataSettings()
    package var parallel = ParallelSettings()
    package var sft = SupervisedSettings()
    package var reward = RewardSettings()
    package var difference = DifferenceSettings()
    package var score = ScoreSettings()
    package var reference = ReferenceSettings()
    package var dpo = PairwiseSettings()
    package var rrhf = ListSettings()
    package var kto = UnpairedSettings()

    init() {}

    static var fields: [Field<Self>] {
        [
            .value(\.output, "output", "Directory of all artefacts (required)."),
            .value(\.seed, "seed", .atLeast(0), "Seed of everything that is drawn."),
            .value(\.passes, "passes", "What `rdo run` does, in this order."),
            .section(\.model, "model", "The base model."),
            .section(\.data, "data", "Preference data."),
            .section(\.parallel, "parallel", "Ranks and threads (docs/parallelism.md)."),
            .section(\.sft, "sft", "Supervised fine-tuning, which prepares a base model."),
            .section(\.reward, "reward", "The pointwise reward model."),
            .section(\.difference, "difference", "The difference model."),
            .section(\.score, "score", "The scoring pass, which writes coefficients.h5."),
            .section(\.reference, "reference", "The reference pass, which writes reference.h5."),
            .section(\.dpo, "dpo", "DPO and its pairwise relatives, weighted by the coefficients."),
            .section(\.rrhf, "rrhf", "RRHF: ranks the responses of a list, weighted by the coefficients."),
            .section(\.kto, "kto", "KTO: judges each response alone, weighted by the coefficients."),
        ]
    }

    /// Reads a configuration file.
    ///
    /// - Parameter settings: `section.key=value`, applied over the file.
    /// - Throws: `RDOError.usage` naming file, line and key.
    package static func load(path: String, settings: [String] = []) throws -> Configuration {
        guard let data = FileManager.default.contents(atPath: path) else {
            throw RDOError(.usage, "cannot read the configuration", at: path, remedy: "name a YAML file")
        }
        guard let text = String(data: data, encoding: .utf8) else {
            throw RDOError(.usage, "the configuration is not UTF-8 text", at: path)
        }
        return try Configuration(yaml: text, settings: settings, source: path)
    }

    /// - Parameter source: names the text in messages.
    /// - Throws: `RDOError.usage` naming source, line and key.
    package init(yaml: String, settings: [String] = [], source: String = "configuration") throws {
        self.init()
        if let root = try Self.compose(yaml, source) {
            try SectionReader.read(&self, from: root, SettingPlace(source: source, key: ""))
        }
        for setting in settings { try apply(setting) }
        try validate(source)
    }

    /// The training settings of a pass that trains.
    package func training(of pass: PassName) -> TrainingSettings? {
        switch pass {
        case .sft: sft.training
        case .reward: reward.training
        case .difference: difference.training
        case .dpo: dpo.training
        case .rrhf: rrhf.training
        case .kto: kto.training
        case .score, .reference: nil
        }
    }

    /// All values as YAML that gives the same configuration when read.
    package var effectiveYAML: String { SectionReader.yaml(self, "") + "\n" }

    private static func compose(_ text: String, _ source: String) throws -> Node? {
        do {
            return try Yams.compose(yaml: text)
        } catch let error as YamlError {
            switch error {
            case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
                .composer(_, let problem, let mark, _):
                throw RDOError(.usage, "not YAML: \(problem)", at: "\(source):\(mark.line)")
            case .duplicatedKeysInMapping(let duplicates, let context):
                throw RDOError(
                    .usage, "the key \(duplicates.sorted().joined(separator: ", ")) stands more than once",
                    at: "\(source):\(context.mark.line)")
            case .reader(let problem, _, _, _): throw RDOError(.usage, "not YAML: \(problem)", at: source)
            default: throw RDOError(.usage, "not YAML: \(error)", at: source)
            }
        }
    }

    private mutating func apply(_ setting: String) throws {
        guard let equals = setting.firstIndex(of: "="), equals != setting.startIndex else {
            throw RDOError(.usage, "--set \(setting): expected section.key=value")
        }
        let path = setting[..<equals].split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        let text = String(setting[setting.index(after: equals)...])
        let node = try Self.compose(text, "--set \(setting)") ?? Node("")
        try SectionReader.assign(&self, path[...], node, .commandLine)
    }

    // MARK: - What no single key can tell

    private func validate(_ source: String) throws {
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
        for pass in PassName.allCases {
            guard let training = training(of: pass), training.microBatches > training.batchSize else { continue }
            throw fail(
                "\(pass).micro_batches (\(training.microBatches)) exceeds \(pass).batch_size (\(training.batchSize))",
                remedy: "a leaf needs at least one example: lower micro_batches or raise batch_size")
        }
        for pass in PassName.allCases {
            guard let targets = training(of: pass)?.lora?.targets else { continue }
            if targets.isEmpty {
                throw fail("\(pass).lora.targets is empty", remedy: "name projections, or remove \(pass).lora")
            }
            if Set(targets).count < targets.count { throw fail("\(pass).lora.targets names a projection twice") }
        }
        if dpo.labelSmoothing != 0 && !dpo.variant.takesLabelSmoothing {
            throw fail(
                "dpo.label_smoothing has no meaning for the variant \(dpo.variant.rawValue)", remedy: "remove it")
        }
        if dpo.simpoGamma != nil && dpo.variant != .simpo {
            throw fail("dpo.simpo_gamma has no meaning for the variant \(dpo.variant.rawValue)", remedy: "remove it")
        }
        for (name, coefficients) in [
            ("dpo", dpo.coefficients), ("rrhf", rrhf.coefficients), ("kto", kto.coefficients),
        ] where coefficients.combine == .product && coefficients.disagreement == .flip {
            throw fail(
                "\(name).coefficients: combine product knows no single sign, so disagreement cannot be flip",
                remedy: "use combine mean or another disagreement")
        }
        if rrhf.coefficients.denominator == .weights {
            throw fail(
                "rrhf.coefficients.denominator weights has no meaning: RRHF is a mean over lists", remedy: "remove it")
        }
        if score.data != .train && data.test.isEmpty {
            throw fail("score.data is \(score.data.rawValue) but data.test is empty", remedy: "name the held-out data")
        }
        if let prompt = data.maxPromptTokens, prompt >= data.maxTokens {
            throw fail(
                "data.max_prompt_tokens (\(prompt)) leaves no room within data.max_tokens (\(data.maxTokens))",
                remedy: "lower the first or raise the second")
        }
        if passes.isEmpty { throw fail("passes is empty", remedy: "name at least one pass") }
        if Set(passes).count < passes.count { throw fail("passes names a pass twice") }
    }
}
