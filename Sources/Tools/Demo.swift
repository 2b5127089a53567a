import Diagnostics
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
package struct Demo {
    private let world: Communicator
    private let settings: [String]
    private let resume: ResumeChoice
    private static let seeds = [1, 2, 3]

    package init(world: Communicator, settings: [String], resume: ResumeChoice) {
        (self.world, self.settings, self.resume) = (world, settings, resume)
    }

    /// Collective. Rank 0 prints the table and writes it to `results.md`.
    package func run() throws {
        let shared = try world.collectively { try Self.configuration(settings) }
        let output = shared.output
        try world.onRankZero {
            try Session.makeDirectory(output)
            try Self.corpus.write(to: Self.data(in: output))
        }
        try run(shared)
        var rewards = shared
        rewards.passes = [ScorePass.name]
        rewards.score.scorer = .reward
        rewards.score.model = output + "/\(RewardMethod.name)/model"
        rewards.score.file = DemoArm.rewardCoefficients(in: output)
        rewards.dpo.training.model = output + "/\(SupervisedMethod.name)/model"
        try run(rewards)
        for seed in Self.seeds {
            for arm in DemoArm.all { try run(arm.configuration(shared, seed: seed)) }
        }
        try world.onRankZero {
            let report = try DemoReport(output: output, seeds: Self.seeds, corpus: Self.corpus).text
            try Data(report.utf8).write(to: URL(fileURLWithPath: output + "/results.md"))
            print(report)
        }
    }

    private func run(_ configuration: Configuration) throws {
        try world.collectively { try configuration.validate("the demo") }
        try Pipeline(Session(configuration, world: world, resume: resume, tracePath: nil)).run()
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
