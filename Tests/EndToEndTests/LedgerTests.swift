import Coding
import Foundation
import Storage
import TestSupport
import Testing

/// What training notes of each pair, through the whole program.
@Suite(.serialized) struct LedgerTests {
    private static let section = """
        rrhf: { steps: 6, batch_size: 8, micro_batches: 8, learning_rate: 1e-3, checkpoint_every: 2 }
        kto: { steps: 6, batch_size: 8, micro_batches: 8, learning_rate: 1e-3, checkpoint_every: 2 }
        """

    /// 17 lists of two to four responses; every fifth has equal scores.
    private static let lists =
        (0..<17).map { index in
            let word = ["ash", "birch", "cedar", "elm"][index % 4]
            let responses = (0..<(2 + index % 3)).map { "\" \(word) \(String(repeating: "so ", count: $0))\($0)\"" }
            let scores = responses.indices.map { index % 5 == 4 ? "1" : String(($0 * 7 + index) % 5) }
            return
                #"{"query": "say \#(word) (\#(index))", "responses": [\#(responses.joined(separator: ","))], "scores": [\#(scores.joined(separator: ","))]}"#
        }.joined(separator: "\n") + "\n"

    /// A workspace with coefficients and references of `train.jsonl`, or for lists coefficients of `lists.jsonl`.
    private static func prepared(_ pass: String) throws -> (work: Workspace, set: [String]) {
        let work = try Workspace(pairs: 20)
        try work.writeConfiguration(section)
        try work.directory.write(lists, to: "lists.jsonl")
        let data =
            pass == "rrhf" ? ["data.train=\(work.path("lists.jsonl"))", "data.test=\(work.path("lists.jsonl"))"] : []
        let set =
            data + ["difference.steps=4", "\(pass).schedule=constant", "\(pass).steps=6", "dpo.checkpoint_every=2"]
        let passes = pass == "rrhf" ? "[difference, score]" : "[difference, score, reference, \(pass)]"
        // The reference pass must know of KTO's batches, so the pass itself belongs to the preparation.
        try work.succeeds(set + ["passes=\(passes)", "\(pass).steps=6"], output: "base", ranks: 2)
        return (
            work,
            set + [
                "passes=[\(pass)]", "score.file=\(work.path("base/coefficients.h5"))",
                "reference.file=\(work.path("base/reference.h5"))",
            ]
        )
    }

    private static func read(_ work: Workspace, _ output: String, _ pass: String) throws -> LedgerFile {
        try LedgerFile.read(work.path("\(output)/\(pass)/ledger.h5"))
    }

    @Test(arguments: ["dpo", "rrhf", "kto"]) func isTheSameOnAnyRanksAndChangesNothing(_ pass: String) throws {
        let (work, set) = try Self.prepared(pass)
        try work.succeeds(set, output: "off", ranks: 1)
        let weights = try work.bytes("off/\(pass)/model/model.safetensors")
        #expect(!FileManager.default.fileExists(atPath: work.path("off/\(pass)/ledger.h5")))
        let on = set + ["\(pass).ledger=true"]
        var first: LedgerFile?
        for ranks in [1, 2, 4] {
            try work.succeeds(on, output: "r\(ranks)", ranks: ranks)
            #expect(try work.bytes("r\(ranks)/\(pass)/model/model.safetensors") == weights)
            let file = try Self.read(work, "r\(ranks)", pass)
            #expect(file.pass == pass && file.header.worldSize == ranks)
            #expect(file.steps.first == 0 && file.steps.last == 5 && Set(file.steps).count == 6)
            #expect(first == nil || first?.steps == file.steps && first?.visits == file.visits)
            first = file
        }
        func losses(_ output: String) throws -> [Double] {
            try work.metrics("\(output)/\(pass)/metrics.jsonl").compactMap { $0["loss"] as? Double }
        }
        #expect(try losses("off") == losses("r4"))
        // Every key is one of the coefficient file.
        let known = Set(try CoefficientFile.read(work.path("base/coefficients.h5")).keys)
        let whole = try #require(first)
        #expect(whole.visits.allSatisfy { known.contains($0.key) } && whole.count >= 48)
        #expect(Set(whole.visits.map(\.coefficient)).count > 5)

        // Stops and other numbers of ranks in between.
        for (steps, ranks) in [(2, 2), (3, 4), (6, 1)] {
            try work.succeeds(on + ["\(pass).steps=\(steps)"], output: "parts", ranks: ranks)
        }
        #expect(try Self.read(work, "parts", pass).visits == whole.visits)
        // Done again from the middle: what was noted after it goes.
        let middle = work.path("r4/\(pass)/checkpoints/step-00000004")
        try work.succeeds(on, output: "parts", ranks: 2, arguments: ["--resume", middle])
        #expect(try Self.read(work, "parts", pass).visits == whole.visits)
        try work.succeeds(on + ["\(pass).steps=1"], output: "parts", ranks: 2, arguments: ["--resume", "never"])
        #expect(
            try Self.read(work, "parts", pass).visits
                == Array(zip(whole.steps, whole.visits).filter { $0.0 == 0 }.map(\.1)))
        // Without a ledger nothing of the former run stays.
        try work.succeeds(set + ["\(pass).steps=1"], output: "parts", ranks: 2, arguments: ["--resume", "never"])
        #expect(!FileManager.default.fileExists(atPath: work.path("parts/\(pass)/ledger.h5")))
    }

    // MARK: - The numbers

    private func sigmoid(_ x: Double) -> Double { 1 / (1 + exp(-x)) }
    private func softplus(_ x: Double) -> Double { max(x, 0) + log1p(exp(-abs(x))) }

    private func numbers(_ object: [String: Any], _ name: String) throws -> [Double] {
        try #require((object[name] as? [NSNumber])?.map(\.doubleValue), "\(name) is missing")
    }

    private func lists(_ object: [String: Any], _ name: String) throws -> [[Double]] {
        try #require((object[name] as? [[NSNumber]])?.map { $0.map(\.doubleValue) }, "\(name) is missing")
    }

    /// Places, margin, loss and gradient scale of one visit, from the trace alone.
    private struct Expected {
        var row: Int
        var better: Int?
        var worse: Int?
        var coefficient: Double
        var margin: Double
        var loss: Double
        var gradientScale: Double
    }

    private func expectedDPO(_ step: [String: Any]) throws -> [Expected] {
        let rows = try numbers(step, "rows")
        let weights = try numbers(step, "coefficients")
        let flipped = try #require(step["flipped"] as? [Bool])
        let chosen = zip(try numbers(step, "logps_chosen"), try numbers(step, "reference_chosen")).map { $0 - $1 }
        let rejected = zip(try numbers(step, "logps_rejected"), try numbers(step, "reference_rejected")).map { $0 - $1 }
        return rows.indices.map { i in
            let margin = 0.1 * (chosen[i] - rejected[i]) * (flipped[i] ? -1 : 1)
            return Expected(
                row: Int(rows[i]), better: flipped[i] ? 1 : 0, worse: flipped[i] ? 0 : 1, coefficient: weights[i],
                margin: margin, loss: weights[i] * softplus(-margin),
                gradientScale: weights[i] * 0.1 * sigmoid(-margin) / 8)
        }
    }

    private func expectedRRHF(_ step: [String: Any]) throws -> [Expected] {
        let rows = try numbers(step, "rows")
        let pairs = try #require(step["pairs"] as? [[[Int]]])
        let (weights, sums) = (try lists(step, "coefficients"), try lists(step, "logps"))
        let tokens = try lists(step, "tokens")
        return rows.indices.flatMap { i in
            pairs[i].indices.map { p in
                let (better, worse) = (pairs[i][p][0], pairs[i][p][1])
                let margin = sums[i][better] / tokens[i][better] - sums[i][worse] / tokens[i][worse]
                let scale = margin < 0 ? weights[i][p] * (1 / tokens[i][better] + 1 / tokens[i][worse]) / 2 / 8 : 0
                return Expected(
                    row: Int(rows[i]), better: better, worse: worse, coefficient: weights[i][p], margin: margin,
                    loss: weights[i][p] * max(0, -margin), gradientScale: scale)
            }
        }
    }

    private func expectedKTO(_ step: [String: Any], baseline: Double) throws -> [Expected] {
        let rows = try numbers(step, "rows")
        let desirable = try #require(step["desirable"] as? [[Bool]])
        let weights = try numbers(step, "coefficients")
        let (sums, references) = (try lists(step, "logps"), try lists(step, "reference"))
        return rows.indices.flatMap { i in
            sums[i].indices.map { k in
                let sign: Double = desirable[i][k] ? 1 : -1
                let margin = sign * 0.1 * (sums[i][k] - references[i][k] - baseline)
                return Expected(
                    row: Int(rows[i]), better: desirable[i][k] ? k : nil, worse: desirable[i][k] ? nil : k,
                    coefficient: weights[i], margin: margin, loss: weights[i] * (1 - sigmoid(margin)),
                    gradientScale: weights[i] * 0.1 * sigmoid(margin) * sigmoid(-margin) / 16)
            }
        }
    }

    @Test(arguments: ["dpo", "rrhf", "kto"]) func numbersFollowFromTheTrace(_ pass: String) throws {
        let (work, set) = try Self.prepared(pass)
        try work.succeeds(
            set + ["\(pass).ledger=true", "\(pass).coefficients.disagreement=flip"], output: "run", ranks: 2,
            arguments: ["--trace", work.path("trace.jsonl")])
        let (trace, metrics) = (try work.metrics("trace.jsonl"), try work.metrics("run/\(pass)/metrics.jsonl"))
        let file = try Self.read(work, "run", pass)
        #expect(trace.count == 6 && metrics.count == 6)
        var seen = 0
        for (number, (step, recorded)) in zip(trace, metrics).enumerated() {
            let expected =
                switch pass {
                case "dpo": try expectedDPO(step)
                case "rrhf": try expectedRRHF(step)
                default: try expectedKTO(step, baseline: try #require(recorded["kto_baseline"] as? Double))
                }
            let found = zip(file.steps, file.visits).filter { $0.0 == number }.map(\.1)
            #expect(found.count == expected.count)
            for (visit, expected) in zip(found, expected) {
                #expect(visit.row == expected.row && visit.better == expected.better && visit.worse == expected.worse)
                for (a, b) in [
                    (visit.coefficient, expected.coefficient), (visit.margin, expected.margin),
                    (visit.loss, expected.loss),
                    (visit.gradientScale, expected.gradientScale),
                ] { #expect(abs(a - b) <= 1e-9 * max(1, abs(b)), "\(a) \(b)") }
            }
            // And they add up to the figures of the step.
            let loss = found.reduce(0) { $0 + $1.loss } / (pass == "kto" ? 16 : 8)
            let figure = try #require(recorded[pass == "rrhf" ? "loss_ranking" : "loss"] as? Double)
            #expect(abs(loss - figure) < 1e-9)
            if pass == "dpo" {
                let margin = found.reduce(0) { $0 + $1.margin } / 8
                #expect(abs(margin - (recorded["margin"] as? Double ?? .nan)) < 1e-9)
            }
            seen += found.count
        }
        #expect(seen == file.count)
        #expect(pass != "dpo" || Set(file.visits.map(\.better)) == [0, 1], "some labels are turned round")
    }

    /// DPO on the pairs of lists names them as the scoring pass does.
    @Test func pairsOfListsJoin() throws {
        let (work, set) = try Self.prepared("rrhf")
        try work.succeeds(
            set + ["passes=[reference, dpo]", "data.test=[]", "dpo.steps=4", "dpo.ledger=true", "reference.file=null"],
            output: "run", ranks: 2)
        let known = Set(try CoefficientFile.read(work.path("base/coefficients.h5")).keys)
        let visits = try Self.read(work, "run", "dpo").visits
        let rows = Self.lists.split(separator: "\n")
        #expect(visits.count == 32 && visits.allSatisfy { known.contains($0.key) })
        #expect(visits.contains { $0.better ?? 0 > $0.worse ?? 0 } && visits.contains { $0.worse ?? 0 > 1 })
        for visit in visits {
            let row = try JSONSerialization.jsonObject(with: Data(rows[visit.row].utf8)) as? [String: Any]
            let scores = try #require(row?["scores"] as? [Double])
            #expect(scores[try #require(visit.better)] > scores[try #require(visit.worse)])
        }
    }

    // MARK: - Interruptions

    /// Killed at any moment, or asked to stop: the ledger goes on without a gap and without a step twice.
    @Test(arguments: [SIGKILL, SIGTERM]) func survives(_ signal: Int32) throws {
        let work = try Workspace()
        try work.writeConfiguration()
        let set = [
            "passes=[dpo]", "dpo.variant=simpo", "dpo.coefficients.use=false", "dpo.schedule=constant", "dpo.steps=60",
            "dpo.checkpoint_every=3", "dpo.ledger=true", "data.test=[]",
        ]
        try work.succeeds(set, output: "whole", ranks: 2)
        let metrics = work.path("parts/dpo/metrics.jsonl")
        for (lines, ranks) in [(10, 0), (25, 0), (60, 4)] {
            let result = try work.rdo(["run"], output: "parts", ranks: ranks, set: set) { process in
                guard lines < 60 else { return }
                while process.isRunning, ((try? work.metrics("parts/dpo/metrics.jsonl").count) ?? 0) < lines {
                    usleep(2000)
                }
                kill(process.processIdentifier, signal)
            }
            #expect(result.status == (lines == 60 ? 0 : signal == SIGKILL ? SIGKILL : 75), "\(result.error) \(metrics)")
            // Whatever was interrupted, a whole file is there.
            let steps = try Self.read(work, "parts", "dpo").steps
            #expect(steps.count % 8 == 0 && steps == steps.indices.map { $0 / 8 })
        }
        let (whole, parts) = (try Self.read(work, "whole", "dpo"), try Self.read(work, "parts", "dpo"))
        #expect(parts.steps == whole.steps && parts.visits == whole.visits && whole.count == 480)
    }

    @Test func switchedOnAndOff() throws {
        let work = try Workspace()
        try work.writeConfiguration()
        let set = [
            "passes=[dpo]", "dpo.variant=simpo", "dpo.coefficients.use=false", "dpo.schedule=constant", "data.test=[]",
        ]
        func run(_ steps: Int, _ ledger: Bool) throws -> (steps: [Int], error: String) {
            let result = try work.succeeds(
                set + ["dpo.steps=\(steps)", "dpo.ledger=\(ledger)"], output: "run", ranks: 2)
            let file = try? Self.read(work, "run", "dpo")
            return (Array(Set(file?.steps ?? [])).sorted(), result.error)
        }
        #expect(try run(2, false).steps == [])
        let late = try run(4, true)
        #expect(late.steps == [2, 3] && late.error.contains("the ledger begins at step 2"), "\(late.error)")
        #expect(try run(6, false).steps == [2, 3])
        let again = try run(8, true)
        #expect(again.steps == [2, 3, 6, 7] && !again.error.contains("the ledger begins"), "\(again.error)")
        // Complete: nothing to do, nothing is touched.
        let before = try work.bytes("run/dpo/ledger.h5")
        #expect(try run(8, true).steps == again.steps)
        #expect(try work.bytes("run/dpo/ledger.h5") == before)

        // Damage is found before a step is made, and going on without the file is possible.
        var bytes = before
        bytes[bytes.count / 2] ^= 1
        let file = URL(fileURLWithPath: work.path("run/dpo/ledger.h5"))
        try bytes.write(to: file)
        let damaged = try work.rdo(
            ["run"], output: "run", ranks: 2, set: set + ["dpo.steps=10", "dpo.ledger=true"])
        let errors = damaged.error.split(separator: "\n").filter { $0.contains("rdo: error:") }
        #expect(damaged.status == 4 && errors.count == 1, "\(damaged.error)")
        #expect(errors.first?.contains("move the file away") == true)
        try FileManager.default.removeItem(at: file)
        #expect(try run(10, true).steps == [8, 9])
    }

    // MARK: - Looking at it

    @Test func inspectShowsAPairsLife() throws {
        let work = try Workspace(pairs: 12)
        try work.writeConfiguration()
        try work.succeeds(["dpo.steps=6", "dpo.ledger=true", "difference.steps=2"], output: "run", ranks: 2)
        let path = work.path("run/dpo/ledger.h5")
        func inspect(_ arguments: [String]) throws -> ProcessResult {
            try CommandRunner.run("rdo", ["inspect"] + arguments)
        }
        func object(_ arguments: [String]) throws -> [String: Any] {
            let result = try inspect(arguments + ["--json"])
            #expect(result.status == 0, "\(result.error)")
            return try #require(JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any])
        }
        let file = try LedgerFile.read(path)
        let summary = try #require(try object([path, "--pairs", "3"])["ledger"] as? [String: Any])
        #expect(summary["visits"] as? Int == 48 && summary["pairs"] as? Int == 12 && summary["steps"] as? Int == 6)
        let strongest = try #require(summary["strongest"] as? [[String: Any]])
        #expect(strongest.count == 3)
        var totals: [ContentKey: Double] = [:]
        for visit in file.visits { totals[visit.key, default: 0] += visit.gradientScale }
        let best = try #require(totals.max { $0.value < $1.value })
        #expect(strongest[0]["key"] as? String == best.key.description)
        let key = try #require(strongest[0]["key"] as? String)
        #expect(try inspect([path, "--pairs", "1"]).output.contains(key))

        let life = try #require(try object([path, "--pair", key])["visits"] as? [[String: Any]])
        let own = zip(file.steps, file.visits).filter { $0.1.key == best.key }
        #expect(life.count == 4 && life.map { $0["step"] as? Int } == own.map(\.0))
        for (shown, visit) in zip(life, own.map(\.1)) {
            for (name, value) in [("margin", visit.margin), ("gradient_scale", visit.gradientScale)] {
                // Foundation's JSON reader may miss the last bit.
                #expect(abs((shown[name] as? Double ?? .nan) - value) <= 1e-15 * max(1, abs(value)))
            }
        }
        let text = try inspect([path, "--pair", key])
        #expect(text.status == 0 && text.output.split(separator: "\n").count == 6, "\(text.output)")
        #expect(try inspect([path, "--pair", String(key.prefix(12))]).output == text.output)
        #expect(try CommandRunner.run("rdo", ["verify", path]).status == 0)

        let coefficients = work.path("run/coefficients.h5")
        let firsts = Dictionary(grouping: totals.keys) { $0.description.prefix(1) }
        let shared = firsts.first { $0.value.count > 1 }.map { String($0.key) }
        for (arguments, mentions) in [
            ([path, "--pair", "nothing"], "--pair nothing is no key"),
            ([path, "--pair", String(key.dropLast()) + (key.hasSuffix("0") ? "1" : "0")], "nearest: \(key)"),
            ([coefficients, "--pair", key], "--pair is for ledgers, and the kind of this file is coefficients"),
        ] + (shared.map { [([path, "--pair", $0], "keys begin with \($0)")] } ?? []) {
            let result = try inspect(arguments)
            #expect(result.status == 2 && result.error.contains(mentions), "\(result.error)")
            #expect(result.error.split(separator: "\n").count == 1)
        }
        #expect(try inspect([work.path("none.h5"), "--pair", key]).status == 4)
    }
}
