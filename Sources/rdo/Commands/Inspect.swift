import ArgumentParser
import Diagnostics
import Foundation
import Inspection
import Objectives
import Storage

struct Inspect: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "What a coefficient file, a reference file, a ledger or a checkpoint holds. Needs no MPI.")

    @Argument(help: "An HDF5 file or a checkpoint directory.")
    var path: String

    @Flag(help: "Print a JSON object.")
    var json = false

    @Option(
        help:
            "How many of the largest and of the smallest pairs to list; of a ledger, those of the largest gradient scale."
    )
    var pairs = 0

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

    func run() throws {
        if let pair {
            let history = try PairHistory(of: pair, in: path)
            return try show(history, text: history.text, asJSON: json)
        }
        guard pairs >= 0 else { throw RDOError(.usage, "--pairs \(pairs) is negative") }
        let rule = try weights.rule()
        if try query.listsColumns(of: path, rule) { return }
        if query.listsPairs {
            let listing = try PairListing(of: path, query.query(), columns: query.names, rule: rule)
            return try json
                ? NewTextFile.write(nil, listing.writeJSONLines) : print(listing.text(isFull: full), terminator: "")
        }
        let summary = try ArtefactSummary(
            of: path, pairs: pairs, by: by, query.query(), joining: coefficients, rule: rule)
        try show(summary, text: summary.text(isFull: full), asJSON: json)
    }
}

/// Prints what a command found, for people or for programs.
func show(_ value: some Encodable, text: String, asJSON: Bool) throws {
    guard asJSON else { return print(text, terminator: "") }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    encoder.keyEncodingStrategy = .convertToSnakeCase
    print(String(decoding: try encoder.encode(value), as: UTF8.self))
}

extension PairOrder: ExpressibleByArgument {}

struct Verify: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Read artefacts whole and compare their checksums: checkpoints, coefficient and reference files.")

    @Argument(help: "Checkpoint directories and HDF5 files.")
    var paths: [String]

    func run() throws {
        for path in paths { print("\(path): \(try Artefacts.verify(path))") }
    }
}
