import Diagnostics
import Foundation
import Methods
import Objectives
import Passes
import TestSupport
import Testing

@testable import Tools

@Suite("Demo") struct DemoTests {
    /// The corpus is read from where it is written, whatever the output directory is called; every arm writes within it.
    @Test(arguments: ["runs/demo", "elsewhere", "a: b", "[x]", "null"]) func allStandsInOutput(_ output: String) throws
    {
        let demo = try DemoConfiguration(output == "runs/demo" ? [] : ["output=\"\(output)\""])
        let shared = demo.shared
        #expect(shared.output == output && demo.demo == DemoSettings())
        #expect(shared.data.train == [output + "/data/train.jsonl"])
        #expect(shared.data.test == [output + "/data/test.jsonl"])
        #expect(shared.sft.data == [output + "/data/sft.jsonl"])
        for arm in DemoArm.all() {
            let own = arm.configuration(shared, seed: 2)
            #expect(own.output.hasPrefix(output + "/\(arm.method)") && own.seed == 2)
            #expect(own.training(of: arm.method)?.model == output + "/sft/model")
            #expect(own.data == shared.data)
            let reads = [own.score.file, own.reference.file]
            #expect(reads.allSatisfy { $0?.hasPrefix(output + "/") == true })
            try own.validate("test")
        }
        #expect(Set(DemoArm.all().map { $0.directory(in: output, seed: 1) }).count == 9)
    }

    @Test func settingsChooseCorpusAndSeeds() throws {
        let demo = try DemoConfiguration([
            "demo.corpus=comparative", "demo.seeds=[4, 5]", "demo.train_pairs=40", "demo.held_out_pairs=8",
            "dpo.beta=0.3",
        ])
        #expect(demo.demo.seeds == [4, 5] && demo.shared.dpo.beta == 0.3)
        let corpus = demo.corpus
        #expect(corpus.labels.kind == .comparative && corpus.train.count == 40 && corpus.test.count == 8)
        let another = try DemoConfiguration(["demo.corpus=comparative", "demo.train_pairs=40", "demo.data_seed=1"])
        #expect(another.corpus.train != corpus.train)
    }

    @Test func settingsChooseMethods() throws {
        #expect(try DemoConfiguration(["demo.methods=[]"]).demo.methods.isEmpty)
        let methods = try DemoConfiguration(["demo.methods=[kto, dpo]"]).demo.methods
        #expect(DemoArm.all(methods).map { "\($0.method)" } == ["kto", "kto", "kto", "dpo", "dpo", "dpo"])
    }

    @Test(arguments: [
        "demo.corpus=cyclic", "demo.flip_share=0.1", "demo.methods=[sft]", "demo.methods=[dpo, dpo]",
        "demo.data_seed=-1",
        "demo.seeds=[]", "demo.seeds=[1, 1]", "demo.seeds=-1", "demo.held_out_pairs=1001",
        "passes=[dpo]", "data.train=own.jsonl", "data.test=own.jsonl", "data={test: own.jsonl}", "sft.data=own.jsonl",
        "score.scorer=reward", "score.data=train", "score.file=x.h5", "reference.file=x.h5", "dpo.model=x",
        "kto.coefficients.use=false", "rrhf.coefficients=x.h5",
    ]) func whatTheDemoDecidesIsRefused(_ setting: String) throws {
        let error = try #require(throws: RDOError.self) { try DemoConfiguration([setting]) }
        #expect(error.kind == .usage)
    }

    /// docs/results.md names every key of the demo and every corpus.
    @Test func keysAreDocumented() throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../..")
        let page = try String(contentsOf: root.appendingPathComponent("docs/results.md"), encoding: .utf8)
        for row in DemoConfiguration().rows(of: "demo") { #expect(page.contains("`\(row.key)`"), "\(row.key)") }
        for kind in DemoCorpus.Kind.allCases { #expect(page.contains("`\(kind.rawValue)`"), "\(kind)") }
    }

    /// configs/small starts from what a demo leaves, with the demo's settings.
    @Test func smallConfigurationsAreTheDemos() throws {
        let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("../..")
        let demo = try DemoConfiguration([]).shared
        func differing(_ name: String, _ sections: [String]) throws -> [String] {
            let own = try Configuration.load(path: root.appendingPathComponent("configs/small/\(name).yaml").path)
            return sections.flatMap { section in
                zip(own.rows(of: section), demo.rows(of: section)).filter { $0.value != $1.value }.map(\.0.key)
            }
        }
        #expect(try differing("policy", ["data", "dpo"]) == [])
        let lambdas = ["difference.lambda_duplication", "difference.lambda_reverse"]
        #expect(try differing("scorer", ["data", "difference", "score"]) == lambdas)
    }

    @Test func othersFilesStay() throws {
        let directory = try TemporaryDirectory()
        let path = try directory.write("# Mine\n", to: "results.md")
        let file = DemoFile(path) { $0.hasPrefix(DemoReport.heading) }
        #expect(throws: RDOError.self) { try file.write("# Demo: new\n") }
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "# Mine\n")
        let unreadable = DemoFile(directory.path) { _ in true }
        #expect(throws: RDOError.self) { try unreadable.requireOwn() }
        let own = DemoFile(directory.path + "/new/results.md") { $0.hasPrefix(DemoReport.heading) }
        for text in ["# Demo: a\n", "# Demo: b\n"] {
            try own.write(text)
            #expect(try String(contentsOfFile: directory.path + "/new/results.md", encoding: .utf8) == text)
        }
    }

    /// A scorer that knows the labels' probabilities, one that is ten times too sure, and one that knows nothing.
    @Test(arguments: DemoCorpus.Kind.allCases) func scorersAreMeasuredAgainstTheTruth(_ kind: DemoCorpus.Kind) throws {
        let labels = DemoLabels(kind)
        let corpus = DemoCorpus(labels, seed: 3, trainPairs: 400, testPairs: 200)
        func pairs(_ pairs: [DemoCorpus.Pair], _ r: (Double) -> Double) -> ComparedPairs {
            ComparedPairs(
                // Stored with a position bias that R must not show.
                stored: pairs.map {
                    RewardDifference(difference: r($0.trueDifference) + 1, reversed: -r($0.trueDifference) + 1)
                },
                truth: pairs.map(\.trueDifference), labels: pairs.map { _ in 1 })
        }
        func scorer(_ r: (Double) -> Double) -> DemoScorer {
            // Every second held-out pair in the other order.
            let held = corpus.test.enumerated().map { index, pair in
                index % 2 == 0
                    ? pair
                    : .init(
                        prompt: pair.prompt, chosen: pair.rejected, rejected: pair.chosen,
                        trueDifference: -pair.trueDifference)
            }
            return DemoScorer(
                held: pairs(held, r), training: pairs(corpus.train, r), of: labels,
                rule: CoefficientRule(alpha: 1, symmetric: true, disagreement: .zero))
        }
        func logOdds(_ difference: Double) -> Double {
            kind == .flips ? (difference > 0 ? log(4) : -log(4)) : difference / 2
        }
        let knowing = scorer(logOdds)
        #expect(knowing.accuracy?.share == 1 && knowing.heldOutCount == 200 && knowing.trainingCount == 400)
        #expect(abs(knowing.crossEntropy - knowing.leastCrossEntropy) < 1e-12)
        #expect(knowing.calibrationError < 1e-12)
        let entropies = corpus.test.map { pair in
            let p = labels.probability(pair.trueDifference)
            return -p * log(p) - (1 - p) * log(1 - p)
        }
        #expect(abs(knowing.leastCrossEntropy - entropies.reduce(0, +) / 200) < 1e-12)
        #expect(knowing.ranges.reduce(0) { $0 + $1.accuracy.count } == 200)
        if kind == .flips {
            #expect(knowing.ranges.map(\.from) == [1])
        } else {
            #expect(abs((knowing.pearson ?? 0) - 1) < 1e-12 && abs((knowing.spearman ?? 0) - 1) < 1e-12)
        }
        // Weight R where the label is right, none where it is wrong.
        let right = corpus.train.filter { $0.trueDifference > 0 }.map { logOdds($0.trueDifference) }
        #expect(abs((knowing.rightWeight ?? 0) - right.reduce(0, +) / Double(right.count)) < 1e-12)
        #expect(knowing.wrongWeight == 0)
        #expect(abs(knowing.wrongShare - 1 + Double(right.count) / 400) < 1e-12)

        let rash = scorer { 10 * logOdds($0) }
        #expect(rash.accuracy?.share == 1 && rash.crossEntropy > knowing.crossEntropy + 0.1)
        #expect(rash.calibrationError > 0.05)
        let ignorant = scorer { _ in 0 }
        #expect(ignorant.accuracy?.share == 0 && ignorant.pearson == nil)
        #expect(abs(ignorant.crossEntropy - log(2)) < 1e-12)
    }

    /// Labels that never err leave a scorer nothing to be unsure of.
    @Test func labelsWithoutErrorsAreMeasured() {
        var labels = DemoLabels(.flips)
        labels.flipShare = 0
        let pairs = DemoCorpus(labels, seed: 3, trainPairs: 40, testPairs: 20)
        func compared(_ pairs: [DemoCorpus.Pair]) -> ComparedPairs {
            ComparedPairs(
                stored: pairs.map { _ in RewardDifference(difference: 3, reversed: -3) },
                truth: pairs.map(\.trueDifference), labels: pairs.map { _ in 1 })
        }
        let scorer = DemoScorer(
            held: compared(pairs.test), training: compared(pairs.train), of: labels,
            rule: CoefficientRule(alpha: 1, symmetric: true, disagreement: .zero))
        #expect(scorer.leastCrossEntropy == 0 && abs(scorer.crossEntropy - log(1 + exp(-3))) < 1e-12)
        #expect(scorer.wrongShare == 0 && scorer.wrongWeight == nil && scorer.rightWeight == 3)
    }
}
