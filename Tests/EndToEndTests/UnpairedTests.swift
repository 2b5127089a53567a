import Foundation
import Storage
import TestSupport
import Testing

/// KTO on pairs and labelled responses, through the whole program.
@Suite(.serialized) struct UnpairedTests {
    /// Labelled responses; the first three rows share a prompt.
    private static func labelled(_ count: Int) -> String {
        (0..<count).map { index in
            let query = index < 3 ? 0 : index
            let word = ["ash", "birch", "cedar", "elm"][query % 4]
            let isDesirable = index % 3 != 0
            return
                #"{"prompt": "say \#(word) (\#(query))", "completion": " \#(isDesirable ? word : "no") \#(index)", "label": \#(isDesirable)}"#
        }.joined(separator: "\n") + "\n"
    }

    private static let section = """
        kto: { steps: 6, batch_size: 8, micro_batches: 8, learning_rate: 1e-3, checkpoint_every: 3 }
        """

    @Test func knowsItsBaselineOnAnyRanks() throws {
        let work = try Workspace()
        try work.writeConfiguration(Self.section)
        let set = ["passes=[difference, score, reference, kto]", "difference.steps=2"]
        var first: (weights: Data, baselines: [Double])?
        for ranks in [1, 2, 4] {
            _ = try work.succeeds(set, output: "r\(ranks)", ranks: ranks)
            let found = (
                weights: try work.bytes("r\(ranks)/kto/model/model.safetensors"),
                baselines: try work.metrics("r\(ranks)/kto/metrics.jsonl").compactMap { $0["kto_baseline"] as? Double }
            )
            #expect(found.baselines.count == 6 && found.baselines.allSatisfy { $0 >= 0 })
            #expect(first == nil || first?.weights == found.weights)
            #expect(first == nil || first?.baselines == found.baselines)
            first = found
        }
        _ = try work.succeeds(set + ["kto.coefficients.alpha=0"], output: "zero", ranks: 2)
        _ = try work.succeeds(set + ["kto.coefficients.use=false"], output: "plain", ranks: 2)
        let plain = try work.bytes("plain/kto/model/model.safetensors")
        #expect(try work.bytes("zero/kto/model/model.safetensors") == plain)
        #expect(first?.weights != plain)
        // Policy and reference are one model at first: no divergence, and half of each weight.
        let start = try #require(try work.metrics("plain/kto/metrics.jsonl").first)
        #expect(abs((start["kto_baseline"] as? Double) ?? 1) < 1e-3)
        #expect(abs(((start["loss"] as? Double) ?? 0) - 0.5) < 1e-4)
    }

    @Test(arguments: [
        [], ["kto.kl_scope=micro", "kto.kl_pairing=rotated", "kto.micro_batches=4", "data.shuffle=false"],
    ])
    func labelledResponsesResumeExactly(_ extra: [String]) throws {
        let work = try Workspace()
        try work.writeConfiguration(Self.section)
        try work.directory.write(Self.labelled(25), to: "labelled.jsonl")
        let set =
            [
                "passes=[reference, kto]", "data.train=\(work.path("labelled.jsonl"))",
                "data.test=\(work.path("labelled.jsonl"))", "kto.coefficients.use=false", "kto.schedule=constant",
            ] + extra
        let whole = try work.succeeds(set, output: "whole", ranks: 2)
        // 16 desirable, 9 undesirable.
        #expect(whole.error.contains("kto.desirable_weight=0.75"), "\(whole.error)")
        // The combinations of more steps are added to the reference first.
        _ = try work.succeeds(set + ["kto.steps=4"], output: "parts", ranks: 1)
        _ = try work.succeeds(set, output: "parts", ranks: 4)
        #expect(try work.bytes("parts/kto/model/model.safetensors") == work.bytes("whole/kto/model/model.safetensors"))
        let rows = try work.metrics("whole/kto/metrics.jsonl")
        #expect(rows.count == 6 && rows.allSatisfy { ($0["desirable_share"] as? Double ?? 0) > 0 })
        let last = try #require(try work.metrics("whole/kto/evaluation.jsonl").last)
        #expect(last["test_kto_baseline"] is Double && last["test_margin"] is Double)
    }

    /// With the trace and the reference files another trainer can compute the same baselines.
    @Test func partnersAreTraced() throws {
        let work = try Workspace()
        try work.writeConfiguration(Self.section)
        try work.directory.write(Self.labelled(12), to: "labelled.jsonl")
        let trace = work.path("trace.jsonl")
        try work.succeeds(
            [
                "passes=[reference, kto]", "data.train=\(work.path("labelled.jsonl"))", "data.test=[]",
                "kto.coefficients.use=false", "kto.steps=2",
            ], output: "run", ranks: 2, arguments: ["--trace", trace])
        let steps = try work.metrics("trace.jsonl")
        #expect(steps.count == 2)
        for step in steps {
            let rows = try #require(step["rows"] as? [Int])
            let partners = try #require(step["partners"] as? [[[Int]]])
            #expect(partners.count == 8 && partners.allSatisfy { $0.count == 1 })
            for (row, partner) in zip(rows, partners.map { $0[0] }) {
                // The first three rows have one query.
                #expect(rows.contains(partner[0]) && max(partner[0], 2) != max(row, 2) && partner[1] == 0)
            }
            #expect((step["desirable"] as? [[Bool]])?.map { $0[0] } == rows.map { $0 % 3 != 0 })
            #expect(step["baseline_groups"] as? [Int] == Array(repeating: 0, count: 8))
        }
    }

    private static let realLabels = "data/llamafactory_kto_en/kto.jsonl"

    @Test(.enabled(if: Assets.has(StoriesRun.model, realLabels), "no assets"))
    func realLabelledResponsesTrain() throws {
        let (model, labelled) = (Assets.path(StoriesRun.model), Assets.path(Self.realLabels))
        let directory = try TemporaryDirectory()
        let config = try directory.write(
            """
            output: \(directory.path)/kto
            model: { path: \(model) }
            data: { train: \(labelled), max_tokens: 192, over_long: truncate, on_error: skip, limit: 24 }
            passes: [reference, kto]
            kto: { steps: 3, batch_size: 8, micro_batches: 8, learning_rate: 1e-4, coefficients: { use: false } }
            """, to: "kto.yaml")
        func train(_ output: String, ranks: Int, _ set: String...) throws -> (weights: Data, baselines: [String]) {
            let result = try CommandRunner.run(
                "rdo", ["run", config, "--set", "output=\(directory.path)/\(output)", "kto.schedule=constant"] + set,
                ranks: ranks)
            #expect(result.status == 0, "\(result.error)")
            let pass = "\(directory.path)/\(output)/kto"
            let metrics = try String(contentsOfFile: pass + "/metrics.jsonl", encoding: .utf8)
            let baselines = metrics.split(separator: "\n").compactMap { line in
                line.split(separator: ",").first { $0.contains("kto_baseline") }.map(String.init)
            }
            return (try Data(contentsOf: URL(fileURLWithPath: pass + "/model/model.safetensors")), baselines)
        }
        let whole = try train("kto", ranks: 4)
        #expect(whole.baselines.count == 3)
        for ranks in [1, 2] { #expect(try train("r\(ranks)", ranks: ranks) == whole) }
        // An epoch is three steps: the second run continues in the middle of it.
        _ = try train("parts", ranks: 2, "kto.steps=2")
        #expect(try train("parts", ranks: 4) == whole)
    }

    // MARK: - Bad input

    @Test func dataThatDoNotFit() throws {
        let work = try Workspace()
        try work.writeConfiguration(Self.section)
        try work.directory.write(
            #"{"query": "p", "responses": [" a", " b"], "scores": [1, 2]}"# + "\n", to: "lists.jsonl")
        try work.directory.write(Self.labelled(9), to: "labelled.jsonl")
        func train(_ name: String) -> [String] { ["data.train=\(work.path(name))", "data.test=[]"] }
        let plain = ["kto.coefficients.use=false"]
        try work.fails(train("lists.jsonl") + plain + ["passes=[reference, kto]"], code: 3, mentions: "is a list")
        for (label, kind) in [("true", "desirable"), ("false", "undesirable")] {
            try work.directory.write(
                (0..<9).map { #"{"prompt": "p\#($0)", "completion": " r\#($0)", "label": \#(label)}"# + "\n" }.joined(),
                to: "one.jsonl")
            try work.fails(
                train("one.jsonl") + plain + ["passes=[reference, kto]"], code: 3,
                mentions: "every response is \(kind)")
        }
        try work.directory.write(
            (0..<9).map { #"{"prompt": "p", "completion": " r\#($0)", "label": \#($0 % 2 == 0)}"# + "\n" }.joined(),
            to: "same.jsonl")
        try work.fails(
            train("same.jsonl") + plain + ["passes=[reference, kto]"], code: 3,
            mentions: "the batch of step 0 has no response to another query")
        // KTO without its combinations: the reference pass did not know of it.
        try work.fails(
            train("labelled.jsonl") + plain + ["passes=[kto]"], code: 4, mentions: "reference.h5")
        // Coefficients are of pairs.
        try work.fails(
            train("labelled.jsonl") + ["passes=[reference, kto]"], code: 2,
            mentions: "coefficients are for pairs")
    }
}
