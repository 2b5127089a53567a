import Diagnostics
import Foundation
import TestSupport
import Testing

@testable import Report

/// What is put into the page stays data, and only reports are replaced.
@Suite struct PageTests {
    private static let hostile = "</script><img src=x onerror=alert(1)> <!-- <script> & \u{2028}\u{2029} {{nonce}}"

    @Test func embeddedTextsAreEscaped() throws {
        let json = try EmbeddedJSON.text(["text": Self.hostile])
        for character in ["<", ">", "&", "\u{2028}", "\u{2029}"] { #expect(!json.contains(character)) }
        let back = try JSONDecoder().decode([String: String].self, from: Data(json.utf8))
        #expect(back["text"] == Self.hostile)
    }

    @Test func numbersThatAreNotFiniteBecomeWords() throws {
        struct Figures: Encodable {
            let aMean = Double.nan
            let most = Double.infinity
            let least = -Float.infinity
        }
        #expect(
            try EmbeddedJSON.text(Figures()) == #"{"a_mean":"NaN","least":"-Infinity","most":"Infinity"}"#)
    }

    @Test func templatesAreFilledOnce() {
        #expect(ReportPage.filled("<{{a}}|{{b}}>", ["a": "{{b}}", "b": "x"]) == "<{{b}}|x>")
    }

    // MARK: - The library

    @Test func theLibraryIsRecognised() throws {
        let directory = try TemporaryDirectory()
        func kind(_ text: String) throws -> RDOError? {
            let path = try directory.write(text, to: "chart.js")
            return #expect(throws: RDOError.self) { try ChartLibrary(path) }
        }
        let missing = #expect(throws: RDOError.self) { try ChartLibrary(directory.path + "/none.js") }
        #expect(missing?.kind == .usage && missing?.remedy?.contains("libjs-chart.js") == true)
        let unreadable = #expect(throws: RDOError.self) { try ChartLibrary(directory.path) }
        #expect(unreadable?.kind == .usage)
        #expect(try kind("alert(1)")?.what == "this is not Chart.js 3 or 4")
        #expect(try kind("/*! Chart.js v2.9.4 */")?.what == "this is not Chart.js 3 or 4")
        #expect(try kind("/*! Chart.js v3.9.1 */\nexport { Chart };")?.what.contains("module form") == true)
        let path = try directory.write("/*! Chart.js v4.4.0 */ var Chart = 1", to: "chart.umd.js")
        #expect(try ChartLibrary(path).version == "4.4.0")
    }

    @Test func theLibraryCannotEndItsElement() {
        #expect(
            ChartLibrary.contained(#"a("</script>", '<!--<script>', "</SCRIPT", b</a/)"#)
                == #"a("<\/script>", '<\!--<script>', "<\/SCRIPT", b</a/)"#)
    }

    // MARK: - The file

    private func library(_ directory: TemporaryDirectory) throws -> ChartLibrary {
        try ChartLibrary(directory.write("/*! Chart.js v3.9.1 */\nvar Chart = class {};", to: "chart.min.js"))
    }

    private func content(_ directory: TemporaryDirectory, name: String = "run") throws -> ReportContent {
        try directory.write("{\"step\": 0, \"loss\": 1}\n", to: name + "/dpo/metrics.jsonl")
        return try ReportContent(ofRuns: [directory.path + "/" + name], pairs: 3)
    }

    @Test func onlyReportsAreReplaced() throws {
        let directory = try TemporaryDirectory()
        let (library, content) = (try library(directory), try content(directory))
        for foreign in ["", "precious", "<!doctype html><title>mine</title>", #"<meta name="generator" content="rdo "#]
        {
            let path = try directory.write(foreign, to: "page.html")
            let error = #expect(throws: RDOError.self) { try ReportPage.write(content, library, to: path) }
            #expect(error?.kind == .usage)
            #expect(try String(contentsOfFile: path, encoding: .utf8) == foreign)
        }
        #expect(throws: RDOError.self) { try ReportPage.write(content, library, to: directory.path + "/run") }
        let path = directory.path + "/report.html"
        try ReportPage.write(content, library, to: path)
        let first = try String(contentsOfFile: path, encoding: .utf8)
        let size = try ReportPage.write(content, library, to: path)
        let second = try String(contentsOfFile: path, encoding: .utf8)
        // Another nonce.
        #expect(first != second && second.utf8.count == size)
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: directory.path).allSatisfy { !$0.hasSuffix(".writing") }
        )
    }

    @Test func thePageLoadsNothingAndRunsItsOwnScriptsOnly() throws {
        let directory = try TemporaryDirectory()
        let html = try ReportPage.html(content(directory, name: "</script><b>"), library(directory))
        #expect(
            html.hasPrefix("<!doctype html>") && html.prefix(512).contains(#"<meta name="generator" content="rdo "#))
        #expect(html.contains("default-src 'none'"))
        let scripts = html.matches(of: /<script nonce="([0-9a-f]{32})">/).map { String($0.1) }
        #expect(scripts.count == 3 && Set(scripts).count == 1)
        #expect(html.contains("script-src 'nonce-\(scripts[0])'"))
        // The data and three scripts.
        #expect(html.matches(of: /(?i)<script/).count == 4 && html.matches(of: /(?i)<\/script/).count == 4)
        #expect(!html.contains("{{") && !html.contains("<b>"))
        // Neither addresses to load from nor handlers or styles within elements.
        #expect(!html.contains(#/ (src|on[a-z]+|style)=/#) && !html.contains("@import") && !html.contains("url("))
    }
}
