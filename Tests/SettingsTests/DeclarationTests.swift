import Diagnostics
import Foundation
import Methods
import Objectives
import Testing

@testable import Passes
@testable import Settings

/// The declarations are complete: nothing can be set that is not documented, written back and read again.
@Suite("Declarations") struct DeclarationTests {
    /// A value other than the default for every key.
    private static let others: [String: String] = {
        var values = [
            "output": "elsewhere", "seed": "2", "metrics": "[jsonl, tensorboard]", "passes": "[dpo, sft]",
            "model.path": "null", "model.tokenizer": "tokenizers/other",
            "model.init.hidden_size": "128", "model.init.intermediate_size": "100", "model.init.layers": "5",
            "model.init.heads": "8", "model.init.key_value_heads": "2", "model.init.max_positions": "512",
            "model.init.rope_theta": "500000", "model.init.norm_epsilon": "1e-6",
            "model.init.tie_embeddings": "false", "model.init.initializer_range": "0.1",
            "data.train": "[a, b]", "data.test": "c", "data.format": "hh", "data.template": "custom",
            "data.columns.prompt": "a", "data.columns.chosen": "b", "data.columns.rejected": "c",
            "data.columns.responses": "d", "data.columns.scores": "e", "data.columns.completion": "f",
            "data.columns.label": "g", "data.columns.system": "h", "data.columns.weight": "i",
            "data.columns.margin": "j", "data.max_row_bytes": "999", "data.response_end": "eos",
            "data.turns.system.prefix": "s", "data.turns.system.suffix": "e", "data.turns.system.trim": "true",
            "data.turns.system.place": "first_user", "data.turns.system.default": "be brief",
            "data.turns.user.prefix": "u", "data.turns.user.suffix": "e", "data.turns.user.trim": "true",
            "data.turns.assistant.prefix": "a", "data.turns.assistant.suffix": "e",
            "data.turns.assistant.trim": "true", "data.turns.alternate": "true",
            "data.turns.tool.prefix": "t", "data.turns.tool.suffix": "e", "data.turns.tool.trim": "true",
            "data.max_tokens": "2048", "data.max_prompt_tokens": "700", "data.over_long": "truncate",
            "data.on_error": "skip", "data.shuffle": "false", "data.pairs_per_list": "3", "data.limit": "9",
            "data.test_limit": "8",
            "parallel.shards": "4", "parallel.gather": "block", "parallel.recompute": "block",
            "parallel.shared_memory": "false", "parallel.frozen_weights": "bf16", "parallel.timeout": "60.0",
            "parallel.blas_threads": "2",
            "prepare.examples": "2", "score.scorer": "reward", "score.model": "m", "score.file": "f",
            "score.data": "both", "score.chunk": "99",
            "reference.model": "m", "reference.file": "f", "reference.chunk": "99",
            "generate.model": "m", "generate.adapter": "a", "generate.prompts": "[p, q]", "generate.limit": "9",
            "generate.file": "f", "generate.add_given": "true", "generate.strategy": "sample",
            "generate.responses": "4", "generate.max_new_tokens": "99", "generate.stop": "[s, t]",
            "generate.repetition_penalty": "1.5", "generate.temperature": "0.5", "generate.top_k": "9",
            "generate.top_p": "0.5", "generate.min_p": "0.5", "generate.beams": "6", "generate.beam_groups": "3",
            "generate.diversity_penalty": "0.5", "generate.length_penalty": "0.5", "generate.chunk": "9",
            "generate.batch": "9",
            "sft.responses": "all", "sft.data": "[d, e]", "reward.data": "[d, e]", "difference.data": "[d, e]",
            "reward.head_learning_rate": "0.5", "reward.head": "h", "reward.start": "sft",
            "difference.head_learning_rate": "0.5", "difference.head": "h", "difference.start": "reward",
            "difference.lambda_duplication": "0.25", "difference.lambda_reverse": "0",
            "difference.both_orders": "true",
            "dpo.variant": "robust", "dpo.beta": "0.3", "dpo.label_smoothing": "0.1", "dpo.simpo_gamma": "0.7",
            "dpo.offset_scale": "0.5", "dpo.temperature": "2", "dpo.reward_scale": "3", "dpo.sft_weight": "0.5",
            "rrhf.ranking": "difference", "rrhf.ranking_weight": "100", "rrhf.length": "padded",
            "rrhf.length_exponent": "0.5",
            "kto.beta": "0.3", "kto.desirable_weight": "1.33", "kto.undesirable_weight": "0.5",
            "kto.kl_scope": "micro", "kto.kl_pairing": "rotated",
            "evaluate.policies.a.responses": "f", "evaluate.policies.a.model": "m",
            "evaluate.policies.b.responses": "chosen", "evaluate.policies.b.model": "n",
            "evaluate.compare": "[[b, a]]", "evaluate.scorers.s.model": "m", "evaluate.scorers.s.kind": "difference",
            "evaluate.baseline": "b", "evaluate.tie_margin": "0.1", "evaluate.reference": "b", "evaluate.beta": "0.3",
            "evaluate.out_of_domain.t.files": "[f, g]", "evaluate.bootstrap": "10", "evaluate.chunk": "99",
        ]
        for pass in ["dpo", "rrhf", "kto"] {
            let coefficients = [
                "use": "false", "file": "[f, g]", "combine": "product", "column": "multiply", "alpha": "1",
                "symmetric": "false", "calibrated": "true", "length_debiased": "true", "disagreement": "keep",
                "denominator": "weights",
            ]
            for (key, value) in coefficients { values[pass + ".coefficients." + key] = value }
            values[pass + ".ledger"] = "true"
        }
        for pass in ["sft", "reward", "difference", "dpo", "rrhf", "kto"] {
            let common = [
                "model": "start", "epochs": "2.5", "steps": "11", "batch_size": "128", "micro_batches": "16",
                "micro_batch_tokens": "2048",
                "learning_rate": "0.123", "schedule": "constant", "schedule_steps": "7",
                "may_change_learning_rate": "true", "warmup_steps": "3", "warmup_ratio": "0.01",
                "minimum_learning_rate_ratio": "0.2", "weight_decay": "0.1", "beta1": "0.8", "beta2": "0.95",
                "epsilon": "1e-6", "max_grad_norm": "0", "checkpoint_every": "0", "keep_checkpoints": "1",
                "evaluate_every": "5", "export": "bf16", "lora.rank": "4", "lora.alpha": "3",
                "lora.targets": "[o_proj]", "lora.start": "adapter", "lora.export": "adapter",
            ]
            for (key, value) in common { values[pass + "." + key] = value }
        }
        return values
    }()

    private func values(_ configuration: Configuration) -> [String: String] {
        let rows = configuration.rows(prefix: "")
        return Dictionary(uniqueKeysWithValues: rows.map { ($0.key, $0.value) })
    }

    private static let samplingKeys = ["temperature", "top_k", "top_p", "min_p"].map { "generate." + $0 }
    private static let beamKeys = ["beams", "beam_groups", "diversity_penalty", "length_penalty"].map {
        "generate." + $0
    }

    /// Keys without a second value that is allowed, or that is allowed beside the others'.
    private static let fixed =
        ["rrhf.coefficients.denominator", "reward.start", "difference.start"]
        + ["dpo", "rrhf", "kto"].map { $0 + ".coefficients.calibrated" }

    /// For every loss but the default, because none takes the parameters of all.
    @Test(arguments: PairwiseLoss.allCases.dropFirst())
    func everyKeyCanBeSetAndReadsBack(loss: PairwiseLoss) throws {
        let foreign = LossParameter.all.filter { !loss.takes($0) }.map { "dpo." + $0.key }
        // No strategy reads all keys either: the losses take turns.
        let isBeam = (PairwiseLoss.allCases.firstIndex { $0.name == loss.name } ?? 0) % 2 == 0
        let idle = isBeam ? Self.samplingKeys : Self.beamKeys
        var others = Self.others.filter { !(foreign + idle + Self.fixed).contains($0.key) }
        others["dpo.variant"] = loss.name
        if isBeam { others["generate.strategy"] = "diverse_beam" }
        let changed = try Configuration(yaml: required, settings: others.map { "\($0)=\($1)" })
        let (former, now) = (values(try Configuration(yaml: required)), values(changed))
        #expect(Set(now.keys).symmetricDifference(Self.others.keys).isEmpty, "keys that one of both lacks")
        for (key, value) in now where others[key] != nil {
            #expect(former[key] != value, "\(key) was not changed")
        }
        #expect(try Configuration(yaml: changed.yaml) == changed)
    }

    @Test func keysThatExcludeOthersReadBack() throws {
        let settings = [
            "reward.start=sft", "difference.start=reward", "difference.head=new", "dpo.coefficients.calibrated=true",
        ]
        let changed = try Configuration(yaml: required, settings: settings)
        #expect(changed.difference.scalarHead?.start == .reward && changed.reward.scalarHead?.start == .sft)
        #expect(changed.dpo.coefficients.calibrated)
        #expect(try Configuration(yaml: changed.yaml) == changed)
    }

    @Test func everyPropertyHasAKey() {
        check(Configuration())
        check(ModelSettings())
        check(ModelInitSettings())
        check(DataSettings())
        check(TurnsSettings())
        check(TurnSettings())
        check(SystemTurnSettings())
        check(ParallelSettings())
        check(PrepareSettings())
        check(ScoreSettings())
        check(GenerateSettings())
        check(ReferenceSettings())
        check(CoefficientSettings())
        check(TrainingSettings())
        check(LowRankSettings())
        check(ScalarHeadSettings())
        check(SupervisedSettings())
        check(RewardSettings())
        check(DifferenceSettings())
        check(PairwiseSettings())
        check(ListSettings())
        check(UnpairedSettings())
        check(EvaluateSettings())
        check(EvaluatedPolicySettings())
        check(EvaluationScorerSettings())
        check(OutOfDomainSettings())
    }

    /// Property names in snake case are the keys; those of `training` stand beside a pass's own.
    private func check<Section: ConfigurationSection>(_ section: Section) {
        let names = Mirror(reflecting: section).children.compactMap(\.label)
        let properties = names.flatMap { name -> [String] in
            switch name {
            case "training": TrainingSettings.fields.map(\.key)
            case "headSettings": ScalarHeadSettings.fields.map(\.key)
            case "parameters": LossParameter.all.map(\.key)
            case "initial": ["init"]
            case "message": TurnSettings.fields.map(\.key)
            default: [snakeCase(name)]
            }
        }
        let keys = Section.fields.map(\.key)
        #expect(keys.count == properties.count && Set(keys) == Set(properties), "\(Section.self)")
    }

    private func snakeCase(_ name: String) -> String {
        name.map { $0.isUppercase ? "_" + $0.lowercased() : String($0) }.joined()
    }

    @Test func exampleInTheReadmeIsValid() throws {
        let file = ConfigurationTests.root.appendingPathComponent("README.md")
        let blocks = try String(contentsOf: file, encoding: .utf8).components(separatedBy: "```yaml\n").dropFirst()
        #expect(!blocks.isEmpty)
        for block in blocks {
            _ = try Configuration(yaml: block.components(separatedBy: "```")[0], source: "README.md")
        }
    }

    /// A power of two gives the same bits on 1, 2, 4 … ranks.
    @Test func shippedConfigurationsHavePowersOfTwoLeaves() throws {
        for file in try ConfigurationTests.shipped() {
            let configuration = try Configuration.load(path: file)
            for pass in configuration.passes {
                let leaves = configuration.training(of: pass)?.microBatches ?? 1
                #expect(leaves.nonzeroBitCount == 1, "\(file): \(pass)")
            }
        }
    }

    @Test func resumingComparesWhatAStepComputes() throws {
        func fingerprint(_ settings: String...) throws -> [String: String] {
            try Configuration(yaml: required, settings: settings).fingerprint(of: "dpo")
        }
        for setting in [
            "dpo.beta=0.2", "dpo.micro_batches=4", "dpo.max_grad_norm=0",
            "dpo.coefficients.denominator=weights",
        ] {
            #expect(try fingerprint(setting) != fingerprint(), "\(setting)")
        }
        // Weights are compared by value: other settings that give the same ones may go on.
        for setting in [
            "dpo.steps=5", "dpo.export=bf16", "dpo.ledger=true", "output=x", "sft.learning_rate=1", "data.limit=5",
            "dpo.coefficients.alpha=1", "score.file=f",
        ] {
            #expect(try fingerprint(setting) == fingerprint(), "\(setting)")
        }
    }
}

@Suite("Mistakes in configurations") struct MistakeTests {
    @Test(arguments: [
        ("beta: 1", "beta", "dpo.beta"), ("dpo: {alpha: 1}", "dpo.alpha", "dpo.coefficients.alpha"),
        ("learning_rate: 1", "learning_rate", "sft.learning_rate"),
        ("hidden_size: 1", "hidden_size", "model.init.hidden_size"),
        ("sft: {learningRate: 1}", "sft.learningRate", "sft.learning_rate"), ("dp: {}", "dp", "dpo"),
        ("coefficients: {}", "coefficients", "dpo.coefficients"), ("'': 1", "", "sft"),
    ]) func nearestKeyOfAnySection(_ text: String, _ unknown: String, _ nearest: String) {
        #expect(failure(required + text) == "a.yaml:4: unknown key \(unknown); the nearest known key is \(nearest)")
    }

    /// Numbers that would overflow somewhere later.
    @Test(arguments: [
        "seed: 2147483648", "dpo: {epochs: 1e300}", "dpo: {batch_size: 9223372036854775807}", "dpo: {beta: 1e999}",
        "model: {init: {hidden_size: 2147483647}}", "model: {init: {layers: 100000}}",
    ]) func tooLarge(_ text: String) {
        let message = failure(required.replacingOccurrences(of: "model: {path: models/base}", with: "# none") + text)
        #expect(message.hasPrefix("a.yaml:4: ") && message.contains(" must be "), "\(message)")
    }

    @Test func aListNamesTheItem() {
        #expect(
            failure(required + "passes:\n  - dpo\n  - dop")
                == "a.yaml:6: passes must be one of sft, reward, difference, generate, score, reference, dpo, rrhf, kto, prepare, evaluate, or a list of such, not \"dop\""
        )
    }

    @Test(arguments: [
        ("passes: []", "passes is empty"),
        ("? [dpo]\n: 1", "a key must be a word, not a list"),
        ("score: {data: both}", "score.data is both but data.test is empty"),
        ("dpo: {variant: ipo, label_smoothing: 0.1}", "dpo.label_smoothing has no meaning for the variant ipo"),
        ("dpo: {simpo_gamma: 1}", "dpo.simpo_gamma has no meaning for the variant dpo"),
        ("---\nseed: 1", "not YAML: "), ("seed: \u{1}", "not YAML: control characters are not allowed"),
    ]) func others(_ text: String, _ message: String) {
        #expect(failure(required + text).contains(message), "\(failure(required + text))")
    }

    @Test func promptAsLongAsEverything() {
        #expect(
            failure(required, settings: ["data.max_tokens=64", "data.max_prompt_tokens=64"])
                .contains("data.max_prompt_tokens (64) leaves no room within data.max_tokens (64)"))
    }

    /// A setting has no lines, not even within braces.
    @Test func settingsHaveNoLines() {
        #expect(
            failure(required, settings: ["dpo={ betta: 1 }"])
                == "--set: unknown key dpo.betta; the nearest known key is dpo.beta")
    }

    @Test func deepNestingIsAnError() {
        #expect(failure(required + "x: " + String(repeating: "[", count: 100_000)).hasPrefix("a.yaml:"))
    }
}
