import Foundation
import Inspection
import Storage
import TestSupport
import Testing

/// `rdo evaluate`: its figures are those of the passes that compute the same, whoever computes them and however often it is
/// interrupted.
@Suite(.serialized) struct EvaluateTests {
    private static let training = [
        "reward.steps=3", "reward.batch_size=8", "reward.learning_rate=1e-3", "difference.steps=3", "dpo.steps=6",
        "dpo.evaluate_every=6", "dpo.beta=0.3",
    ]

    /// Scorers, a policy and responses of two others to the held-out queries.
    private func made() throws -> Workspace {
        let work = try Workspace(pairs: 24)
        try work.writeConfiguration()
        let result = try work.rdo(
            ["run"], ranks: 2,
            set: Self.training + ["passes=[reward, difference, score, reference, dpo]", "score.data=both"])
        #expect(result.status == 0, "\(result.error)")
        let prompts = try work.metrics("test.jsonl").compactMap { $0["prompt"] as? String }
        try work.directory.write(rows(prompts) { [" oak, \($0)", " oak"] }, to: "a.jsonl")
        // In another order, with an empty response and one that the other policy has too.
        try work.directory.write(rows(prompts.reversed()) { $0 % 2 == 0 ? [""] : [" oak"] }, to: "b.jsonl")
        try work.directory.write(
            "{\"text\": \"\(String(repeating: "the old oak. ", count: 40))\"}\n{\"text\": \"fir\"}\n", to: "texts.jsonl"
        )
        return work
    }

    /// Rows of a response file; the second response of a row met the limit.
    private func rows(_ prompts: [String], _ responses: (Int) -> [String]) -> String {
        prompts.enumerated().map { index, prompt in
            let texts = responses(index)
            let shown = texts.map { "\"\($0)\"" }.joined(separator: ", ")
            let ends = texts.indices.map { $0 == 0 ? "\"eos\"" : "\"length\"" }.joined(separator: ", ")
            return #"{"query": "\#(prompt)", "responses": [\#(shown)], "ends": [\#(ends)]}"# + "\n"
        }.joined()
    }

    private func settings(_ work: Workspace) -> [String] {
        Self.training + [
            "evaluate.policies.start={responses: \(work.path("a.jsonl")), model: \(work.path("run/initial-model"))}",
            "evaluate.policies.dpo={responses: \(work.path("b.jsonl")), model: \(work.path("run/dpo/model"))}",
            "evaluate.policies.chosen=chosen", "evaluate.policies.rejected=rejected",
            "evaluate.compare=[[dpo, start], [chosen, rejected]]",
            "evaluate.scorers={reward: \(work.path("run/reward/model")), difference: \(work.path("run/difference/model"))}",
            "evaluate.baseline=rejected", "evaluate.out_of_domain.wood=\(work.path("texts.jsonl"))",
            "evaluate.bootstrap=50", "evaluate.chunk=2",
        ]
    }

    private static let figures = ["run/evaluation.json", "run/evaluate/queries.jsonl"]

    private func evaluation(_ work: Workspace) throws -> Evaluation {
        try EvaluationFile.read(work.path("run/evaluation.json"))
    }

    private func forget(_ work: Workspace) throws {
        for file in ["run/evaluation.json", "run/evaluate"] {
            try FileManager.default.removeItem(atPath: work.path(file))
        }
    }

    @Test func figuresDoNotDependOnRanksOrInterruptions() throws {
        let work = try made()
        var first: [Data] = []
        for ranks in [1, 2, 4] {
            let result = try work.rdo(["evaluate"], ranks: ranks, set: settings(work))
            #expect(result.status == 0, "\(result.error)")
            let found = try Self.figures.map(work.bytes)
            if first.isEmpty { first = found }
            #expect(found == first, "on \(ranks) ranks")
            try forget(work)
        }
        try agreesWithOtherPasses(work)
        try forget(work)
        // Interrupted as often as it takes, each time continued by other ranks.
        var stops = 0
        for attempt in 0..<25 {
            let result = try work.rdo(["evaluate"], ranks: 1 + attempt % 3, set: settings(work)) { process in
                let directory = work.path("run/evaluate")
                func unfinished() -> Bool {
                    let files = (try? FileManager.default.contentsOfDirectory(atPath: directory)) ?? []
                    return files.contains { $0.hasSuffix(".partial") }
                }
                while process.isRunning && !unfinished() { usleep(500) }
                usleep(5_000)
                kill(process.processIdentifier, SIGUSR1)
            }
            if result.status == 0 { break }
            // What an earlier attempt left is there at once, and the signal may come before the program listens.
            #expect([75, SIGUSR1].contains(result.status), "\(result.error)")
            stops += result.status == 75 ? 1 : 0
        }
        #expect(stops > 0)
        #expect(try work.rdo(["evaluate"], ranks: 2, set: settings(work)).status == 0)
        #expect(try Self.figures.map(work.bytes) == first)
        try secondStartSaysItAgain(work)
        try newPolicyAloneIsComputed(work)
    }

    /// Scores, differences, log-probabilities and accuracy of the held-out pairs by the passes that have them too.
    private func agreesWithOtherPasses(_ work: Workspace) throws {
        #expect(try work.rdo(["evaluate"], ranks: 2, set: settings(work)).status == 0)
        let found = try evaluation(work)
        func policy(_ name: String) throws -> Evaluation.Policy {
            try #require(found.policies.first { $0.name == name })
        }
        func near(_ a: Double?, _ b: Double?, _ what: String) {
            #expect(
                a != nil && b != nil && abs((a ?? 0) - (b ?? 1)) < 1e-4 * max(1, abs(b ?? 1)),
                "\(what): \(a ?? .nan), \(b ?? .nan)")
        }
        func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(values.count) }
        // The difference model, by the scoring pass.
        let file = try CoefficientFile.read(work.path("run/coefficients-test.h5"))
        let reversed = try #require(file.reversed)
        let differences = zip(file.differences, reversed).map { (Double($0) - Double($1)) / 2 }
        let judged = try #require(found.comparisons.first { $0.policy == "chosen" })
        let judgement = try #require(judged.judgements.first { $0.scorer == "difference" })
        near(judgement.margin.value, mean(differences), "mean difference")
        near(judgement.win.value, Double(differences.count { $0 > 0 }) / Double(differences.count), "wins")
        near(try policy("chosen").score(by: "difference")?.value, mean(differences), "score over the baseline")
        near(try policy("rejected").score(by: "difference")?.value, 0, "the baseline's own score")
        // The reward model.
        let scored = try work.rdo(
            ["score"], ranks: 2,
            set: Self.training + [
                "score.scorer=reward", "score.data=test", "score.file=\(work.path("run/rewards.h5"))",
            ])
        #expect(scored.status == 0, "\(scored.error)")
        let rewards = try HDF5File(opening: work.path("run/rewards-test.h5")).dataset("/responses/reward").read(
            Float.self)
        near(
            try policy("chosen").score(by: "reward")?.value,
            mean(stride(from: 0, to: rewards.count, by: 2).map { Double(rewards[$0]) }), "chosen rewards")
        near(
            try policy("rejected").score(by: "reward")?.value,
            mean(stride(from: 1, to: rewards.count, by: 2).map { Double(rewards[$0]) }), "rejected rewards")
        // The start model, by the reference pass.
        let reference = try ReferenceFile.read(work.path("run/reference-test.h5"))
        let counts = try #require(reference.tokenCounts)
        let chosen = Array(stride(from: 0, to: reference.count, by: 2))
        let tokens = chosen.reduce(0) { $0 + Int(counts[$1]) }
        let start = try #require(try policy("start").heldOut)
        #expect(start.tokens == tokens && start.ratio == nil)
        near(
            start.perplexity.value, exp(-chosen.reduce(0) { $0 + reference.logprobs[$1] } / Double(tokens)),
            "perplexity")
        // The policy, by what training said of it.
        let last = try #require(try work.metrics("run/dpo/evaluation.jsonl").last)
        let preference = try #require(try policy("dpo").preference)
        near(preference.accuracy.value, last["test_accuracy"] as? Double, "accuracy")
        near(preference.margin.value, last["test_margin"] as? Double, "margin")
        #expect(preference.pairs == 6 && found.beta == 0.3)
        // Lengths and ends.
        let lengths = try #require(try policy("start").lengths)
        #expect(lengths.responses == 12 && lengths.atLimit == 0.5)
        #expect(try policy("chosen").lengths?.atLimit == nil)
        near(try policy("dpo").lengths?.tokens.value, 2, "\" oak\" is four bytes, an empty response none")
        // Corpora and divergence are there; their values are in `thePolicyItselfDoesNotDiffer`.
        #expect(found.corpora.map(\.texts) == [2] && found.policies[0].outOfDomain.count == 1)
        #expect(try policy("dpo").divergence?.responses == 6)
        for file in try #require(try Durable.files(in: work.path("run/evaluate"))) where file.hasSuffix(".h5") {
            #expect(try CommandRunner.run("rdo", ["verify", file]).status == 0, "\(file)")
        }
    }

    private func secondStartSaysItAgain(_ work: Workspace) throws {
        let first = try work.rdo(["evaluate"], ranks: 2, set: settings(work))
        #expect(first.error.contains("evaluate: complete and unchanged"), "\(first.error)")
        #expect(first.output.contains("dpo against start") && first.output.contains("at equal length"))
    }

    private func newPolicyAloneIsComputed(_ work: Workspace) throws {
        let more = settings(work) + ["evaluate.policies.more=\(work.path("a.jsonl"))"]
        let result = try work.rdo(["evaluate"], ranks: 2, set: more)
        #expect(result.status == 0, "\(result.error)")
        #expect(result.error.contains("reward.reward.more "), "\(result.error)")
        #expect(result.error.contains("reward.reward.start.h5 is complete and unchanged"), "\(result.error)")
        #expect(try evaluation(work).policies.count == 5)
    }

    /// The same model and responses under two names: only ties, no divergence, nothing longer.
    @Test func thePolicyItselfDoesNotDiffer() throws {
        let work = try made()
        let own = "{responses: \(work.path("a.jsonl")), model: \(work.path("run/dpo/model"))}"
        let set =
            settings(work) + [
                "evaluate.policies=null", "evaluate.policies={one: \(own), two: \(own)}", "evaluate.compare=null",
                "evaluate.baseline=one",
            ]
        let result = try work.rdo(["evaluate"], ranks: 2, set: set)
        #expect(result.status == 0, "\(result.error)")
        let found = try evaluation(work)
        let (none, whole) = (Interval(value: 0, low: 0, high: 0), Interval(value: 1, low: 1, high: 1))
        let comparison = try #require(found.comparisons.first)
        #expect(comparison.policy == "two" && comparison.against == "one" && comparison.lengthDifference == none)
        #expect(comparison.judgements.count == 2)
        for judgement in comparison.judgements {
            #expect(
                judgement.tie == whole && judgement.margin == none && judgement.win == none && judgement.lose == none)
            #expect(judgement.lengthControlledWinRate == Interval(value: 0.5, low: 0.5, high: 0.5))
        }
        let two = try #require(found.policies.last)
        #expect(two.divergence?.perResponse == none && two.divergence?.perToken == none)
        #expect(two.heldOut?.ratio == whole && two.outOfDomain.first?.likelihood.ratio == whole)
        #expect(two.preference?.margin == none && found.policies[0].preference == nil)
        // Tokens of bytes: 40 × 13 + 3, in pieces of at most 199, none of them lost.
        #expect(two.outOfDomain.first?.likelihood.tokens == 523)
    }

    @Test func mistakesAreSaid() throws {
        let work = try made()
        func fails(_ more: [String], code: Int32, _ mentions: String...) throws {
            let result = try work.rdo(["evaluate"], ranks: 2, set: settings(work) + more, timeout: 120)
            #expect(result.status == code, "\(more): \(result.error)")
            let lines = result.error.split(separator: "\n").filter { $0.hasPrefix("rdo: error:") }
            #expect(lines.count == 1 && mentions.allSatisfy(lines[0].contains), "\(result.error)")
        }
        let text = try String(contentsOfFile: work.path("b.jsonl"), encoding: .utf8)
        let lines = text.split(separator: "\n")
        try work.directory.write(lines.dropFirst().joined(separator: "\n"), to: "less.jsonl")
        try fails(
            ["evaluate.policies.dpo.responses=\(work.path("less.jsonl"))"], code: 3, "less.jsonl", "1 of 6 queries",
            "a.jsonl:6")
        try work.directory.write(text + rows(["another"]) { _ in [" fir"] }, to: "longer.jsonl")
        try fails(
            ["evaluate.policies.dpo.responses=\(work.path("longer.jsonl"))"], code: 3, "1 of 7 queries",
            "longer.jsonl:7")
        try work.directory.write(text + "{\"query\": \"x\", \"responses\": [\"y\"], \"ends\": []}\n", to: "bad.jsonl")
        try fails(
            ["evaluate.policies.dpo.responses=\(work.path("bad.jsonl"))"], code: 3, "bad.jsonl:7", "differ in number")
        try fails(["evaluate.policies.dpo.responses=\(work.path("none.jsonl"))"], code: 3, "none.jsonl")
        try fails(["evaluate.scorers.reward=\(work.path("nowhere"))"], code: 4, "nowhere")
        try fails(
            ["evaluate.scorers.reward=\(work.path("run/initial-model"))"], code: 4, "no score.weight", "scorers.reward")
        try fails(["evaluate.scorers.reward.kind=difference"], code: 4, "the pass reward made this model")
        try fails(["evaluate.policies=null"], code: 2, "no policy with responses")
        try fails(["data.test=[]"], code: 2, "data.test is empty")
        // A tokenizer that differs in a byte is another one.
        let other = work.path("other")
        try FileManager.default.copyItem(atPath: work.path("run/dpo/model"), toPath: other)
        try (work.bytes("other/tokenizer.json") + Data("\n".utf8)).write(
            to: URL(fileURLWithPath: other + "/tokenizer.json"))
        try fails(["evaluate.policies.dpo.model=\(other)"], code: 4, "its tokenizer is not the policy's", "other")
        try work.directory.write("{}", to: "run/evaluation.json")
        try fails([], code: 4, "evaluation.json", "no evaluation")
    }
}
