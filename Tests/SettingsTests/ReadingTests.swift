import Diagnostics
import Foundation
import Methods
import TestSupport
import Testing

@testable import Passes
@testable import Settings

/// What every complete configuration needs.
let required = """
    output: runs/a
    model: {path: models/base}
    data: {train: data/train.jsonl}

    """

/// The message of the error that `yaml` leads to, a usage error without exception.
func failure(
    _ yaml: String, settings: [String] = [], _ location: SourceLocation = #_sourceLocation
) -> String {
    do {
        _ = try Configuration(yaml: yaml, settings: settings, source: "a.yaml")
        Issue.record("nothing was thrown", sourceLocation: location)
    } catch let error as RDOError {
        #expect(error.kind == .usage, sourceLocation: location)
        return error.description
    } catch {
        Issue.record("not an RDOError: \(error)", sourceLocation: location)
    }
    return ""
}

@Suite("Reading configurations") struct ReadingTests {
    @Test func unknownKeysNameTheNearestOne() {
        #expect(
            failure(required + "dpo:\n  bta: 0.2\n")
                == "a.yaml:5: unknown key dpo.bta; the nearest known key is dpo.beta")
        #expect(failure(required + "sead: 3\n") == "a.yaml:4: unknown key sead; the nearest known key is seed")
        #expect(
            failure(required + "dpo:\n  coefficients:\n    alfa: 1\n")
                == "a.yaml:6: unknown key dpo.coefficients.alfa; the nearest known key is dpo.coefficients.alpha")
        #expect(
            failure(required + "difference:\n\n  lambda_dup: 1\n")
                .contains(
                    "a.yaml:6: unknown key difference.lambda_dup; the nearest known key is difference.lambda_duplication"
                ))
        // A key of another section is unknown too.
        #expect(failure(required + "sft:\n  beta: 0.1\n").contains("unknown key sft.beta"))
    }

    @Test(arguments: [
        ("seed: ten", "a.yaml:4: seed must be integer ≥ 0, not \"ten\""),
        ("seed: 1.5", "a.yaml:4: seed must be integer ≥ 0, not \"1.5\""),
        ("seed: '3'", "a.yaml:4: seed must be integer ≥ 0, not \"3\""),
        ("seed: [1, 2]", "a.yaml:4: seed must be integer ≥ 0, not a list"),
        ("seed: 99999999999999999999", "a.yaml:4: seed must be integer ≥ 0, not \"99999999999999999999\""),
        ("dpo:\n  beta: strong", "a.yaml:5: dpo.beta must be number > 0, not \"strong\""),
        ("dpo:\n  beta: '0.1'", "a.yaml:5: dpo.beta must be number > 0, not \"0.1\""),
        ("dpo:\n  beta: nan", "a.yaml:5: dpo.beta must be number > 0, not \"nan\""),
        ("dpo:\n  beta: {x: 1}", "a.yaml:5: dpo.beta must be number > 0, not a section"),
        ("dpo:\n  coefficients: {use: yes}", "a.yaml:5: dpo.coefficients.use must be true or false, not \"yes\""),
        ("score: fast", "a.yaml:4: score must be a section of keys"),
        ("output: null", "a.yaml:4: output must be text, not \"null\""),
    ]) func wrongTypes(_ text: String, _ message: String) {
        let yaml =
            text.hasPrefix("output") ? required.replacingOccurrences(of: "output: runs/a", with: "# none") : required
        #expect(failure(yaml + text) == message)
    }

    @Test(arguments: [
        ("seed: -1", "integer ≥ 0"), ("dpo: {beta: 0}", "number > 0"),
        ("dpo: {label_smoothing: 0.5}", "number ≥ 0 and < 0.5"),
        ("dpo: {warmup_ratio: 1.01}", "number 0 to 1"), ("dpo: {beta2: 1}", "number ≥ 0 and < 1"),
        ("dpo: {batch_size: 0}", "integer 1 to 1048576"), ("dpo: {steps: 0}", "integer ≥ 1, or null"),
        ("dpo: {coefficients: {alpha: -0.5}}", "number ≥ 0"), ("parallel: {shards: 0}", "integer ≥ 1, or null"),
        ("reward: {head_learning_rate: 0}", "number > 0"), ("sft: {epochs: 0}", "number > 0 and ≤ 10000"),
    ]) func outOfRange(_ text: String, _ kind: String) {
        let message = failure(required + text)
        #expect(message.hasPrefix("a.yaml:4: ") && message.contains("must be \(kind), not"), "\(message)")
    }

    @Test func boundsThemselves() throws {
        let text =
            required + "dpo: {label_smoothing: 0, warmup_ratio: 1, beta1: 0, max_grad_norm: 0, checkpoint_every: 0}"
        let dpo = try Configuration(yaml: text).dpo
        #expect(dpo.training.warmupRatio == 1 && dpo.training.beta1 == 0 && dpo.training.maxGradNorm == 0)
    }

    @Test func choicesAreListed() {
        #expect(
            failure(required + "dpo: {variant: kto}")
                == "a.yaml:4: dpo.variant must be one of dpo, ipo, ipo_mean, hinge, simpo, robust, orpo, apo_zero, apo_down, "
                + "odpo, odpo_linear, soft, distill, rpo_bwd, rpo_fwd, not \"kto\""
        )
        #expect(
            failure(required + "passes: [sft, train]")
                == "a.yaml:4: passes must be one of sft, reward, difference, generate, score, reference, dpo, rrhf, kto, prepare, evaluate, or a list of such, not \"train\""
        )
        #expect(
            failure(required + "dpo: {coefficients: {disagreement: drop}}")
                .hasSuffix("must be one of zero, absolute, flip, keep, not \"drop\""))
    }

    @Test func duplicateKeys() {
        let message = failure(required + "seed: 1\nseed: 2\n")
        #expect(message.hasPrefix("a.yaml:") && message.contains("the key seed stands more than once"), "\(message)")
        #expect(failure(required + "dpo:\n  beta: 1\n  beta: 2\n").contains("the key beta stands more than once"))
    }

    @Test func malformedYAMLNamesTheLine() {
        #expect(failure(required + "dpo: [1, 2\nseed: 3\n").hasPrefix("a.yaml:5: not YAML: "))
        #expect(failure(required + "dpo:\n\tbeta: 1\n").hasPrefix("a.yaml:5: not YAML: "))
        #expect(failure(required + "seed: *other\n").contains("not YAML: "))
        #expect(failure("- a\n- b\n") == "a.yaml:1: the configuration must be a mapping of keys")
        #expect(failure("").contains("output is missing"))
    }

    @Test func filesThatCannotBeRead() throws {
        #expect(throws: RDOError.self) { try Configuration.load(path: "/nowhere/a.yaml") }
        let path = NSTemporaryDirectory() + "rdo-\(UUID().uuidString).yaml"
        try Data([0x6F, 0xFF, 0xFE, 0x3A]).write(to: URL(fileURLWithPath: path))
        defer { try? FileManager.default.removeItem(atPath: path) }
        #expect(throws: RDOError(.usage, "the configuration is not UTF-8 text", at: path)) {
            try Configuration.load(path: path)
        }
    }

    /// No text makes the reader crash: it reads or it throws a usage error.
    @Test func damagedTextNeverCrashes() {
        var random = SeededGenerator(seed: 13)
        let text = Array(
            (required + "dpo:\n  beta: 0.2\n  coefficients: {alpha: 1}\nsft: {data: [a, 'b']}\n").unicodeScalars)
        let noise = Array("[]{}:,#&*!|>'\"%@`\n\t -0aé\u{0}\u{FEFF}".unicodeScalars)
        for _ in 0..<3000 {
            var damaged = text
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                let index = Int.random(in: damaged.indices, using: &random)
                if Bool.random(using: &random) {
                    damaged.remove(at: index)
                } else {
                    damaged.insert(noise.randomElement(using: &random) ?? " ", at: index)
                }
            }
            var yaml = String.UnicodeScalarView()
            yaml.append(contentsOf: damaged)
            do {
                _ = try Configuration(yaml: String(yaml))
            } catch {
                #expect((error as? RDOError)?.kind == .usage, "\(String(yaml)): \(error)")
            }
        }
    }
}

@Suite("--set") struct OverrideTests {
    func read(_ settings: String...) throws -> Configuration { try Configuration(yaml: required, settings: settings) }

    @Test func values() throws {
        let changed = try read(
            "seed=7", "dpo.beta=0.25", "dpo.coefficients.alpha=1", "dpo.variant=ipo_mean", "data.shuffle=false",
            "output=runs/b=c")
        #expect(changed.seed == 7 && changed.dpo.beta == 0.25 && changed.dpo.coefficients.alpha == 1)
        #expect(changed.dpo.variant.name == "ipo_mean" && !changed.data.shuffle && changed.output == "runs/b=c")
        // The last one counts.
        #expect(try read("seed=1", "seed=2").seed == 2)
    }

    @Test func listsAndNull() throws {
        #expect(try read("passes=[score, dpo]").passes == [ScorePass.name, PairwiseMethod.name])
        #expect(try read("passes=dpo").passes == [PairwiseMethod.name])
        #expect(try read("data.train=[a.jsonl, b.jsonl.gz]").data.train == ["a.jsonl", "b.jsonl.gz"])
        #expect(try read("dpo.steps=10").dpo.training.steps == 10)
        #expect(try read("dpo.steps=10", "dpo.steps=null").dpo.training.steps == nil)
        #expect(try read("dpo.steps=10", "dpo.steps=").dpo.training.steps == nil)
    }

    @Test func wholeSections() throws {
        let changed = try read("dpo.coefficients={use: false, alpha: 2}", "model.path=null", "model.init.layers=2")
        #expect(!changed.dpo.coefficients.use && changed.dpo.coefficients.alpha == 2)
        #expect(changed.model.path == nil && changed.model.initial?.layers == 2)
        #expect(try read("model.path=null", "model.init={}").model.initial?.layers == 4)
        #expect(try read("model.init={}", "model.init=null").model.initial == nil)
    }

    @Test(arguments: [
        ("dpo.bta=1", "--set: unknown key dpo.bta; the nearest known key is dpo.beta"),
        ("dpo.beta.x=1", "--set: dpo.beta is a value, it has no key x"),
        ("dpo.beta=high", "--set: dpo.beta must be number > 0, not \"high\""),
        ("seed", "--set seed: expected section.key=value"), ("=3", "--set =3: expected section.key=value"),
        ("dpo=3", "--set: dpo must be a section of keys"), ("output=", "--set: output must be text, not \"\""),
        ("seed=[1", "not YAML"), ("dpo..beta=1", "--set: unknown key dpo."),
    ]) func mistakes(_ setting: String, _ message: String) {
        #expect(failure(required, settings: [setting]).contains(message), "\(failure(required, settings: [setting]))")
    }
}
