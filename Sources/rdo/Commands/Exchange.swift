import ArgumentParser
import Diagnostics
import Foundation
import Inspection
import Objectives
import Passes
import Storage

struct ExportPairs: ParsableCommand {
    enum Format: String, ExpressibleByArgument, CaseIterable { case jsonl, csv }

    static let configuration = CommandConfiguration(
        commandName: "export-pairs",
        abstract: "Write pairs of a coefficient file as JSONL with texts, R and weight, or some columns, or CSV.")

    @Argument(help: "A coefficient file.")
    var path: String

    @Option(help: "A file that is not there yet; standard output by default.")
    var out: String?

    @Option(help: "jsonl or csv.")
    var format = Format.jsonl

    @OptionGroup var query: QueryOptions
    @OptionGroup var weights: WeightOptions

    func run() throws {
        if try query.listsColumns(of: path, weights.rule()) { return }
        let (pairs, names) = (try query.query(), query.names)
        if format == .jsonl && names == nil {
            let export = try PairExport(of: path, pairs, rule: weights.rule())
            try NewTextFile.write(out, export.write)
            try say(export.rows.count)
            if export.isOfLists {
                Log(speaking: true).info("some pairs have no label: rows are lists; --where 'label != 0' gives pairs")
            }
            return
        }
        let listing = try PairListing(of: path, pairs, columns: names, rule: weights.rule())
        try NewTextFile.write(out, format == .csv ? listing.writeCSV : listing.writeJSONLines)
        try say(listing.rows.count)
    }

    private func say(_ count: Int) throws {
        if let out { try StandardOutput.write("\(out): \(count) pairs") }
    }
}

struct ExportLists: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export-lists",
        abstract: "Write the lists of a coefficient file as JSONL: query, responses and a score for each.")

    @Argument(help: "A coefficient file.")
    var path: String

    @Option(help: "A file that is not there yet; standard output by default.")
    var out: String?

    func run() throws {
        let export = try ListExport(of: path)
        var (lists, left) = (0, 0)
        try NewTextFile.write(out) { (lists, left) = try export.write(to: $0) }
        if left > 0 { Log(speaking: true).warning("\(left) pairs are left out: others of their queries are missing") }
        if let out { try StandardOutput.write("\(out): \(lists) lists") }
    }
}

struct Import: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make a coefficient file of preference data with a judge's strengths.",
        discussion: """
            Format, template, limits and tokenizer are configuration keys, for example --set data.template=hh. Without \
            --model every row states its key, as export-pairs writes it.
            """)

    @Argument(help: "Preference data (JSONL, plain or .gz) whose rows say how much better a response is.")
    var path: String

    @Option(help: "The coefficient file to write, which is not there yet.")
    var out: String

    @Option(help: "Directory of the policy, whose tokens key the pairs.")
    var model: String?

    @Option(help: "The field that says how much better chosen is than rejected; NAME_reversed is the other order.")
    var field = "difference"

    @Option(help: "Two fields instead, the value of chosen and that of rejected: score_chosen,score_rejected.")
    var rewards: String?

    @Option(name: .customLong("set"), parsing: .upToNextOption, help: "Configuration keys: section.key=value.")
    var settings: [String] = []

    func run() throws {
        var fields = JudgementFields(difference: field)
        if let rewards {
            let names = rewards.split(separator: ",").map(String.init)
            guard names.count == 2 else {
                throw RDOError(.usage, "--rewards names two fields, chosen's and rejected's")
            }
            fields.rewards = (names[0], names[1])
        }
        let run = try CoefficientImport(path, output: out, model: model, fields: fields, settings: settings)
        try StandardOutput.write(run.run(log: Log(speaking: true)))
    }
}

struct Diff: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Compare two scorers on the pairs that both coefficient files hold.")

    @Argument(help: "A coefficient file.")
    var first: String

    @Argument(help: "Another one.")
    var second: String

    @Option(help: "How many of the largest disagreements to list.")
    var pairs = 5

    @Flag(help: "Print a JSON object.")
    var json = false

    func run() throws {
        guard pairs >= 0 else { throw RDOError(.usage, "--pairs \(pairs) is negative") }
        let comparison = try CoefficientComparison(first, second, pairs: pairs)
        try show(comparison, text: comparison.text, asJSON: json)
    }
}

struct Merge: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Make one coefficient file of several: parts of a data set scored by one model.")

    @Argument(help: "Coefficient files.")
    var paths: [String]

    @Option(help: "The coefficient file to write, which is not there yet.")
    var out: String

    func run() throws {
        try Durable.requireAbsent(out)
        let merge = try CoefficientMerge(paths)
        let header = ArtefactHeader(
            schema: CoefficientFile.schema, software: Version.software,
            config: "merged: [\(paths.map(\.debugDescription).joined(separator: ", "))]\n", worldSize: 1)
        try merge.contents.write(toNew: out, header: header)
        let repeated = merge.repeatedCount > 0 ? ", \(merge.repeatedCount) repeated ones left out" : ""
        let lost = merge.losesCalibration ? ", without calibrations, which differ" : ""
        try StandardOutput.write("\(out): \(merge.contents.keys.count) pairs of \(paths.count) files\(repeated)\(lost)")
    }
}

struct Calibrate: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "State in a copy of a coefficient file what corrects its scorer, fitted on held-out pairs.")

    @Argument(help: "A coefficient file.")
    var path: String

    @Option(help: "The coefficient file of labelled pairs, of the same scorer, that it was not trained on.")
    var on: String

    @Option(help: "The coefficient file to write, which is not there yet.")
    var out: String

    func run() throws {
        try Durable.requireAbsent(out)
        let (file, heldOut) = (try CoefficientFile.read(path), try CoefficientFile.read(on))
        try file.requireSameScorer(as: heldOut, remedy: "name held-out pairs of the same scorer")
        guard let calibration = try ScorerCalibration(fittingHeldOut: heldOut) else {
            throw RDOError(
                .artefact, "no temperature fits and no lengths are known", at: on,
                remedy: "a temperature needs labelled pairs, of which the scorer gets more than half right, and not all"
            )
        }
        try file.write(calibration, to: out)
        try StandardOutput.write("\(out): \(calibration.text)")
    }
}

/// Which pairs, in which order, and what of them.
struct QueryOptions: ParsableArguments {
    @Option(
        name: .customLong("where"), help: "Only pairs that a condition holds for: 'difference < 0 and tokens > 200'.")
    var condition: String?

    @Option(help: "Order by a number or text of each pair: 'abs(r) desc'.")
    var sort: String?

    @Option(help: "At most so many pairs.")
    var limit: Int?

    @Option(help: "Columns, with commas between them. Alone: list them.")
    var columns: String?

    /// What `--columns` without a value becomes, before arguments are parsed.
    static let everyColumn = "?"

    static func completed(_ arguments: [String]) -> [String] {
        arguments.indices.flatMap { index in
            let isAlone =
                arguments[index] == "--columns"
                && (index + 1 == arguments.count || arguments[index + 1].hasPrefix("-"))
            return isAlone ? ["--columns", everyColumn] : [arguments[index]]
        }
    }

    func query() throws -> PairQuery { try PairQuery(condition: condition, order: sort, limit: limit) }

    var names: [String]? {
        columns.map { $0.split(separator: ",").map { $0.trimmingCharacters(in: .whitespaces) } }
    }

    var listsPairs: Bool { sort != nil || limit != nil || columns != nil }

    /// True when the file's columns were asked for, and are printed.
    func listsColumns(of path: String, _ rule: CoefficientRule) throws -> Bool {
        guard columns == Self.everyColumn else { return false }
        try StandardOutput.write(PairColumns(of: path, rule: rule).text, terminator: "")
        return true
    }
}

/// What weights are made with.
struct WeightOptions: ParsableArguments {
    @Option(help: "Exponent of the weight, R^α.")
    var alpha = 0.5

    @Option(help: "What a pair weighs whose scorer contradicts its label: zero, absolute, flip or keep.")
    var disagreement = Disagreement.zero

    func rule() throws -> CoefficientRule {
        guard alpha >= 0 && alpha.isFinite else { throw RDOError(.usage, "--alpha \(alpha) is not a number from 0 on") }
        return CoefficientRule(alpha: alpha, symmetric: true, disagreement: disagreement)
    }
}

extension Disagreement: ExpressibleByArgument {}
