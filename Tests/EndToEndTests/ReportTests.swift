import Foundation
import TestSupport
import Testing

/// A page of real runs: what is in it, and what a browser makes of it.
@Suite(.serialized) struct ReportTests {
    /// Rows whose texts would run if they were taken for HTML: the page's own function for failures is called then.
    private static func hostile(_ rows: String) -> String {
        rows.replacing(#""prompt": ""#, with: #""prompt": "<script>showFailure(1)</script>"#)
            .replacing(#""chosen": ""#, with: #""chosen": "</script><img src=x onerror=showFailure(2)>"#)
            + #"{"prompt": "say <!--<script>", "chosen": " & {{nonce}} \u2028", "rejected": " &lt;b&gt;"}"# + "\n"
    }

    /// Chart.js's interface, for machines without it: it keeps what it is asked to draw.
    private static let stand = """
        /*! Chart.js v3.9.1 */
        class Chart { constructor(canvas, it) { this.data = it.data; } update() {} destroy() {} }
        """

    private struct Made {
        let work: Workspace
        /// Arguments that name a chart library.
        let library: [String]
    }

    /// Two runs of five steps with a ledger, and the system's chart library or one of the same interface.
    private func made() throws -> Made {
        let work = try Workspace(pairs: 24)
        try work.writeConfiguration()
        let rows = try String(contentsOfFile: work.path("train.jsonl"), encoding: .utf8)
        try work.directory.write(Self.hostile(rows), to: "train.jsonl")
        for (output, beta) in [("one", "0.1"), ("two", "0.5")] {
            let result = try work.rdo(
                ["run"], output: output, ranks: 2,
                set: [
                    "difference.steps=5", "dpo.steps=5", "dpo.ledger=true", "dpo.evaluate_every=2", "dpo.beta=\(beta)",
                ])
            #expect(result.status == 0, "\(result.error)")
        }
        let hasLibrary = Self.systemLibrary != nil
        if !hasLibrary { try work.directory.write(Self.stand, to: "chart.min.js") }
        return Made(work: work, library: hasLibrary ? [] : ["--chart-library", work.path("chart.min.js")])
    }

    private static let systemLibrary = ["/usr/share/javascript/chart.js/chart.min.js"].first {
        FileManager.default.fileExists(atPath: $0)
    }

    /// The data within a page.
    private func content(_ path: String) throws -> [String: Any] {
        let html = try String(contentsOfFile: path, encoding: .utf8)
        let start = try #require(html.range(of: #"<script type="application/json" id="content">"#))
        let end = try #require(html.range(of: "</script>", range: start.upperBound..<html.endIndex))
        let json = html[start.upperBound..<end.lowerBound]
        return try #require(try JSONSerialization.jsonObject(with: Data(json.utf8)) as? [String: Any])
    }

    @Test func twoRunsMakePages() throws {
        let made = try made()
        try browserDrawsAllCharts(made)
        try browserShowsFailures(made)
        for file in ["coefficients.h5", "reference.h5", "dpo/ledger.h5", "dpo/checkpoints/step-00000005"] {
            try inspectMakesTheSamePage(made, file)
        }
        try pageHoldsWhatRunsLeft(made)
    }

    /// Two runs' evaluations under the same names, one of them with another scorer.
    @Test func evaluationsAreShown() throws {
        let work = try Workspace(pairs: 8)
        try work.writeConfiguration()
        let hasLibrary = Self.systemLibrary != nil
        if !hasLibrary { try work.directory.write(Self.stand, to: "chart.min.js") }
        for (output, scorers) in [("one", ["difference"]), ("two", ["difference", "other"])] {
            let trained = try work.rdo(["run"], output: output, set: ["passes=[difference]", "difference.steps=1"])
            #expect(trained.status == 0, "\(trained.error)")
            let model = work.path(output + "/difference/model")
            let set = [
                "evaluate.policies.chosen={responses: chosen, model: \(work.path(output + "/initial-model"))}",
                "evaluate.policies.rejected={responses: rejected, model: \(work.path(output + "/initial-model"))}",
                "evaluate.bootstrap=20",
            ]
            let result = try work.rdo(
                ["evaluate"], output: output, set: set + scorers.map { "evaluate.scorers.\($0)=\(model)" })
            #expect(result.status == 0, "\(result.error)")
        }
        let page = work.path("report.html")
        let library = hasLibrary ? [] : ["--chart-library", work.path("chart.min.js")]
        let made = try CommandRunner.run(
            "rdo", ["report", work.path("one"), work.path("two"), "--out", page] + library)
        #expect(made.status == 0, "\(made.error)")
        let runs = try #require(try content(page)["runs"] as? [[String: Any]])
        let evaluations = try runs.map { try #require($0["evaluation"] as? [String: Any]) }
        #expect(evaluations.map { ($0["scorers"] as? [Any])?.count } == [1, 2])
        let comparisons = try #require(evaluations[1]["comparisons"] as? [[String: Any]])
        let judgements = try #require(comparisons.first?["judgements"] as? [[String: Any]])
        let rate = try #require(judgements.first?["win_rate"] as? [String: Double])
        #expect(Set(rate.keys) == ["value", "low", "high"])
        try open(page)
        guard let browser = Browser.path, hasLibrary else { return }
        let document = try Browser.open(page, fragment: "all", in: browser).document
        #expect(document.contains(#"<h2 id="evaluation">"#) && document.contains("Win rate at equal length"))
        #expect(document.contains("rejected over chosen") && document.contains("two: other"))
        // What is no evaluation is not taken for one.
        try work.directory.write("{}", to: "one/evaluation.json")
        let refused = try CommandRunner.run("rdo", ["report", work.path("one"), "--out", page] + library)
        #expect(refused.status == 4 && refused.error.contains("no evaluation"), "\(refused.error)")
    }

    private func pageHoldsWhatRunsLeft(_ made: Made) throws {
        let (work, page) = (made.work, made.work.path("report.html"))
        // A run that was killed while it wrote.
        let metrics = work.path("two/dpo/metrics.jsonl")
        let whole = try Data(contentsOf: URL(fileURLWithPath: metrics))
        try whole.dropLast(40).write(to: URL(fileURLWithPath: metrics))

        let arguments = ["report", work.path("one"), work.path("two"), "--out", page, "--pairs", "4"] + made.library
        let result = try CommandRunner.run("rdo", arguments)
        #expect(result.status == 0, "\(result.error)")
        #expect(result.output.hasPrefix(page + ": "))
        #expect(result.error.contains("metrics.jsonl:5: left out, cut off"), "\(result.error)")

        let content = try content(page)
        let runs = try #require(content["runs"] as? [[String: Any]])
        #expect(runs.map { $0["name"] as? String } == ["one", "two"])
        let differences = try #require(content["differences"] as? [[String: Any]])
        #expect(differences.map { $0["key"] as? String } == ["dpo.beta"])
        #expect((content["notes"] as? [String])?.count == 1)
        for (run, steps) in zip(runs, [5, 4]) {
            let passes = try #require(run["passes"] as? [[String: Any]])
            #expect(passes.map { $0["name"] as? String } == ["difference", "score", "reference", "dpo"])
            #expect(passes.allSatisfy { $0["is_complete"] as? Bool == true })
            let training = try #require(passes[3]["training"] as? [String: Any])
            #expect(training["lines"] as? Int == steps)
            // The figures of the file, to six digits.
            let curves = try #require(training["curves"] as? [[String: Any]])
            let loss = try #require(curves.first { $0["name"] as? String == "loss" }?["values"] as? [Double])
            let recorded = try Data(
                contentsOf: URL(fileURLWithPath: work.path("\(run["name"] ?? "")/dpo/metrics.jsonl")))
            let lines = recorded.split(separator: UInt8(ascii: "\n")).prefix(steps)
            for (shown, line) in zip(loss, lines) {
                let object = try #require(try JSONSerialization.jsonObject(with: line) as? [String: Any])
                let written = try #require(object["loss"] as? Double)
                #expect(abs(shown - written) <= 1e-5 * abs(written))
            }
            #expect(loss.count == steps)
            let evaluation = try #require(passes[3]["evaluation"] as? [String: Any])
            #expect((evaluation["test_data"] as? [String])?.count == 1)
            let artefacts = try #require(run["artefacts"] as? [[String: Any]])
            let files = artefacts.compactMap { $0["file"] as? String }
            for file in [
                "coefficients.h5", "reference.h5", "dpo/ledger.h5", "dpo/model", "dpo/checkpoints/step-00000005",
            ] {
                #expect(files.contains(file), "\(file)")
            }
        }
        let artefacts = try #require(runs[0]["artefacts"] as? [[String: Any]])
        let ledger = artefacts.compactMap { ($0["summary"] as? [String: Any])?["ledger"] as? [String: Any] }
        // The pairs of the ledger are those of the coefficients beside it.
        #expect(ledger.count == 1 && ledger[0]["joined_pairs"] as? Int == ledger[0]["pairs"] as? Int)
        let summary = (artefacts[0]["summary"] as? [String: Any])?["coefficients"] as? [String: Any]
        let browsed = try #require(summary?["browsed"] as? [String: Any])
        #expect(browsed["total"] as? Int == 25)
        try pairsAreThoseOfInspect(browsed, work.path("one/coefficients.h5"))

        // Again in its own place; nothing else is replaced.
        #expect(try CommandRunner.run("rdo", arguments).status == 0)
        try work.directory.write("precious", to: "report.html")
        #expect(try CommandRunner.run("rdo", arguments).status == 2)
        #expect(try work.bytes("report.html") == Data("precious".utf8))
        let noLibrary = try CommandRunner.run(
            "rdo", ["report", work.path("one"), "--out", work.path("x.html"), "--chart-library", work.path("none.js")])
        #expect(noLibrary.status == 2 && noLibrary.error.contains("libjs-chart.js"), "\(noLibrary.error)")
        #expect(!FileManager.default.fileExists(atPath: work.path("x.html")))
        let nothing = try CommandRunner.run(
            "rdo", ["report", work.path("nowhere"), "--out", work.path("x.html")] + made.library)
        #expect(nothing.status == 4 && nothing.error.split(separator: "\n").count == 1, "\(nothing.error)")
    }

    /// The ends of every order, each pair once, as `rdo inspect` lists them.
    private func pairsAreThoseOfInspect(_ browsed: [String: Any], _ path: String) throws {
        let pairs = try #require(browsed["pairs"] as? [[String: Any]])
        let rows = pairs.compactMap { $0["row"] as? Int }
        #expect(rows == Set(rows).sorted() && rows.count <= 16)
        for (name, order, end) in [
            ("strongest", "absolute", "largest"), ("weakest", "absolute", "smallest"), ("biased", "bias", "largest"),
            ("contradicted", "contradiction", "largest"),
        ] {
            let result = try CommandRunner.run("rdo", ["inspect", path, "--json", "--pairs", "4", "--by", order])
            let whole = try JSONSerialization.jsonObject(with: Data(result.output.utf8)) as? [String: Any]
            let listed = try #require((whole?["coefficients"] as? [String: Any])?[end] as? [[String: Any]])
            // What the scorer agrees with is not contradicted.
            let wanted = listed.filter { pair in
                guard name == "contradicted", let d = pair["difference"] as? Double else { return true }
                return (d - (pair["reversed"] as? Double ?? -d)) * Double(pair["label"] as? Int ?? 1) < 0
            }
            let places = try #require(browsed[name] as? [Int])
            #expect(places.map { rows[$0] } == wanted.compactMap { $0["row"] as? Int }, "\(name)")
            #expect(name == "contradicted" || places.count == 4)
        }
    }

    private func inspectMakesTheSamePage(_ made: Made, _ file: String) throws {
        let page = made.work.path("inspect.html")
        let path = made.work.path("one/" + file)
        let result = try CommandRunner.run("rdo", ["inspect", path, "--html", page, "--pairs", "3"] + made.library)
        #expect(result.status == 0, "\(result.error)")
        let runs = try #require(try content(page)["runs"] as? [[String: Any]])
        #expect(runs.count == 1 && (runs[0]["artefacts"] as? [Any])?.count == 1)
        #expect(runs[0]["path"] as? String == path)
        for wrong in [["--json"], ["--by", "bias"], ["--pair", "00"]] {
            let refused = try CommandRunner.run("rdo", ["inspect", path, "--html", page] + wrong + made.library)
            #expect(refused.status == 2, "\(wrong): \(refused.error)")
        }
        try open(page)
    }

    // MARK: - In a browser

    /// No error, all charts drawn, nothing of the data taken for HTML; skipped where there is no browser or no Chart.js.
    private func open(_ page: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
        guard let browser = Browser.path else { return print("skipped: no chromium") }
        guard Self.systemLibrary != nil else { return print("skipped: no libjs-chart.js") }
        let opened = try Browser.open(page, fragment: "all", in: browser)
        #expect(opened.console.isEmpty, "\(opened.console)", sourceLocation: sourceLocation)
        let head = opened.document.prefix(600)
        #expect(head.contains(#"data-state="ready""#), "\(head)", sourceLocation: sourceLocation)
        #expect(!head.contains("data-failure"), "\(head)", sourceLocation: sourceLocation)
        let drawn = try #require(head.firstMatch(of: /data-charts="(\d+) of (\d+)"/), "\(head)")
        #expect(drawn.1 == drawn.2, "\(drawn.0)", sourceLocation: sourceLocation)
        #expect(opened.document.matches(of: /<canvas/).count == Int(drawn.2), sourceLocation: sourceLocation)
    }

    private func browserDrawsAllCharts(_ made: Made) throws {
        let (work, page) = (made.work, made.work.path("browser.html"))
        let result = try CommandRunner.run(
            "rdo", ["report", work.path("one"), work.path("two"), "--out", page] + made.library)
        #expect(result.status == 0, "\(result.error)")
        try open(page)
        guard let browser = Browser.path, Self.systemLibrary != nil else { return }
        let document = try Browser.open(page, in: browser).document
        // Texts of the pairs are shown as they are.
        let shown = document.replacing(/<script type="application\/json"[\s\S]*?<\/script>/, with: "")
        let areThere = shown.contains("&lt;/script&gt;&lt;img src=x onerror=showFailure(2)&gt;")
        let areElements = shown.contains("<img")
        #expect(areThere && !areElements)
    }

    /// A page whose script fails says so: the check above could not see it otherwise.
    private func browserShowsFailures(_ made: Made) throws {
        guard let browser = Browser.path else { return }
        let page = made.work.path("broken.html")
        let library = try made.work.directory.write("/*! Chart.js v3.9.1 */ throw Error('no charts');", to: "broken.js")
        let result = try CommandRunner.run(
            "rdo", ["report", made.work.path("one"), "--out", page, "--chart-library", library])
        #expect(result.status == 0, "\(result.error)")
        let opened = try Browser.open(page, in: browser)
        #expect(opened.document.prefix(600).contains("data-failure"))
        #expect(opened.document.contains("This page is not complete") && !opened.console.isEmpty)
    }
}
