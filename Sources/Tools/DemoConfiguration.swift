import Diagnostics
import Methods
import Passes
import Settings

/// The demo's own settings; no other configuration has them.
package struct DemoSettings: ConfigurationSection {
    package var corpus = DemoCorpus.Kind.bradleyTerry
    package var flipShare: Double?
    package var dataSeed = 2024
    package var trainPairs = 2560
    package var heldOutPairs = 512
    package var methods = DemoArm.methods
    package var seeds = [1, 2, 3]

    package init() {}

    package var labels: DemoLabels {
        var labels = DemoLabels(corpus)
        if let flipShare { labels.flipShare = flipShare }
        return labels
    }

    package static var fields: [Field<Self>] {
        [
            .value(\.corpus, "corpus", "What makes a response better, and how labels err."),
            .value(
                \.flipShare, "flip_share", .below(0, 0.5),
                "Share of the labels that are turned round (flips); 0.2 by default."),
            .value(\.dataSeed, "data_seed", .atLeast(0), "Seed of the pairs."),
            .value(\.trainPairs, "train_pairs", .within(1, 1_000_000), "How many pairs are made to train on."),
            // Fewer than the comparative corpus has different ones.
            .value(\.heldOutPairs, "held_out_pairs", .within(1, 1000), "How many pairs are held out."),
            .value(\.methods, "methods", "How the policy is trained; none with []."),
            .value(\.seeds, "seeds", "Seeds of the policies: one training for each, method and kind of weight."),
        ]
    }
}

/// A whole configuration and the demo's settings beside it.
package struct DemoConfiguration: ConfigurationSection {
    package var shared = Configuration()
    package var demo = DemoSettings()

    package init() {}

    package static var fields: [Field<Self>] {
        Configuration.fields.map { $0.lifted(\.shared) } + [.section(\.demo, "demo", "The demo's data and seeds.")]
    }

    /// The embedded configuration with `settings` over it; the data stand in its output directory.
    ///
    /// - Throws: `RDOError.usage`, also where a key is set that the demo decides itself.
    package init(_ settings: [String]) throws {
        try self.init(reading: Self.embedded, settings: settings, source: Self.source)
        let standard = try Self(reading: Self.embedded, settings: [], source: Self.source)
        for key in Self.decided where value(of: key) != standard.value(of: key) {
            throw RDOError(
                .usage, "the demo decides \(key) itself", at: Self.source,
                remedy: "leave it as it is, or give `rdo run` a configuration of your own")
        }
        if demo.seeds.isEmpty || Set(demo.seeds).count < demo.seeds.count || demo.seeds.contains(where: { $0 < 0 }) {
            throw RDOError(
                .usage, "demo.seeds must be different numbers ≥ 0, at least one", at: Self.source,
                remedy: "demo.seeds=[1, 2, 3] is an example")
        }
        if demo.flipShare != nil && demo.corpus != .flips {
            throw RDOError(
                .usage, "demo.flip_share has no effect on the corpus \(demo.corpus.rawValue)", at: Self.source,
                remedy: "leave it out, or set demo.corpus=\(DemoCorpus.Kind.flips.rawValue)")
        }
        if Set(demo.methods).count < demo.methods.count || !demo.methods.allSatisfy(DemoArm.methods.contains) {
            throw RDOError(
                .usage, "demo.methods must be some of \(DemoArm.methods.map(\.rawValue).joined(separator: ", "))",
                at: Self.source, remedy: "name each once at most; [] trains no policy")
        }
        shared.data.train = [data + "/train.jsonl"]
        shared.data.test = [data + "/test.jsonl"]
        shared.sft.data = [data + "/sft.jsonl"]
        try shared.validate(Self.source)
    }

    static let source = "the demo"

    package var corpus: DemoCorpus {
        DemoCorpus(demo.labels, seed: UInt64(demo.dataSeed), trainPairs: demo.trainPairs, testPairs: demo.heldOutPairs)
    }

    /// Where the corpus stands.
    var data: String { shared.output + "/data" }

    /// What the demo's steps and its table rest on.
    private static let decided =
        [
            "passes", "data.train", "data.test", "data.format", "sft.data", "score.scorer", "score.model", "score.file",
            "score.data", "reference.model", "reference.file", "reward.model", "difference.model",
        ]
        + DemoArm.methods.flatMap { method in
            ["model", "coefficients.use", "coefficients.file", "coefficients.combine", "coefficients.column"].map {
                "\(method).\($0)"
            }
        }

    private func value(of key: String) -> String? {
        let section = key.prefix { $0 != "." }
        return rows(of: String(section)).first { $0.key == key }?.value
    }

    private static let embedded = """
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
          epochs: 7
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
