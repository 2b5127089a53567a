import Foundation
import TestSupport
import Testing

/// R from the data themselves (`coefficients.column: margin`), through the whole program.
@Suite(.serialized) struct MarginTests {
    private static let weights = "dpo/model/model.safetensors"
    private static let set = [
        "passes=[reference, dpo]", "dpo.steps=2", "data.test=[]", "data.shuffle=false",
        "dpo.coefficients.column=margin",
    ]
    /// Exact in 32 bits, two of them against the label.
    private static let differences = (0..<16).map { Double($0 - 2) * 0.25 }

    /// The rows of the workspace with further fields.
    private func write(_ work: Workspace, _ name: String, _ fields: (Double) -> String) throws -> String {
        let rows = try String(contentsOfFile: work.path("train.jsonl"), encoding: .utf8).split(separator: "\n")
        let text = zip(rows, Self.differences).map { $0.dropLast() + ", \(fields($1))}\n" }.joined()
        return try work.directory.write(text, to: name)
    }

    private func work() throws -> Workspace {
        let work = try Workspace(pairs: 16)
        try work.writeConfiguration()
        return work
    }

    /// The same numbers as margins, as two scores, as two ratings and in a coefficient file.
    @Test func marginsAreWhatAFileSays() throws {
        let work = try work()
        let margins = try write(work, "margins.jsonl") { #""margin": \#($0)"# }
        let files = [
            "margins": margins,
            "scores": try write(work, "scores.jsonl") { #""score_chosen": \#($0 + 7), "score_rejected": 7"# },
            "ratings": try write(work, "ratings.jsonl") {
                #""chosen_rating": \#($0 / 2), "rejected_rating": \#(-$0 / 2)"#
            },
        ]
        for (output, file) in files {
            let result = try work.succeeds(
                Self.set + ["data.train=\(file)"], output: output, ranks: output == "scores" ? 2 : 0)
            #expect(result.error.contains("the rows' own margins"), "\(result.error)")
        }
        let trained = try work.bytes("margins/" + Self.weights)
        #expect(try work.bytes("scores/" + Self.weights) == trained)
        #expect(try work.bytes("ratings/" + Self.weights) == trained)

        let imported = try CommandRunner.run(
            "rdo",
            [
                "import", margins, "--field", "margin", "--out", work.path("margins.h5"), "--model",
                work.path("margins/initial-model"), "--set", "data.max_tokens=200",
            ])
        #expect(imported.status == 0, "\(imported.error)")
        let ignoring = ["data.train=\(margins)", "dpo.coefficients.column=ignore"]
        try work.succeeds(
            Self.set + ignoring + ["dpo.coefficients.file=\(work.path("margins.h5"))"], output: "file", ranks: 0)
        #expect(try work.bytes("file/" + Self.weights) == trained)
        try work.succeeds(Self.set + ignoring + ["dpo.coefficients.use=false"], output: "plain", ranks: 0)
        #expect(try work.bytes("plain/" + Self.weights) != trained)
    }

    /// Weight R^alpha, 0 where R contradicts the label.
    @Test func thePowerIsApplied() throws {
        let work = try work()
        let margins = try write(work, "margins.jsonl") { #""margin": \#($0)"# }
        for (alpha, disagreement) in [(0.5, "zero"), (2, "absolute")] {
            let trace = work.path("trace-\(alpha).jsonl")
            try work.succeeds(
                Self.set + [
                    "data.train=\(margins)", "dpo.coefficients.alpha=\(alpha)",
                    "dpo.coefficients.disagreement=\(disagreement)",
                ], output: "alpha-\(alpha)", ranks: 0, arguments: ["--trace", trace])
            let steps = try work.metrics("trace-\(alpha).jsonl")
            #expect(steps.count == 2)
            for step in steps {
                let rows = try #require(step["rows"] as? [Int])
                let found = try #require(step["coefficients"] as? [NSNumber]).map(\.doubleValue)
                let expected = rows.map { row in
                    let difference = Self.differences[row]
                    return difference < 0 && disagreement == "zero" ? 0 : pow(abs(difference), alpha)
                }
                #expect(zip(found, expected).allSatisfy { abs($0 - $1) < 1e-6 }, "\(found) \(expected)")
            }
        }
    }

    /// Of a list the scores say it, with no scorer and no file.
    @Test func listsHaveTheDifferencesOfTheirScores() throws {
        let work = try work()
        let lists = (0..<8).map {
            #"{"query": "say \#($0)", "responses": ["a \#($0)", "b \#($0)", "c \#($0)"], "scores": [1, 3.5, 3]}"# + "\n"
        }
        let file = try work.directory.write(lists.joined(), to: "lists.jsonl")
        try work.succeeds(
            Self.set + ["data.train=\(file)", "data.pairs_per_list=3", "dpo.coefficients.alpha=1"], output: "lists",
            ranks: 2, arguments: ["--trace", work.path("trace.jsonl")])
        let weights = try work.metrics("trace.jsonl").flatMap { try #require($0["coefficients"] as? [Double]) }
        #expect(weights.count == 16 && Set(weights).isSubset(of: [0.5, 2, 2.5]) && Set(weights).count > 1)
    }

    @Test func whatHasNoMarginIsRefused() throws {
        let work = try work()
        let set = Self.set + ["dpo.steps=1"]
        try work.fails(set, code: 3, mentions: "row 1 does not say how much better its response is")
        let words = try write(work, "words.jsonl") { #""margin": "\#($0)""# }
        try work.fails(set + ["data.train=\(words)"], code: 3, mentions: "row 1 does not say")
        let half = try write(work, "half.jsonl") { #""score_chosen": \#($0)"# }
        try work.fails(set + ["data.train=\(half)"], code: 3, mentions: "row 1 does not say")
        let margins = try write(work, "margins.jsonl") { #""margin": \#($0)"# }
        for key in ["calibrated", "length_debiased"] {
            try work.fails(
                set + ["data.train=\(margins)", "dpo.coefficients.\(key)=true"], code: 2,
                mentions: "are for files, not for the rows' own margins")
        }
    }
}
