import Coding
import Columns
import Diagnostics
import Foundation
import Preferences
import Settings
import Storage

/// `rdo import`: preference data with somebody's judgements (JSONL) as a coefficient file.
///
/// With a model the rows are read as training reads them and keyed by its tokens; a key that a row states must be the same.
/// Without one every row states its key, as `rdo export-pairs` writes it.
package struct CoefficientImport {
    private let configuration: Configuration
    private let file: String
    private let output: String
    private let fields: JudgementFields
    private let reading: ModelReading?

    /// - Parameters:
    ///   - model: the policy's directory.
    ///   - settings: configuration keys, as `--set` takes them.
    /// - Throws: `RDOError.usage` when a setting is wrong or `output` is there already, `.artefact` when the model cannot be
    ///   read.
    package init(_ file: String, output: String, model: String?, fields: JudgementFields, settings: [String]) throws {
        (self.file, self.output, self.fields) = (file, output, fields)
        var configuration = Configuration()
        configuration.output = URL(ofFile: output).deletingLastPathComponent().path
        configuration.data.train = [file]
        // A configuration has a model; without one here, no file of it is read.
        configuration.model.path = model ?? "none"
        try configuration.apply(settings)
        try configuration.validate("configuration")
        self.configuration = configuration
        try Durable.requireAbsent(output)
        reading = try model.map { try ModelReading(of: $0, configuration) }
    }

    /// - Returns: one line that says what was written.
    /// - Throws: `RDOError.data` for a row that cannot be used, or two that judge one pair differently.
    package func run(log: Log) throws -> String {
        reading?.say(log)
        let parser = try RowParser(file: file, configuration.data.rowRules, linesBefore: 0)
        let collected = CollectedPairs(file: file)
        var bad = BadRows()
        var rows = 0
        let lines = try LineReader(path: file, limit: configuration.data.maxRowBytes)
        let progress = Progress("import", total: try LineReader.lineCount(file), log: log)
        while rows - bad.count < configuration.data.limit ?? .max, let line = try lines.next() {
            progress.update(line.number)
            guard let parsed = parser.parse(line) else { continue }
            rows += 1
            let found: [ImportedPair]
            do throws(BadRow) {
                let row = try JudgedRow(line, of: file, fields)
                found = try row.pairs(parsed, reading?.plan)
            } catch {
                bad.add(error)
                try DataReport.stop(after: bad, of: rows, policy: configuration.data.onError)
                continue
            }
            for pair in found { try collected.append(pair, line: line.number) }
        }
        guard rows > 0 else {
            throw RDOError(.data, "the file has no rows", at: file, remedy: "name a file with data")
        }
        var report = DataReport()
        report.count(DataReport.File(path: file, format: parser.format, rows: rows), kept: rows - bad.count, bad: bad)
        try report.check(policy: configuration.data.onError)
        if report.badCount > 0 { log.warning("left out \(report.summary)") }
        let contents = try collected.contents(provenance)
        try contents.write(
            toNew: output,
            header: ArtefactHeader(
                schema: CoefficientFile.schema, software: Version.software, config: configuration.yaml, worldSize: 1))
        let texts = contents.tables == nil ? ", without texts: the rows state keys alone" : ""
        return "\(output): \(contents.keys.count) pairs\(texts)"
    }

    /// Nobody's model made the judgements; without a tokenizer the keys are whose the file says.
    private var provenance: Provenance {
        Provenance(
            modelDigest: nil, tokenizerDigest: reading?.conventions.tokenizer.digest, dataDigest: nil,
            template: reading?.conventions.template)
    }
}
