import ArgumentParser
import Diagnostics
import Foundation
import Report

/// `rdo report`; the module has the name of the command.
struct ReportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "report",
        abstract: "Make one HTML page of runs: what was done, curves, coefficients, ledgers, pairs. Needs no MPI.")

    @Argument(help: "Output directories of runs; the curves of several are laid over each other.")
    var runs: [String]

    @Option(help: "The page to write; it opens from disk and needs nothing else.")
    var out: String

    @Option(help: "How many pairs to embed of each kind: strongest, weakest, most contradicted, most biased.")
    var pairs = 50

    @OptionGroup var page: PageOptions

    func validate() throws {
        if pairs < 0 { throw ValidationError("--pairs \(pairs) is negative") }
    }

    func run() throws {
        try page.write(to: out) { try ReportContent(ofRuns: runs, pairs: pairs) }
    }
}

/// What `rdo report` and `rdo inspect --html` share.
struct PageOptions: ParsableArguments {
    @Option(help: "Chart.js, which the page embeds: chart.min.js. Default: that of Debian's package libjs-chart.js.")
    var chartLibrary: String?

    /// Writes a page, and says what is missing in it and that it is there.
    /// - Parameter content: called when all else is known to be well.
    func write(to path: String, _ content: () throws -> ReportContent) throws {
        let library = try ChartLibrary(chartLibrary)
        try ReportPage.requireReplaceable(path)
        let content = try content()
        let log = Log(speaking: true)
        for note in content.notes { log.warning(note) }
        let size = try ReportPage.write(content, library, to: path)
        let text = ByteCountFormatter.string(fromByteCount: Int64(size), countStyle: .file)
        try StandardOutput.write("\(path): \(text)")
    }
}
