import ArgumentParser
import Foundation
import Storage

struct Inspect: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "What a coefficient file, a reference file or a checkpoint holds. Needs no MPI.")

    @Argument(help: "An HDF5 file or a checkpoint directory.")
    var path: String

    @Flag(help: "Print a JSON object.")
    var json = false

    @Option(help: "How many of the largest and of the smallest pairs to list.")
    var pairs = 0

    @Option(help: "What large means: difference, absolute or bias.")
    var by = PairOrder.difference

    func run() throws {
        let summary = try ArtefactSummary(of: path, pairs: pairs, by: by)
        guard json else { return print(summary.text, terminator: "") }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        encoder.keyEncodingStrategy = .convertToSnakeCase
        print(String(decoding: try encoder.encode(summary), as: UTF8.self))
    }
}

extension PairOrder: ExpressibleByArgument {}
