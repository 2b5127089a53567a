import ArgumentParser
import Diagnostics
import Foundation
import Inspection
import Objectives
import Report
import Storage

struct Inspect: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "What a coefficient file, a reference file, a ledger or a checkpoint holds. Needs no MPI.")

    @Argument(help: "An HDF5 file or a checkpoint directory.")
    var path: String

    @Flag(help: "Print a JSON object.")
    var json = false

    @Option(help: "Write a page with charts to this file, as `rdo report` does of whole runs.")
    var html: String?

    @OptionGroup var page: PageOptions

    @Option(
        help: """
            How many of the largest and of the smallest pairs to list; of a ledger, those of the largest gradient scale. \
            Default: none, and 50 in a page.
            """)
    var pairs: Int?

    @Option(help: "What large means in a coefficient file: difference, absolute, bias or contradiction.")
    var by = PairOrder.difference

    @Option(help: "Of a ledger: the coefficient file that says what its pairs are, with R and texts.")
    var coefficients: String?

    @Flag(help: "Show texts whole instead of their starts.")
    var full = false

    @OptionGroup var query: QueryOptions
    @OptionGroup var weights: WeightOptions

    @Option(help: "Of a ledger: every visit to the pair whose key begins with these hexadecimal digits.")
    var pair: String?

    func validate() throws {
        if let pairs, pairs < 0 { throw ValidationError("--pairs \(pairs) is negative") }
        if html == nil {
            if page.chartLibrary != nil { throw ValidationError("--chart-library is for --html") }
        } else if json || pair != nil {
            throw ValidationError("--html goes with neither --json nor --pair")
        } else if by != .difference || query.listsPairs || full {
            throw ValidationError(
                "--by, --sort, --limit, --columns and --full are for the terminal: a page has its own")
        }
        let ofSummaries = pairs != nil || by != .difference || coefficients != nil
        if query.listsPairs && ofSummaries {
            throw ValidationError(
                "--sort, --limit and --columns list pairs; --pairs, --by and --coefficients are for summaries")
        }
        if pair != nil && (query.listsPairs || query.condition != nil || ofSummaries || full) {
            throw ValidationError("--pair shows one pair of a ledger: of other options it goes with --json alone")
        }
    }

    func run() throws {
        if let html {
            return try page.write(to: html) {
                let count = pairs ?? 50
                return try ReportContent(
                    of: ArtefactSummary(
                        of: path, pairs: count, query.query(), joining: coefficients, rule: weights.rule(),
                        browsed: count))
            }
        }
        if let pair {
            let history = try PairHistory(of: pair, in: path)
            return try show(history, text: history.text, asJSON: json)
        }
        let rule = try weights.rule()
        if try query.listsColumns(of: path, rule) { return }
        if query.listsPairs {
            let listing = try PairListing(of: path, query.query(), columns: query.names, rule: rule)
            return try json
                ? NewTextFile.write(nil, listing.writeJSONLines)
                : StandardOutput.write(listing.text(isFull: full), terminator: "")
        }
        let summary = try ArtefactSummary(
            of: path, pairs: pairs ?? 0, by: by, query.query(), joining: coefficients, rule: rule)
        try show(summary, text: summary.text(isFull: full), asJSON: json)
    }
}

/// Prints what a command found, for people or for programs.
func show(_ value: some Encodable, text: String, asJSON: Bool) throws {
    guard asJSON else { return try StandardOutput.write(text, terminator: "") }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    encoder.keyEncodingStrategy = .convertToSnakeCase
    // A figure that is no number is null: the encoder can put a text there, and no other.
    let none = "\u{FFFF}not finite"
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
        positiveInfinity: none, negativeInfinity: none, nan: none)
    try StandardOutput.write(
        String(decoding: encoder.encode(value), as: UTF8.self).replacingOccurrences(of: "\"\(none)\"", with: "null"))
}

extension PairOrder: ExpressibleByArgument {}

struct Verify: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Read artefacts whole and compare their checksums: checkpoints, coefficient and reference files.")

    @Argument(help: "Checkpoint directories and HDF5 files.")
    var paths: [String]

    func run() throws {
        for path in paths { try StandardOutput.write("\(path): \(try Artefacts.verify(path))") }
    }
}
