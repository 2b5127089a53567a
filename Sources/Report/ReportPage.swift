import Coding
import Diagnostics
import Foundation
import Storage

/// One HTML file that needs nothing else.
package enum ReportPage {
    /// Stands at the beginning of every page: only such a file is replaced.
    private static let mark = #"<meta name="generator" content="rdo "#

    /// Replaces the report at `path`, or makes it.
    ///
    /// - Returns: how many bytes it has.
    /// - Throws: `RDOError.usage` when something else stands there, `.artefact` when it cannot be written.
    @discardableResult
    package static func write(_ content: ReportContent, _ library: ChartLibrary, to path: String) throws -> Int {
        try requireReplaceable(path)
        let page = Data(try html(content, library).utf8)
        try Durable.write(page, to: path)
        return page.count
    }

    /// - Throws: `RDOError.usage` when something stands there that is no report.
    package static func requireReplaceable(_ path: String) throws {
        guard try InputFile.exists(path, .usage) else { return }
        guard let file = FileHandle(forReadingAtPath: path) else {
            throw RDOError(.usage, "cannot read what stands there", at: path, remedy: "name another file")
        }
        defer { try? file.close() }
        let start = String(decoding: (try file.read(upToCount: 512)) ?? Data(), as: UTF8.self)
        guard start.hasPrefix("<!doctype html>"), start.contains(mark) else {
            throw RDOError(
                .usage, "the file is no report of rdo and is not replaced", at: path,
                remedy: "name another file, or remove this one")
        }
    }

    static func html(_ content: ReportContent, _ library: ChartLibrary) throws -> String {
        let scripts = [
            PackageResources.elements_js, PackageResources.charts_js, PackageResources.training_js,
            PackageResources.evaluation_js, PackageResources.coefficients_js, PackageResources.ledger_js,
            PackageResources.pairs_js,
            PackageResources.provenance_js, PackageResources.main_js,
        ].map(text)
        return filled(
            text(PackageResources.page_html),
            [
                "software": Version.software, "nonce": nonce(), "style": text(PackageResources.page_css),
                "library": library.script, "libraryVersion": library.version,
                "content": try EmbeddedJSON.text(content), "script": scripts.joined(separator: "\n"),
            ])
    }

    /// Of the page's own scripts. What texts of the data might bring along has none, and does not run.
    package static func nonce() -> String {
        (0..<2).map { _ in String(format: "%016lx", UInt64.random(in: 0 ... .max)) }.joined()
    }

    private static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    /// The template with `{{name}}` replaced, in one go: what is put in is not looked at again.
    /// - Precondition: every name has a value.
    package static func filled(_ template: String, _ values: [String: String]) -> String {
        template.replacing(/\{\{(\w+)\}\}/) { match in
            guard let value = values[String(match.1)] else { preconditionFailure("no value for \(match.1)") }
            return value
        }
    }
}
