import Coding
import Diagnostics
import Foundation
import TestSupport
import Testing

@testable import Inspection
@testable import Judging

/// The blind sheet: what is in it, what a browser makes of it, and what comes of its answers.
@Suite struct SheetTests {
    /// Texts that would run if they were taken for HTML, in files whose names would give the policies away.
    private static let hostile =
        "</script><img src=x onerror=document.body.dataset.hacked=1><script>document.body.dataset.hacked=2</script>"

    private struct Made {
        let directory: TemporaryDirectory
        let sheet: String
        let key: String
        func path(_ name: String) -> String { directory.path + "/" + name }
    }

    /// Eleven queries; of the last the responses are equal. Responses say "mine" or "theirs" by policy.
    private func made(seed: Int = 1) throws -> Made {
        let directory = try TemporaryDirectory()
        func rows(_ word: String) -> String {
            (0..<11).map { number in
                let response =
                    number == 10 ? "same" : "\(word) \(number) " + (number == 0 ? Self.hostile : "& {{nonce}}")
                return "{\"query\": \("q\(number) <b>\(number == 1 ? Self.hostile : "")".quotedAsJSON), "
                    + "\"responses\": [\(response.quotedAsJSON)]}"
            }.joined(separator: "\n")
        }
        let (a, b) = (
            try directory.write(rows("mine"), to: "rdo-policy.jsonl"),
            try directory.write(rows("theirs"), to: "dpo-policy.jsonl")
        )
        let sheet = directory.path + "/sheet.html"
        try HumanSheet(a, b, limit: nil, seed: seed).write(to: sheet)
        return Made(directory: directory, sheet: sheet, key: HumanSheet.keyPath(of: sheet))
    }

    @Test func theSheetIsBlind() throws {
        let made = try made()
        let html = try String(contentsOfFile: made.sheet, encoding: .utf8)
        for word in ["policy", made.directory.path, ".jsonl", "\"a\":", "\"b\":", "coverage"] {
            #expect(!html.contains(word), "\(word)")
        }
        #expect(html.ranges(of: "<script").count == 2 && !html.contains("<img"))
        let key = try SheetKey.read(made.key)
        #expect(key.items.count == 10 && key.identical.map(\.a) == ["same"])
        let lefts = key.items.map(\.left)
        #expect(lefts.contains(.a) && lefts.contains(.b))
        // Neither the order of the file, nor that of another seed.
        #expect(key.items.map(\.pair.query) != key.items.map(\.pair.query).sorted())
        let second = try self.made(seed: 2)
        let other = try SheetKey.read(second.key)
        #expect(other.items.map(\.pair.query) != key.items.map(\.pair.query) && other.sheet != key.sheet)
        // A second sheet would not fit the answers to the first.
        let sheet = try HumanSheet(made.path("rdo-policy.jsonl"), made.path("dpo-policy.jsonl"), limit: nil, seed: 2)
        #expect(throws: RDOError.self) { try sheet.write(to: made.sheet) }
        #expect(throws: RDOError.self) { try sheet.write(to: made.path("sheet")) }
        #expect(try String(contentsOfFile: made.sheet, encoding: .utf8) == html)
    }

    /// Adds a script of the test's own to a copy of the page, before or after the page's.
    private func scripted(_ made: Made, before: String = "", after: String = "", name: String) throws -> String {
        let html = try String(contentsOfFile: made.sheet, encoding: .utf8)
        let nonce = try #require(html.firstMatch(of: /<script nonce="(\w+)">/)?.1)
        func element(_ script: String) -> String {
            script.isEmpty ? "" : "<script nonce=\"\(nonce)\">\(script)</script>\n"
        }
        return try made.directory.write(
            html.replacing("<script type=", with: element(before) + "<script type=")
                .replacing("</body>", with: element(after) + "</body>"), to: name)
    }

    @Test(.enabled(if: Browser.path != nil)) func peopleFillItInOffline() throws {
        let browser = try #require(Browser.path)
        let made = try made()
        // Left for the first six, a tie for the seventh; the rest stays open. Then it is saved.
        let clicks = """
            URL.createObjectURL = (blob) => { blob.text().then((text) => { document.body.dataset.saved = text; }); return "#"; };
            const rater = document.getElementById("rater");
            rater.value = " Ann <i>";
            rater.dispatchEvent(new Event("input"));
            for (let number = 1; number <= 6; number += 1) document.querySelector(`#item-${number} input[value=left]`).click();
            document.querySelector("#item-7 input[value=tie]").click();
            document.getElementById("save").click();
            document.body.dataset.kept = Object.keys(localStorage).map((key) => localStorage.getItem(key)).join("");
            document.body.dataset.texts = document.querySelectorAll(".text").length;
            """
        let page = try Browser.open(try scripted(made, after: clicks, name: "filled.html"), in: browser)
        #expect(!page.document.contains("data-hacked") && !page.document.contains("<img"))
        #expect(page.console.isEmpty, "\(page.console)")
        #expect(page.document.contains("7 of 10 answered") && page.document.contains("data-texts=\"30\""))
        #expect(page.document.contains(#"<p id="failure" role="alert" hidden="">"#))
        func attribute(_ name: String, _ page: Browser.Page) throws -> String {
            let start = try #require(page.document.range(of: "data-\(name)=\""))
            let rest = page.document[start.upperBound...]
            return String(rest.prefix { $0 != "\"" }).replacing("&quot;", with: "\"").replacing("&lt;", with: "<")
                .replacing("&gt;", with: ">").replacing("&amp;", with: "&")
        }
        let kept = try attribute("kept", page)
        #expect(kept.contains(#""1":"left""#) && kept.contains("Ann"))

        // Opened again, the answers are there; what is no answer is not.
        let key = try SheetKey.read(made.key)
        let earlier = kept.replacing("\"1\":\"left\"", with: "\"1\":\"right\",\"9\":\"up\",\"99\":\"left\"")
        let name = "rdo-sheet-" + key.sheet
        let again = try Browser.open(
            try scripted(
                made,
                before:
                    "localStorage.setItem(\(name.quotedAsJSON), \(earlier.quotedAsJSON.replacing("<", with: "\\u003c")));",
                after: """
                    document.body.dataset.checked =
                      [...document.querySelectorAll("input:checked")].map((input) => input.name + input.value).join(" ");
                    document.body.dataset.rater = document.getElementById("rater").value;
                    """, name: "again.html"), in: browser)
        #expect(try attribute("rater", again) == " Ann <i>")
        let checked = try attribute("checked", again)
        #expect(checked.hasPrefix("choice-1right choice-2left") && checked.hasSuffix("choice-7tie"), "\(checked)")
        #expect(again.document.contains("7 of 10 answered"))

        let answers = try made.directory.write(try attribute("saved", page), to: "answers-ann.json")
        let merged = try SheetMerge(key: made.key, answers: [answers]).judgement
        #expect(merged.judges.map(\.name) == ["Ann <i>"] && merged.judges[0].missing == ["unanswered": 3])
        let wins = key.items.prefix(6).count { $0.left == .a }
        #expect(merged.judges[0].verdicts?.win == Share(of: wins, among: 8))
        #expect(merged.judges[0].firstWins == Share(of: 6, among: 6))
    }

    // MARK: - Merging

    private func answers(_ made: Made, _ rater: String, _ choose: (SheetKey.Item) -> String?) throws -> String {
        let key = try SheetKey.read(made.key)
        let answers = key.items.compactMap { item in choose(item).map { "\"\(item.number)\": \"\($0)\"" } }
        return try made.directory.write(
            """
            {"schema": "rdo.sheet-answers/1", "sheet": "\(key.sheet)", "rater": "\(rater)",
             "answers": {\(answers.joined(separator: ", "))}}
            """, to: "answers-\(rater.isEmpty ? "nobody" : rater).json")
    }

    @Test func answersAreMerged() throws {
        let made = try made()
        // Two who prefer the first policy, wherever it stands, and one who always says the left one.
        let files = [
            try answers(made, "x") { $0.left == .a ? "left" : "right" },
            try answers(made, "") { $0.left == .a ? "left" : "right" }, try answers(made, "z") { _ in "left" },
        ]
        let merged = try SheetMerge(key: made.key, answers: files)
        let judgement = merged.judgement
        #expect(judgement.judges.map(\.name) == ["x", "answers-nobody.json", "z"])
        #expect(
            judgement.majority?.win == Share(of: 10, among: 11) && judgement.majority?.tie == Share(of: 1, among: 11))
        #expect(judgement.judges[2].isWorthless && !judgement.judges[0].isWorthless)
        let key = try SheetKey.read(made.key)
        let ratings = key.items.map { [Outcome.win, .win, $0.left == .a ? .win : .lose] }
        #expect(judgement.agreement == Agreement(of: ratings))
        #expect(judgement.text.contains("judge z prefers the response in the first place in 100 % of 10 answers"))

        try merged.write(to: made.path("merged"))
        let verdicts = try String(contentsOfFile: made.path("merged/verdicts.jsonl"), encoding: .utf8)
        #expect(verdicts.split(separator: "\n").count == 11 && verdicts.contains(#""majority":"win""#))
        try merged.write(to: made.path("merged"))
        #expect(throws: RDOError.self) { try merged.write(to: made.directory.path) }
    }

    @Test func answersToAnythingElseAreRefused() throws {
        let made = try made()
        let good = try answers(made, "x") { _ in "left" }
        func failure(_ files: String..., key: String? = nil) -> String {
            do {
                _ = try SheetMerge(key: key ?? made.key, answers: files)
                return ""
            } catch { return "\(error)" }
        }
        #expect(failure(good).isEmpty)
        #expect(failure(good, good).contains("the answers of x are there twice"))
        let text = try String(contentsOfFile: good, encoding: .utf8)
        for (old, new, message) in [
            ("\"sheet\": \"", "\"sheet\": \"0", "answers to another sheet"), ("\"10\": ", "\"11\": ", "no item \"11\""),
            ("\"10\": ", "\"ten\": ", "no item \"ten\""), ("\"left\"}", "\"up\"}", "is damaged: answers"),
            ("sheet-answers/1", "sheet-answers/2", "is no file of answers"),
            ("{\"schema\"", "\"schema\"", "not a JSON document"),
            ("\"rater\"", "\"name\"", "has no rater"),
        ] {
            let bad = try made.directory.write(text.replacing(old, with: new), to: "bad.json")
            #expect(failure(bad).contains(message), "\(failure(bad))")
        }
        #expect(failure(good, key: good).contains("is no key of a sheet"))
        let keyText = try String(contentsOfFile: made.key, encoding: .utf8)
        let damaged = try made.directory.write(
            keyText.replacing("\"number\" : 2,", with: "\"number\" : 3,"), to: "bad.key.json")
        #expect(failure(good, key: damaged).contains("not numbered from 1 on"))
    }
}
