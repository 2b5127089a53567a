import Diagnostics
import Foundation
import Methods
import Objectives
import TestSupport
import Testing

@testable import Passes
@testable import Settings

@Suite("Configurations") struct ConfigurationTests {
    /// The package's root.
    static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    @Test func defaultsOfEachPass() throws {
        let c = try Configuration(yaml: required)
        #expect(c.sft.training.learningRate == 2e-5 && c.sft.training.schedule == .cosine)
        #expect(c.dpo.training.learningRate == 5e-7 && c.dpo.training.schedule == .linear)
        #expect(c.difference.training.learningRate == 1e-5 && c.difference.headSettings.headLearningRate == 1e-4)
        #expect(c.reward.training.learningRate == 1e-5 && c.reward.headSettings.headLearningRate == 1e-4)
        #expect(c.difference.lambdaDuplication == 0.5 && c.difference.lambdaReverse == 0.5)
        #expect(c.dpo.beta == 0.1 && c.dpo.variant == .dpo && c.dpo.parameters.isEmpty)
        let weights = c.dpo.coefficients
        #expect(weights.use && weights.alpha == 0.5 && weights.symmetric)
        #expect(weights.disagreement == .zero && weights.denominator == .pairs)
        #expect(weights.combine == .mean && weights.column == .ignore && weights.file == nil)
        #expect(c.rrhf.ranking == .scores && c.rrhf.rankingWeight == 1 && c.rrhf.length == .tokens)
        #expect(c.rrhf.lengthExponent == 1 && c.rrhf.training.learningRate == 2e-5)
        #expect(c.kto.beta == 0.1 && c.kto.desirableWeight == 1 && c.kto.undesirableWeight == 1)
        #expect(c.kto.klScope == .global && c.kto.klPairing == .permuted && c.kto.training.learningRate == 5e-7)
        #expect(c.passes.map(\.rawValue) == ["difference", "score", "reference", "dpo"])
        #expect(c.training(of: PairwiseMethod.name) == c.dpo.training && c.training(of: ScorePass.name) == nil)
        #expect(c.training(of: RRHFMethod.name) == c.rrhf.training && c.training(of: KTOMethod.name) == c.kto.training)
    }

    @Test(arguments: [
        required,
        """
        output: "runs/\\"a\\\\b\\tc"
        seed: 12
        passes: [sft, reward, score, dpo]
        model: {init: {layers: 3, rope_theta: 5e5}, tokenizer: bytes}
        data: {train: [a.jsonl, "null", "1", "é: #x"], test: [h.jsonl], max_prompt_tokens: 9, on_error: skip}
        parallel: {shards: 2, gather: block}
        sft: {data: [x.jsonl], learning_rate: 3.3333333333333335e-5, steps: 5}
        score: {scorer: reward, data: both}
        dpo: {variant: robust, label_smoothing: 0.1, coefficients: {alpha: 0.1, denominator: weights}}
        """,
    ]) func effectiveYAMLReadsBackAsTheSame(_ yaml: String) throws {
        let configuration = try Configuration(yaml: yaml)
        let text = configuration.yaml
        #expect(try Configuration(yaml: text) == configuration)
        #expect(try Configuration(yaml: text).yaml == text)
    }

    @Test func anyTextReadsBackAsTheSame() throws {
        var random = SeededGenerator(seed: 14)
        for _ in 0..<300 {
            let scalars = (0..<Int.random(in: 1...12, using: &random)).compactMap { _ in
                Unicode.Scalar(
                    Bool.random(using: &random)
                        ? UInt32.random(in: 1..<0x80, using: &random) : .random(in: 0x80..<0x11_0000, using: &random))
            }
            var configuration = try Configuration(yaml: required)
            configuration.output = "x" + String(String.UnicodeScalarView(scalars))
            let read = try Configuration(yaml: configuration.yaml)
            // By scalars: Swift's == also holds for texts that only look the same.
            #expect(Array(read.output.unicodeScalars) == Array(configuration.output.unicodeScalars))
        }
    }

    @Test func filesAloneAreCoefficients() throws {
        for (text, files) in [("c.h5", ["c.h5"]), ("[a.h5, b.h5]", ["a.h5", "b.h5"])] {
            let configuration = try Configuration(yaml: required + "dpo: { coefficients: \(text) }")
            #expect(configuration.dpo.coefficients.file == files)
            #expect(try Configuration(yaml: required, settings: ["dpo.coefficients=\(text)"]) == configuration)
            #expect(try Configuration(yaml: configuration.yaml) == configuration)
        }
    }

    /// Every key is written: a default that changes one day does not change a stored run.
    @Test func effectiveYAMLHasEveryKey() throws {
        let configuration = try Configuration(
            yaml: required,
            settings: [
                "model.path=null", "model.init={}", "dpo.lora={}", "data.columns={}", "evaluate.policies.a.model=m",
                "evaluate.policies.a.responses=r",
                "data.template=custom", "data.turns.user.prefix=p", "data.turns.system.prefix=s",
                "evaluate.scorers.s=m",
                "evaluate.out_of_domain.t=f",
            ])
        let lines = Set(
            configuration.yaml.split(separator: "\n").map { $0.drop { $0 == " " }.prefix { $0 != ":" } })
        for field in Configuration.fields {
            for row in field.rows(configuration, "") {
                #expect(lines.contains(row.key.split(separator: ".").last ?? ""), "\(row.key)")
            }
        }
    }

    @Test(arguments: [
        ("model: {path: a}\ndata: {train: b}", "output is missing"),
        ("output: a\nmodel: {path: a}", "data.train is missing"),
        ("output: a\ndata: {train: b}", "model.path is missing"),
        ("output: a\ndata: {train: b}\nmodel: {path: a, init: {}}", "model.path and model.init are both given"),
        (
            "output: a\ndata: {train: b}\nmodel: {path: a, tokenizer: bytes}",
            "model.tokenizer bytes is for new models only"
        ),
        (
            "output: a\ndata: {train: b}\nmodel: {init: {hidden_size: 66}}",
            "model.init: hidden_size / heads must be an even number"
        ),
        (
            "output: a\ndata: {train: b}\nmodel: {init: {hidden_size: 36}}",
            "model.init: hidden_size / heads must be an even number"
        ),
        (
            "output: a\ndata: {train: b}\nmodel: {init: {key_value_heads: 3}}",
            "model.init: heads must be a multiple of key_value_heads"
        ),
        (
            "output: a\nmodel: {path: a}\ndata: {train: b, template: custom}",
            "data.template is custom and data.turns is missing"
        ),
        (
            "output: a\nmodel: {path: a}\ndata: {train: b, template: hh, turns: {user: {prefix: U}}}",
            "data.turns is given but data.template is hh"
        ),
        (
            "output: a\nmodel: {path: a}\ndata: {train: b, template: custom, turns: {assistant: {prefix: A}}}",
            "data.turns.user has neither prefix nor suffix"
        ),
        (required + "reward: {batch_size: 4}", "reward.micro_batches (8) exceeds reward.batch_size (4)"),
        (
            required + "kto: {coefficients: {combine: product, disagreement: flip}}",
            "kto.coefficients: combine product knows no single sign"
        ),
        (
            required + "rrhf: {coefficients: {denominator: weights}}",
            "rrhf.coefficients.denominator weights has no meaning"
        ),
        (required + "metrics: [tensorboard]", "metrics leaves out jsonl"),
        (required + "metrics: [jsonl, jsonl]", "metrics names a form twice"),
        (required + "passes: [dpo, sft, dpo]", "passes names a pass twice"),
    ]) func whatNoSingleKeyCanTell(_ yaml: String, _ message: String) {
        #expect(failure(yaml).contains("a.yaml: " + message), "\(failure(yaml))")
    }

    /// The complete configurations that the project comes with.
    static func shipped() throws -> [String] {
        let directory = root.appendingPathComponent("configs").path
        return try FileManager.default.subpathsOfDirectory(atPath: directory).filter { $0.hasSuffix(".yaml") }
            .map { directory + "/" + $0 }
    }

    @Test func shippedConfigurationsLoad() throws {
        let files = try Self.shipped()
        #expect(files.count >= 6)
        for file in files { #expect(throws: Never.self) { try Configuration.load(path: file) } }
    }

    /// `RDO_UPDATE_DOCS=1 make test` writes the page anew.
    @Test func documentationIsUpToDate() throws {
        let page = Self.root.appendingPathComponent("docs/configuration.md")
        if ProcessInfo.processInfo.environment["RDO_UPDATE_DOCS"] == "1" {
            try Data(Configuration.markdown().utf8).write(to: page)
        }
        let text = try String(contentsOf: page, encoding: .utf8)
        #expect(text == Configuration.markdown(), "docs/configuration.md is out of date: RDO_UPDATE_DOCS=1 make test")
    }

    @Test func documentationHasEveryKey() throws {
        let page = Configuration.markdown()
        for field in Configuration.fields {
            for row in field.rows(try Configuration(yaml: required), "") {
                #expect(page.contains("| `\(row.key)` | \(row.kind) |"), "\(row.key)")
                #expect(row.help.hasSuffix(".") || row.help.hasSuffix("(required)."), "\(row.key)")
                #expect(!row.help.contains("|") && !row.value.contains("|"), "\(row.key)")
            }
        }
    }

    @Test func nearestKeysAreByEditDistance() {
        #expect(EditDistance.between("", "abc") == 3)
        #expect(EditDistance.between("kitten", "sitting") == 3)
        #expect(EditDistance.between("beta", "beta") == 0)
        #expect(EditDistance.between("beta1", "beta") == 1)
    }
}

@Suite("Passes and losses") struct RegistryTests {
    @Test func everyPassHasASectionOfItsName() {
        let sections = Set(Configuration.fields.filter { $0.kind == nil }.map(\.key))
        for pass in Configuration.allPasses { #expect(sections.contains(pass.name.rawValue)) }
        #expect(Set(Configuration.allPasses.map(\.name)).count == Configuration.allPasses.count)
    }

    /// Settings reach the pass of their own section.
    @Test func settingsReachTheirPass() throws {
        for (index, stage) in Configuration.trainingPasses.enumerated() {
            let configuration = try Configuration(yaml: required, settings: ["\(stage.name).steps=\(index + 3)"])
            #expect(stage.settings(in: configuration).training.steps == index + 3)
        }
    }

    /// A loss is one entry of the table and one row of the page.
    @Test(arguments: PairwiseLoss.allCases) func everyLossIsDocumented(_ loss: PairwiseLoss) throws {
        let page = try String(
            contentsOf: ConfigurationTests.root.appendingPathComponent("docs/objectives.md"), encoding: .utf8)
        #expect(page.contains("| `\(loss.name)` |") || page.contains("`variant: \(loss.name)` |"))
        #expect(PairwiseLoss.allCases.count { $0.name == loss.name } == 1)
    }
}
