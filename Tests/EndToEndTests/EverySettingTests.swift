import Foundation
import Passes
import Settings
import Storage
import TestSupport
import Testing

/// One setting of a finished run is changed at a time, over every key: what a second start leaves is what a fresh run leaves,
/// and no pass is done again that does not depend on the key.
@Suite(.serialized) struct EverySettingTests {
    /// The passes of a run that a section is tried in, and which of them may depend on it.
    private struct Chain {
        let passes: [String]
        let dependent: [String: [String]]
        var extra: [String] = []
    }

    private static let all = ["difference", "score", "reference", "dpo"]
    private static let main = Chain(
        passes: all,
        dependent: [
            "seed": all, "metrics": [], "model": all, "data": all, "parallel": [], "prepare": [],
            "evaluate": [],
            "difference": ["difference", "score", "dpo"],
            "score": ["score", "dpo"], "reference": ["reference", "dpo"], "dpo": ["dpo"],
        ])
    private static func chain(of section: String, coefficients: String) -> Chain {
        switch section {
        case "sft", "reward": Chain(passes: [section], dependent: [section: [section]])
        case "generate":
            Chain(
                passes: ["generate"], dependent: [section: [section]],
                extra: ["generate.strategy=sample", "generate.responses=2", "generate.max_new_tokens=4"])
        case "rrhf", "kto":
            Chain(
                passes: ["reference", section], dependent: [section: ["reference", section]],
                extra: ["\(section).coefficients.file=\(coefficients)"])
        default: main
        }
    }

    /// Keys of every training pass, declared once: one pass tries them all.
    private static let shared = [
        "model": "INITIAL", "epochs": "1", "steps": "3", "batch_size": "16", "micro_batches": "2",
        "micro_batch_tokens": "60", "learning_rate": "3e-3", "schedule": "constant", "warmup_steps": "2",
        "schedule_steps": "7", "may_change_learning_rate": "true",
        "warmup_ratio": "0.6", "minimum_learning_rate_ratio": "0.5", "weight_decay": "0.2", "beta1": "0.8",
        "beta2": "0.9", "epsilon": "1e-4", "max_grad_norm": "0.01", "checkpoint_every": "1", "keep_checkpoints": "1",
        "evaluate_every": "1", "export": "bf16", "lora.rank": "2", "lora.alpha": "4", "lora.targets": "[k_proj]",
        "lora.start": nil, "lora.export": "adapter",
    ]
    private static let weighting = [
        "use": "false", "file": nil, "combine": "product", "column": "multiply", "alpha": "1", "symmetric": "false",
        // A temperature needs held-out pairs that were scored: ScorerTests.
        "calibrated": nil, "length_debiased": "true", "disagreement": "absolute", "denominator": "weights",
    ]
    private static let own: [String: String?] = [
        "output": nil, "passes": nil, "seed": "4", "metrics": "[jsonl, tensorboard]", "model.path": nil,
        "model.init.hidden_size": "16",
        "model.init.intermediate_size": "32", "model.init.layers": "1", "model.init.heads": "2",
        "model.init.key_value_heads": "1", "model.init.max_positions": "128", "model.init.rope_theta": "500",
        "model.init.norm_epsilon": "1e-3", "model.init.tie_embeddings": "false", "model.init.initializer_range": "0.1",
        "model.tokenizer": "INITIAL", "data.train": "COPY", "data.test": "OTHER", "data.format": "pairs",
        "data.columns.prompt": nil, "data.columns.chosen": nil, "data.columns.rejected": nil,
        "data.columns.responses": nil, "data.columns.scores": nil, "data.columns.completion": nil,
        "data.columns.label": nil, "data.columns.system": nil, "data.columns.weight": nil,
        "data.columns.margin": nil, "data.max_row_bytes": "100000", "data.response_end": "<s>",
        "data.template": "hh", "data.turns.system.prefix": nil, "data.turns.system.suffix": nil,
        "data.turns.system.trim": nil, "data.turns.system.place": nil, "data.turns.system.default": nil,
        "data.turns.user.prefix": nil, "data.turns.user.suffix": nil, "data.turns.user.trim": nil,
        "data.turns.assistant.prefix": nil, "data.turns.assistant.suffix": nil, "data.turns.assistant.trim": nil,
        "data.turns.tool.prefix": nil, "data.turns.tool.suffix": nil, "data.turns.tool.trim": nil,
        "data.turns.alternate": nil, "data.max_tokens": "90", "data.max_prompt_tokens": "20",
        "data.over_long": "truncate",
        "data.on_error": "skip", "data.shuffle": "false", "data.pairs_per_list": "1", "data.limit": "12",
        "data.test_limit": "2", "parallel.shards": "1", "parallel.gather": "block", "parallel.recompute": "block",
        "parallel.shared_memory": "false", "parallel.frozen_weights": nil, "parallel.timeout": "100",
        "parallel.blas_threads": "2", "prepare.examples": "1", "sft.responses": "all", "sft.data": "OTHER",
        "reward.data": "OTHER", "difference.data": "OTHER",
        "generate.model": "INITIAL", "generate.adapter": nil, "generate.prompts": "OTHER", "generate.limit": "3",
        "generate.file": "OWN/named.jsonl", "generate.add_given": "true", "generate.strategy": "beam",
        "generate.responses": "3", "generate.max_new_tokens": "6", "generate.stop": "[a]",
        "generate.repetition_penalty": "2", "generate.temperature": "0.5", "generate.top_k": "3",
        "generate.top_p": "0.5", "generate.min_p": "0.2", "generate.beams": nil, "generate.beam_groups": nil,
        "generate.diversity_penalty": nil, "generate.length_penalty": nil, "generate.chunk": "2",
        "generate.batch": "3",
        "reward.head_learning_rate": "0.1", "reward.head": "HEAD", "reward.start": "base",
        "difference.head_learning_rate": "0.1", "difference.head": "HEAD", "difference.start": "base",
        "difference.lambda_duplication": "1", "difference.lambda_reverse": "1", "difference.both_orders": "true",
        "score.scorer": nil, "score.model": "SCORER", "score.file": "OWN/named.h5", "score.data": "both",
        "score.chunk": "3", "reference.model": nil, "reference.file": "OWN/named.h5", "reference.chunk": "3",
        "dpo.variant": "ipo", "dpo.beta": "0.3", "dpo.label_smoothing": "0.1", "dpo.simpo_gamma": nil,
        "dpo.offset_scale": nil, "dpo.temperature": nil, "dpo.reward_scale": nil, "dpo.sft_weight": "0.5",
        "dpo.ledger": "true", "rrhf.ranking": "difference", "rrhf.ranking_weight": "2", "rrhf.length": "padded",
        "rrhf.length_exponent": "0.5", "rrhf.ledger": "true", "kto.beta": "0.3", "kto.desirable_weight": "2",
        "kto.undesirable_weight": "2", "kto.kl_scope": "micro", "kto.kl_pairing": "rotated", "kto.ledger": "true",
        // No other pass reads them; EvaluateTests changes them.
        "evaluate.policies.NAME.responses": "chosen", "evaluate.policies.NAME.model": nil,
        "evaluate.scorers.NAME.model": nil, "evaluate.scorers.NAME.kind": nil, "evaluate.compare": "[]",
        "evaluate.baseline": nil, "evaluate.tie_margin": nil, "evaluate.reference": nil, "evaluate.beta": "0.3",
        "evaluate.out_of_domain.NAME.files": nil, "evaluate.bootstrap": "9", "evaluate.chunk": "3",
    ]

    /// The value to try; nil where the key alone makes no other run of the kind (docs beside `own`): paths of files that a
    /// run would need, parameters of other losses, and what would only be refused.
    private func value(of key: String) throws -> String? {
        let parts = key.split(separator: ".", maxSplits: 1).map(String.init)
        guard ["sft", "reward", "difference", "dpo", "rrhf", "kto"].contains(parts[0]),
            let name = parts.dropFirst().first
        else { return try #require(Self.own[key], "no value for \(key)") }
        if let value = Self.shared[name] { return parts[0] == "sft" || name == "learning_rate" ? value : nil }
        if name.hasPrefix("coefficients."), let value = Self.weighting[String(name.dropFirst("coefficients.".count))] {
            // RRHF is a mean over lists, and the rows have no weights.
            return ["rrhf.coefficients.denominator", "\(parts[0]).coefficients.column"].contains(key) ? nil : value
        }
        return try #require(Self.own[key], "no value for \(key)")
    }

    @Test func aSecondStartLeavesWhatAFreshRunLeaves() throws {
        let work = try Workspace(pairs: 16)
        try work.writeConfiguration()
        try FileManager.default.copyItem(atPath: work.path("train.jsonl"), toPath: work.path("copy.jsonl"))
        try work.directory.write(Workspace.rows(9, seed: 5), to: "other.jsonl")
        var steps: [String] = []
        for pass in ["sft", "reward", "difference", "dpo", "rrhf", "kto"] {
            steps += [
                "\(pass).steps=2", "\(pass).batch_size=8", "\(pass).learning_rate=1e-3", "\(pass).micro_batches=4",
            ]
        }
        // What other chains read, made once.
        let made = try work.rdo(["run"], output: "made", set: steps + ["passes=[reward, difference, score]"])
        #expect(made.status == 0, "\(made.error)")
        let coefficients = work.path("made/coefficients.h5")

        let keys = Configuration.fields.flatMap { field in Configuration().rows(of: field.key).map(\.key) }
        #expect(keys.count > 200)
        var tried = 0
        for section in Configuration.fields.map(\.key) {
            let chain = Self.chain(of: section, coefficients: coefficients)
            let base = "base-" + chain.passes.joined(separator: "-")
            let set = steps + ["passes=[\(chain.passes.joined(separator: ", "))]"] + chain.extra
            if !FileManager.default.fileExists(atPath: work.path(base)) {
                let first = try work.rdo(["run"], output: base, set: set)
                #expect(first.status == 0, "\(first.error)")
            }
            for key in keys where key == section || key.hasPrefix(section + ".") {
                guard let template = try value(of: key) else { continue }
                tried += 1
                func changed(_ output: String) -> [String] {
                    let places = [
                        "INITIAL": work.path(base + "/initial-model"), "COPY": work.path("copy.jsonl"),
                        "OTHER": work.path("other.jsonl"), "SCORER": work.path("made/difference/model"),
                        "HEAD": work.path("made/reward/model/model.safetensors"), "OWN": work.path(output),
                    ]
                    return set + [
                        "\(key)=" + places.reduce(template) { $0.replacingOccurrences(of: $1.key, with: $1.value) }
                    ]
                }
                try FileManager.default.copyItem(atPath: work.path(base), toPath: work.path("again"))
                let again = try work.rdo(["run"], output: "again", set: changed("again"))
                let fresh = try work.rdo(["run"], output: "fresh", set: changed("fresh"))
                #expect(again.status == 0 && fresh.status == 0, "\(key): \(again.error)\(fresh.error)")
                let redone = chain.passes.filter { pass in
                    again.error.split(separator: "\n").contains { line in
                        let text = line.drop { $0 != " " }.dropFirst()
                        return text.hasPrefix("\(pass): ") && !text.contains("complete and unchanged")
                            && !text.contains("looking again")
                            && (text.contains(" in /") || text.contains("anew") || text.contains("again, because"))
                    }
                }
                #expect(Set(redone).isSubset(of: chain.dependent[section] ?? []), "\(key): \(redone)")
                // More steps continue, with rates that were planned for fewer; threads and chunks may change last bits.
                if ![".steps", ".epochs", ".chunk", ".blas_threads"].contains(where: key.hasSuffix) {
                    for file in try results(work.path("fresh")) {
                        #expect(
                            try same(work.path("fresh/" + file), work.path("again/" + file)),
                            "\(key): \(file) after \(redone)")
                    }
                }
                for output in ["again", "fresh"] { try? FileManager.default.removeItem(atPath: work.path(output)) }
            }
        }
        #expect(tried > 80)
    }

    /// Models, HDF5 files and responses of a run.
    private func results(_ output: String) throws -> [String] {
        let files = FileManager.default.enumerator(atPath: output)?.compactMap { $0 as? String } ?? []
        return files.filter { file in
            !file.contains("checkpoints") && !file.hasPrefix("data/") && !file.hasSuffix("ledger.h5")
                && (file.hasSuffix(".safetensors") || file.hasSuffix(".h5")
                    || ["generated.jsonl", "named.jsonl"].contains(file))
        }
    }

    private func same(_ first: String, _ second: String) throws -> Bool {
        guard FileManager.default.fileExists(atPath: second) else { return false }
        guard first.hasSuffix(".h5") else {
            return try Data(contentsOf: URL(fileURLWithPath: first)) == Data(contentsOf: URL(fileURLWithPath: second))
        }
        if let (a, b) = try? (CoefficientFile.read(first), CoefficientFile.read(second)) {
            return a.keys == b.keys && a.differences == b.differences && a.reversed == b.reversed
        }
        let (a, b) = (try ReferenceFile.read(first), try ReferenceFile.read(second))
        return a.keys == b.keys && a.logprobs == b.logprobs
    }
}
