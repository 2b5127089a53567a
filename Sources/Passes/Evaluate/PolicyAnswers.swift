import Coding
import Diagnostics
import Foundation
import Preferences
import Settings

/// What all policies answered, query by query.
struct PolicyAnswers {
    /// One response of a policy.
    struct Answer {
        let text: String
        /// Nil where it is not known.
        let end: ResponseEnd?
    }

    struct Policy {
        let name: String
        /// The queries, where this policy's rows ask them.
        fileprivate let records: [PreferenceRecord]
        /// For each query.
        let answers: [[Answer]]

        func texts(_ query: Int) -> [String] { answers[query].map(\.text) }

        /// A query with some responses, as a scorer reads it.
        func record(_ query: Int, _ responses: [String]) -> PreferenceRecord {
            var record = records[query]
            (record.kind, record.responses, record.scores) = (.list, responses, nil)
            return record
        }
    }

    /// Different ones: those of the first file in its order, else of the held-out data.
    let queries: [PreferenceRecord]
    let policies: [Policy]
    /// Queries of the held-out data that the files do not answer, and that count for no policy.
    let unansweredCount: Int

    subscript(name: String) -> Policy? { policies.first { $0.name == name } }

    // MARK: - Reading

    /// What one file, or one side of the held-out data, says.
    private struct Source {
        let place: String
        var queries: [PreferenceRecord] = []
        var answers: [[Answer]] = []
        /// The place of a query.
        var places: [Digest: Int] = [:]

        /// Rows that ask the same are one query with all their responses.
        mutating func add(_ record: PreferenceRecord, _ answers: [Answer]) {
            let digest = record.queryDigest
            if let place = places[digest] {
                self.answers[place] += answers
            } else {
                places[digest] = queries.count
                queries.append(record)
                self.answers.append(answers)
            }
        }
    }

    /// - Parameter heldOut: the records of the held-out data, read when they are asked for.
    /// - Throws: `RDOError.data` when a file cannot be read, or a policy lacks a query.
    init(_ settings: Named<EvaluatedPolicySettings>, heldOut: () throws -> [PreferenceRecord]) throws {
        let answered = settings.entries.filter { $0.part.responses != nil }
        let records = try answered.contains { $0.part.isChosen != nil } ? heldOut() : []
        let sources = try answered.map { entry in try Self.source(entry.part, records) }
        // The held-out data may have more rows than were generated for.
        guard let lead = zip(answered, sources).first(where: { $0.0.part.responseFile != nil })?.1 ?? sources.first
        else {
            (queries, policies, unansweredCount) = ([], [], 0)
            return
        }
        queries = lead.queries
        for (entry, source) in zip(answered, sources) {
            try Self.require(lead.queries, in: source)
            if entry.part.responseFile != nil { try Self.require(source.queries, in: lead) }
        }
        unansweredCount = sources.map { $0.queries.count - lead.queries.count }.max() ?? 0
        policies = zip(answered, sources).map { entry, source in
            let places = lead.queries.compactMap { source.places[$0.queryDigest] }
            return Policy(
                name: entry.name, records: places.map { source.queries[$0] }, answers: places.map { source.answers[$0] }
            )
        }
    }

    private static func source(_ policy: EvaluatedPolicySettings, _ records: [PreferenceRecord]) throws -> Source {
        guard let file = policy.responseFile else {
            var source = Source(place: "data.test")
            for record in records {
                let responses = record.responses(chosen: policy.isChosen == true)
                if !responses.isEmpty { source.add(record, responses.map { Answer(text: $0, end: nil) }) }
            }
            return source
        }
        var source = Source(place: file)
        for row in try ResponseFile.read(file) {
            let texts = row.record.responses
            source.add(row.record, texts.indices.map { Answer(text: texts[$0], end: row.ends[$0]) })
        }
        return source
    }

    private static func require(_ queries: [PreferenceRecord], in source: Source) throws {
        let missing = queries.filter { source.places[$0.queryDigest] == nil }
        guard let first = missing.first else { return }
        let start = first.prompt.prefix(60)
        throw RDOError(
            .data,
            "\(missing.count) of \(queries.count) queries are not answered; the first is that of "
                + "\(first.file):\(first.line), \"\(start)\(first.prompt.count > start.count ? "…" : "")\"",
            at: source.place, remedy: "policies are compared on the same queries: generate for all of them")
    }
}

extension Session {
    /// The rows of the held-out files as they stand there.
    /// - Throws: `RDOError.data` for bad rows, `.usage` where there are no held-out data.
    func heldOutRecords() throws -> [PreferenceRecord] {
        let settings = configuration.data
        guard !settings.test.isEmpty else {
            throw RDOError(
                .usage, "data.test is empty, and a policy has its chosen or rejected responses",
                remedy: "name the held-out data")
        }
        var (records, report, linesBefore) = ([PreferenceRecord](), DataReport(), 0)
        for file in settings.test {
            let parser = try RowParser(file: file, settings.rowRules, linesBefore: linesBefore)
            let lines = try LineReader(path: file, limit: settings.maxRowBytes)
            var (rows, bad, kept) = (0, BadRows(), records.count)
            while let line = try lines.next() {
                guard let parsed = parser.parse(line) else { continue }
                rows += 1
                switch parsed {
                case .success(let record): records.append(record)
                case .failure(let row): bad.add(row)
                }
            }
            linesBefore += lines.lineNumber
            kept = records.count - kept
            report.count(DataReport.File(path: file, format: parser.format, rows: rows), kept: kept, bad: bad)
        }
        try report.check(policy: settings.onError)
        if report.badCount > 0 { log.warning("left out \(report.summary)") }
        return Array(records.prefix(settings.testLimit ?? .max))
    }
}
