import Foundation
import Storage
import TestSupport
import Testing

/// Every model reads the rows within its own limits and with its own EOS.
@Suite(.serialized) struct ReadingTests {
    /// Pairs that fit beside their query one by one, and not both in one input of 200 tokens.
    private static func long(_ count: Int, tail: (Int) -> (String, String)) -> String {
        (0..<count).map { row in
            let (chosen, rejected) = tail(row)
            return #"{"prompt": "say it (\#(row))", "chosen": "\#(chosen)", "rejected": "\#(rejected)"}"# + "\n"
        }.joined()
    }
    private static let same = String(repeating: "so ", count: 28)

    @Test func aRowThatOnlyTheDifferenceModelCannotUseEndsNoOtherPass() throws {
        let work = try Workspace(pairs: 16)
        try work.writeConfiguration()
        let bad = Self.long(1) { _ in (Self.same + "good", Self.same + "bad") }
        try work.directory.write(bad + Workspace.rows(15, seed: 1), to: "train.jsonl")
        let steps = ["sft.steps=1", "reward.steps=1", "difference.steps=1", "dpo.steps=1"]
        for passes in ["[sft, reference, dpo]", "[reward, score, reference, dpo]"] {
            let set = steps + ["passes=\(passes)", "score.scorer=reward"]
            let result = try work.rdo(
                ["run"], output: "fine", ranks: 2,
                set: set + (passes.contains("score") ? [] : ["dpo.coefficients.use=false"]))
            #expect(result.status == 0, "\(result.error)")
        }
        for command in [["train", "difference"], ["prepare"]] {
            let result = try work.rdo(command, output: "bad", set: steps + ["passes=[difference]"])
            #expect(result.status == 3 && result.error.contains("train.jsonl:1"), "\(result.error)")
        }
        // Left out, it is left out wherever its coefficient would be missed.
        let skipped = try work.rdo(["run"], output: "skipped", set: steps + ["data.on_error=skip"])
        #expect(skipped.status == 0, "\(skipped.error)")
        #expect(try CoefficientFile.read(work.path("skipped/coefficients.h5")).count == 15)
    }

    /// What the policy reads stays the same; the difference model's input is longer.
    @Test func theDifferenceModelsOwnInputsAreNoticed() throws {
        let work = try Workspace(pairs: 16)
        try work.writeConfiguration()
        try work.directory.write(
            Self.long(16) { ("\($0) yes " + Self.same, "\($0) no " + Self.same) }, to: "train.jsonl")
        let set = ["passes=[difference, score]", "difference.steps=1"]
        #expect(try work.rdo(["run"], set: set + ["data.max_tokens=200"]).status == 0)
        let before = try work.bytes("run/coefficients.h5")
        let same = try work.rdo(["run"], set: set + ["data.max_tokens=200"])
        #expect(same.error.contains("difference: complete and unchanged"), "\(same.error)")
        #expect(try work.bytes("run/coefficients.h5") == before)
        let raised = try work.rdo(["run"], ranks: 2, set: set + ["data.max_tokens=250"])
        #expect(raised.status == 0, "\(raised.error)")
        #expect(raised.error.contains("difference: training anew, because differences was"))
        #expect(try work.bytes("run/coefficients.h5") != before)
        // The same scorer, other inputs.
        let scored = try work.bytes("run/coefficients.h5")
        let again = ["score.model=\(work.path("run/difference/model"))", "data.max_tokens=200"]
        #expect(try work.rdo(["score"], set: again).status == 0)
        #expect(try work.bytes("run/coefficients.h5") != scored)
    }

    /// Training and held-out part of one file are two sets of prepared data.
    @Test func oneFileWithTwoLimits() throws {
        let work = try Workspace(pairs: 16)
        try work.writeConfiguration()
        let result = try work.rdo(
            ["run"], ranks: 2,
            set: [
                "data.test=\(work.path("train.jsonl"))", "data.limit=9", "data.test_limit=5", "score.data=both",
                "passes=[difference, score]", "difference.steps=1",
            ])
        #expect(result.status == 0, "\(result.error)")
        #expect(try CoefficientFile.read(work.path("run/coefficients.h5")).count == 9)
        #expect(try CoefficientFile.read(work.path("run/coefficients-test.h5")).count == 5)
    }

    /// A policy of fewer positions than its scorer, in one run.
    @Test func limitsDoNotLeakBetweenModels() throws {
        let work = try Workspace(pairs: 16)
        try work.writeConfiguration()
        try work.directory.write(
            Self.long(16) { ("\($0) yes " + Self.same, "\($0) no " + Self.same) }, to: "train.jsonl")
        let wide = ["passes=[prepare]", "model.init.max_positions=512"]
        #expect(try work.rdo(["run"], output: "wide", set: wide).status == 0)
        let set = [
            "passes=[reward, score, reference, kto]", "score.scorer=reward",
            "reward.model=\(work.path("wide/initial-model"))", "model.init.max_positions=64",
            "data.over_long=truncate", "data.max_tokens=200", "reward.steps=1", "kto.steps=1", "kto.batch_size=8",
        ]
        let result = try work.rdo(["run"], ranks: 2, set: set)
        #expect(result.status == 0, "\(result.error)")
        // A reference of fewer positions cannot read what the policy reads.
        let narrow = try work.rdo(
            ["reference"], output: "other",
            set: ["reference.model=\(work.path("run/initial-model"))", "model.init.max_positions=512"])
        #expect(narrow.status == 4 && narrow.error.contains("this model reads 64"), "\(narrow.error)")
    }

    /// The difference of a pair is that of the scorer's own EOS, whatever the policy's is.
    @Test func theScorerReadsWithItsOwnEOS() throws {
        let work = try Workspace(pairs: 16)
        try work.writeConfiguration()
        #expect(try work.rdo(["run"], set: ["passes=[prepare]"]).status == 0)
        let other = work.path("other")
        try FileManager.default.copyItem(atPath: work.path("run/initial-model"), toPath: other)
        let config = try String(contentsOfFile: other + "/config.json", encoding: .utf8)
        let eos = try #require(config.firstRange(of: /"eos_token_id" : \d+/))
        try config.replacingCharacters(in: eos, with: "\"eos_token_id\" : 256")
            .write(toFile: other + "/config.json", atomically: true, encoding: .utf8)
        let set = ["passes=[difference, score]", "difference.steps=2", "difference.model=\(other)"]
        #expect(try work.rdo(["run"], output: "apart", set: set).status == 0)
        let scorer = work.path("apart/difference/model")
        let alone = ["score.model=\(scorer)", "model.path=\(other)", "model.init=null", "model.tokenizer=null"]
        #expect(try work.rdo(["score"], output: "alike", set: alone).status == 0)
        let (apart, alike) = (
            try CoefficientFile.read(work.path("apart/coefficients.h5")),
            try CoefficientFile.read(work.path("alike/coefficients.h5"))
        )
        #expect(apart.keys != alike.keys)
        #expect(apart.differences == alike.differences && apart.reversed == alike.reversed)
    }
}
