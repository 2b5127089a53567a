import Foundation
import Storage
import TestSupport
import Testing

/// How scorers start, learn and are corrected, through the whole program.
@Suite(.serialized) struct ScorerTests {
    private static let model = "model/model.safetensors"
    private static let short = ["reward.steps=3", "reward.micro_batches=8", "difference.steps=3"]

    // MARK: - Training

    /// Both orders in the loss: other weights, the same on any ranks, figures of both orders, and no resuming across.
    @Test func bothOrdersAreTrained() throws {
        let work = try Workspace(pairs: 16)
        try work.writeConfiguration()
        let both = ["passes=[difference]", "difference.both_orders=true"] + Self.short
        for (output, ranks, set) in [
            ("plain", 0, ["passes=[difference]"] + Self.short), ("one", 0, both), ("two", 2, both),
        ] {
            let result = try work.rdo(["run"], output: output, ranks: ranks, set: set)
            #expect(result.status == 0, "\(result.error)")
        }
        #expect(try work.bytes("one/difference/" + Self.model) == work.bytes("two/difference/" + Self.model))
        #expect(try work.bytes("one/difference/" + Self.model) != work.bytes("plain/difference/" + Self.model))
        for output in ["plain", "one"] {
            let metrics = try work.metrics(output + "/difference/metrics.jsonl")
            #expect(metrics.count == 3 && metrics.allSatisfy { $0["accuracy_symmetric"] is Double })
            let evaluation = try work.metrics(output + "/difference/evaluation.jsonl").last
            #expect((evaluation?["test_accuracy_symmetric"] as? Double).map { (0...1).contains($0) } == true)
        }
        let other = try work.rdo(["run"], output: "plain", set: both)
        #expect(
            other.status == 0
                && other.error.contains("training anew, because difference.both_orders was false and is true"),
            "\(other.error)")
        #expect(try work.bytes("one/difference/" + Self.model) == work.bytes("plain/difference/" + Self.model))
    }

    /// `start: reward` is the reward model's body with a new head; its head is taken where a file or a model is named.
    @Test func aScorerStartsFromAnother() throws {
        let work = try Workspace(pairs: 16)
        try work.writeConfiguration()
        let passes = ["passes=[reward, difference]"] + Self.short
        func weights(_ output: String, _ set: [String]) throws -> Data {
            let result = try work.rdo(["run"], output: output, set: passes + set)
            try #require(result.status == 0, "\(result.error)")
            return try work.bytes(output + "/difference/" + Self.model)
        }
        let started = try weights("run", ["difference.start=reward"])
        let reward = work.path("run/reward/model")
        #expect(try weights("named", ["difference.model=\(reward)", "difference.head=new"]) == started)
        let kept = try weights("kept", ["difference.model=\(reward)"])
        #expect(kept != started)
        #expect(
            try weights("file", ["difference.start=reward", "difference.head=\(reward)/model.safetensors"]) == kept)
        #expect(try weights("base", ["difference.start=base"]) == weights("plain", []))
        #expect(try work.bytes("base/difference/" + Self.model) != started)

        // A reward model that is trained anew makes what started from it anew.
        let again = try work.rdo(["run"], set: passes + ["difference.start=reward", "reward.learning_rate=3e-3"])
        #expect(again.status == 0 && again.error.contains("training anew, because model was"), "\(again.error)")
        #expect(try work.bytes("run/difference/" + Self.model) != started)
        // The same directory with its head kept is another start.
        let head = try work.rdo(
            ["run"], output: "named", set: passes + ["difference.model=\(reward)", "reward.learning_rate=3e-3"])
        #expect(head.status == 0 && head.error.contains("training anew, because head was new"), "\(head.error)")
    }

    @Test func startsThatCannotBeAreRefused() throws {
        let work = try Workspace(pairs: 16)
        try work.writeConfiguration()
        for (set, message) in [
            (
                ["difference.start=reward", "difference.model=x"],
                "difference.start and difference.model are both given"
            ),
            (["difference.start=difference"], "difference.start is the pass itself"),
            (["passes=[difference, reward]", "difference.start=reward"], "which comes later in passes"),
            (["dpo.coefficients.calibrated=true", "dpo.coefficients.symmetric=false"], "calibrated needs symmetric"),
        ] {
            let result = try work.rdo(["run"], set: set)
            #expect(result.status == 2 && result.error.contains(message), "\(result.error)")
        }
        let absent = try work.rdo(["run"], set: ["passes=[difference]", "difference.start=reward"])
        #expect(absent.status == 4 && absent.error.contains("run/reward/model"), "\(absent.error)")
    }

    // MARK: - Correcting

    /// Both files state one calibration, fitted on the held-out pairs; scoring again changes nothing.
    @Test func scoringStatesTheCalibration() throws {
        let work = try Workspace(pairs: 16)
        try work.writeConfiguration()
        let set = ["difference.steps=3", "passes=[difference, score]"]
        func stated(_ name: String) throws -> ScorerCalibration? {
            try CoefficientFile.read(work.path("run/\(name).h5")).calibration
        }
        // Without held-out pairs how R follows length is all that can be said.
        #expect(try work.rdo(["run"], set: set).status == 0)
        let own = try #require(try stated("coefficients"))
        #expect(own.temperature == nil && own.lengthSlope != nil && own.pairs == 16)
        let scored = try work.rdo(["run"], ranks: 2, set: set + ["score.data=both"])
        #expect(scored.status == 0 && scored.error.contains("used on request"), "\(scored.error)")
        let heldOut = try #require(try stated("coefficients-test"))
        #expect(try stated("coefficients") == heldOut && heldOut.pairs == 4 && heldOut != own)
        #expect(heldOut.data == (try CoefficientFile.read(work.path("run/coefficients-test.h5")).provenance.dataDigest))
        let files = ["run/coefficients.h5", "run/coefficients-test.h5"]
        let before = try files.map(work.bytes)
        #expect(try work.rdo(["score"], set: set + ["score.data=both"]).status == 0)
        #expect(try files.map(work.bytes) == before)
    }

    /// A judge's file, calibrated by its held-out pairs: what training reads is R less length, divided by T, in the weights
    /// and in losses that read R, the same on any ranks.
    @Test func trainingReadsCorrectedDifferences() throws {
        let work = try Workspace(pairs: 48)
        try work.writeConfiguration()
        let prepared = try work.rdo(["run"], set: ["passes=[difference, reference]", "difference.steps=1"])
        try #require(prepared.status == 0, "\(prepared.error)")
        func rdo(_ arguments: String...) throws -> String {
            let result = try CommandRunner.run("rdo", arguments)
            try #require(result.status == 0, "\(result.error)")
            return result.output
        }
        for part in ["train", "test"] {
            let rows = try String(contentsOfFile: work.path(part + ".jsonl"), encoding: .utf8).split(separator: "\n")
            let judged = rows.enumerated().map {
                $1.dropLast() + ", \"strength\": \(Double($0 * 7 % 12) * 0.5 - 1.5)}\n"
            }
            try work.directory.write(judged.joined(), to: "judged-\(part).jsonl")
            _ = try rdo(
                "import", work.path("judged-\(part).jsonl"), "--out", work.path("raw-\(part).h5"), "--model",
                work.path("run/initial-model"), "--field", "strength", "--set", "data.max_tokens=200")
        }
        let (raw, judge) = (work.path("raw-train.h5"), work.path("judge.h5"))
        func train(_ output: String, ranks: Int = 0, file: String, _ set: [String]) throws -> ProcessResult {
            try work.rdo(
                ["train", "dpo"], output: output, ranks: ranks,
                set: [
                    "dpo.steps=3", "dpo.coefficients.file=\(file)", "dpo.model=\(work.path("run/initial-model"))",
                    "reference.file=\(work.path("run/reference.h5"))",
                ] + set)
        }
        let corrected = ["dpo.coefficients.calibrated=true", "dpo.coefficients.length_debiased=true"]
        let unknown = try train("unknown", file: raw, corrected)
        #expect(unknown.status == 4 && unknown.error.contains("raw-train.h5: the file states no length slope"))
        #expect(unknown.error.contains("rdo calibrate"), "\(unknown.error)")

        for (part, name) in [("train", "judge"), ("test", "judge-test")] {
            let said = try rdo(
                "calibrate", work.path("raw-\(part).h5"), "--on", work.path("raw-test.h5"), "--out",
                work.path(name + ".h5"))
            #expect(said.contains("temperature"))
        }
        let stated = try #require(try CoefficientFile.read(judge).calibration)
        let (t, slope) = (try #require(stated.debiasedTemperature), try #require(stated.lengthSlope))
        let inspected =
            try JSONSerialization.jsonObject(
                with: Data(rdo("inspect", work.path("judge-test.h5"), "--json").utf8)) as? [String: Any]
        let effect = (inspected?["coefficients"] as? [String: Any])?["calibration"] as? [String: Any]
        let shown = (effect?["stated"] as? [String: Any])?["temperature"] as? Double
        // Reading decimals may round the last bit.
        #expect(abs((shown ?? .nan) - (stated.temperature ?? .nan)) < 1e-12)
        #expect(effect?["calibration_error"] is Double && effect?["debiased"] is [String: Any])

        // The same file with the correction done beforehand, by its own columns.
        let rows = try rdo("export-pairs", judge, "--columns", "key,difference,label,first_tokens,second_tokens")
        let done = try rows.split(separator: "\n").map { line -> String in
            let row = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
            let excess = try #require(row["first_tokens"] as? Double) - (try #require(row["second_tokens"] as? Double))
            let r = (try #require(row["difference"] as? Double) - slope * excess) / t
            return "{\"key\": \"\(row["key"] ?? "")\", \"label\": 1, \"difference\": \(r)}\n"
        }
        try work.directory.write(done.joined(), to: "done.jsonl")
        _ = try rdo("import", work.path("done.jsonl"), "--out", work.path("done.h5"))
        let weighted = ["dpo.coefficients.disagreement=absolute"]
        for (output, ranks, file, set) in [
            ("asked", 0, judge, corrected), ("asked2", 2, judge, corrected), ("done", 0, work.path("done.h5"), []),
            ("plain", 0, judge, []),
        ] {
            let result = try train(output, ranks: ranks, file: file, weighted + set)
            #expect(result.status == 0, "\(result.error)")
        }
        #expect(try work.bytes("asked/dpo/" + Self.model) == work.bytes("asked2/dpo/" + Self.model))
        #expect(try work.bytes("asked/dpo/" + Self.model) != work.bytes("plain/dpo/" + Self.model))
        func losses(_ output: String) throws -> [Double] {
            try work.metrics(output + "/dpo/metrics.jsonl").compactMap { $0["loss"] as? Double }
        }
        // A file holds single precision.
        let (asked, beforehand, plain) = (try losses("asked"), try losses("done"), try losses("plain"))
        #expect(zip(asked, beforehand).allSatisfy { abs($0 - $1) < 1e-5 * abs($1) } && asked.count == 3)
        #expect(zip(asked, plain).contains { abs($0 - $1) > 1e-2 * abs($1) })

        // A loss that reads R, of held-out pairs too.
        let reading = try train("soft", file: judge, corrected + ["dpo.variant=soft", "dpo.coefficients.alpha=0"])
        #expect(reading.status == 0 && reading.error.contains("divided by \(t)"), "\(reading.error)")
        // Of one file a temperature is a common factor of all weights.
        let factor = try train(
            "factor", file: judge, ["dpo.coefficients.calibrated=true", "dpo.coefficients.denominator=weights"])
        #expect(factor.status == 0 && factor.error.contains("changes no weight"), "\(factor.error)")
    }
}
