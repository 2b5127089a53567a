import Foundation
import Methods
import Parallel
import Passes
import Settings
import Training

/// `rdo run` without a configuration: the whole method on a small model and data whose truth is known.
///
/// A byte-level model is prepared by SFT; a reward model and a difference model learn from noisy labels and score the
/// pairs; then the policy is trained from the same start by every method without and with coefficients, over several seeds.
package enum Demo {
    private static let seeds = [1, 2, 3]

    /// Collective. Rank 0 prints the table and writes it to `results.md`.
    package static func run(settings: [String], resume: ResumeChoice, on world: Communicator) throws {
        func run(_ configuration: Configuration) throws {
            try world.collectively { try configuration.validate("the demo") }
            try Pipeline(Session(configuration, world: world, resume: resume, tracePath: nil)).run()
        }
        let shared = try world.collectively { try configuration(settings) }
        let output = shared.output
        try world.onRankZero {
            try Session.makeDirectory(output)
            try corpus.write(to: data(in: output))
        }
        try run(shared)
        var rewards = shared
        rewards.passes = [ScorePass.name]
        rewards.score.scorer = .reward
        rewards.score.model = output + "/\(RewardMethod.name)/model"
        rewards.score.file = DemoArm.rewardCoefficients(in: output)
        rewards.dpo.training.model = output + "/\(SupervisedMethod.name)/model"
        try run(rewards)
        for seed in seeds {
            for arm in DemoArm.all { try run(arm.configuration(shared, seed: seed)) }
        }
        try world.onRankZero {
            let report = try DemoReport(output: output, seeds: seeds, corpus: corpus).text()
            try Data(report.utf8).write(to: URL(fileURLWithPath: output + "/results.md"))
            print(report)
        }
    }

    /// The embedded configuration with `settings` over it; the data stand in its output directory.
    static func configuration(_ settings: [String]) throws -> Configuration {
        var shared = try Configuration(reading: sharedYAML, settings: settings, source: "the demo")
        let data = data(in: shared.output)
        if shared.data.train.isEmpty { shared.data.train = [data + "/train.jsonl"] }
        if shared.data.test.isEmpty { shared.data.test = [data + "/test.jsonl"] }
        if shared.sft.data == nil { shared.sft.data = [data + "/sft.jsonl"] }
        try shared.validate("the demo")
        return shared
    }

    private static func data(in output: String) -> String { output + "/data" }

    static let corpus = DemoCorpus(seed: 2024, trainPairs: 8192, testPairs: 512, flipShare: 0.2)

    /// The embedded configuration; `--set` overrides any key of it.
    static let sharedYAML = """
        output: runs/demo
        seed: 1
        passes: [sft, reward, difference, score, reference]
        model:
          init: { hidden_size: 64, intermediate_size: 176, layers: 3, heads: 4, key_value_heads: 2, max_positions: 256 }
          tokenizer: bytes
        data: { max_tokens: 256 }
        sft:
          responses: all
          epochs: 2
          batch_size: 32
          micro_batches: 4
          learning_rate: 5e-3
        difference:
          epochs: 6
          batch_size: 16
          micro_batches: 4
          learning_rate: 1e-3
          head_learning_rate: 1e-2
          checkpoint_every: 1000
        reward:
          epochs: 3
          batch_size: 16
          micro_batches: 4
          learning_rate: 1e-3
          head_learning_rate: 1e-2
          checkpoint_every: 1000
        score: { data: both, chunk: 32 }
        reference: { chunk: 64 }
        dpo:
          epochs: 1
          batch_size: 64
          micro_batches: 4
          learning_rate: 3e-4
          beta: 0.1
        rrhf:
          epochs: 1
          batch_size: 64
          micro_batches: 4
          learning_rate: 3e-4
        kto:
          epochs: 1
          batch_size: 64
          micro_batches: 4
          learning_rate: 3e-4
          beta: 0.1
        """
}

/// A way in which the demo trains the policy.
struct DemoArm: Sendable {
    enum Weights: String, Sendable { case none, difference, reward }

    let pass: PassName
    let weights: Weights

    static let all = [
        (PairwiseMethod.name, Weights.none), (PairwiseMethod.name, .difference), (PairwiseMethod.name, .reward),
        (RRHFMethod.name, .none), (RRHFMethod.name, .difference), (KTOMethod.name, .none),
        (KTOMethod.name, .difference),
    ].map { DemoArm(pass: $0, weights: $1) }

    var title: String {
        let method = "\(pass)".uppercased()
        return weights == .none ? method : "\(method) + coefficients (\(weights) model)"
    }

    func directory(in output: String, seed: Int) -> String {
        output + "/\(pass)" + (weights == .none ? "" : "-rc-\(weights)") + "-seed-\(seed)"
    }

    static func rewardCoefficients(in output: String) -> String { output + "/coefficients-reward.h5" }

    /// The demo's configuration for this arm alone.
    func configuration(_ shared: Configuration, seed: Int) -> Configuration {
        var own = shared
        let output = shared.output
        own.output = directory(in: output, seed: seed)
        own.seed = seed
        own.score.file = weights == .reward ? Self.rewardCoefficients(in: output) : output + "/coefficients.h5"
        own.dpo.coefficients.use = weights != .none
        own.rrhf.coefficients.use = weights != .none
        own.kto.coefficients.use = weights != .none
        let supervised = output + "/\(SupervisedMethod.name)/model"
        for stage in Configuration.trainingPasses where stage.name == pass { stage.start(from: supervised, in: &own) }
        // KTO's baseline wants the reference of combinations that the seed draws.
        let isKTO = pass == KTOMethod.name
        own.passes = isKTO ? [ReferencePass.name, pass] : [pass]
        own.reference.file = output + (isKTO ? "/reference-seed-\(seed).h5" : "/reference.h5")
        return own
    }
}
