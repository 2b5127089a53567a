import Coding
import Diagnostics
import Foundation
import Methods
import Parallel
import Preferences
import Settings
import Storage

/// Makes a prepared set of some files, all ranks together: each reads and tokenises a run of lines of every file and writes
/// its parts; rank 0 adds the index. What a set holds does not depend on the ranks, only how it is cut into parts does.
struct DataPreparation {
    let session: Session
    let files: [String]
    let limit: Int?
    let plan: TokenizationPlan
    let form: ScorerReading.Form
    private var world: Communicator { session.world }

    /// Collective. Where the set is, and the set: the one that is there, or a new one.
    ///
    /// - Throws: `RDOError.data` when a file cannot be read, a row is bad and `data.on_error` says so, or nothing is left.
    func set() throws -> (directory: String, set: PreparedSet) {
        let directory = session.configuration.dataDirectory + "/" + name
        let identity = try world.textFromRankZero(identity)
        let isThere = try world.withoutTimeout { try world.isTrueOnRankZero { try isUsable(directory, identity) } }
        if !isThere { try make(directory, identity) }
        let set = try world.collectively { () throws -> PreparedSet in
            guard let set = try PreparedSet.read(directory) else {
                throw RDOError(.artefact, "the prepared data are not here on every rank", at: directory)
            }
            return set
        }
        try world.collectively { try set.report.check(policy: session.configuration.data.onError) }
        return (directory, set)
    }

    /// Whether the set is there, as it was written and of this identity.
    private func isUsable(_ directory: String, _ identity: String) throws -> Bool {
        guard let set = try PreparedSet.read(directory), set.identity == identity else { return false }
        let rows = plan.modelRows ?? plan.tokenizer.vocabularySize
        let isAsWritten = try set.isAsWritten(in: directory, session.knownDigests)
        if isAsWritten && set.parts.allSatisfy({ $0.largestID < rows }) { return true }
        session.log.warning("\(directory): the prepared data were changed: they are made again")
        return false
    }

    /// One directory for each reading of the same files.
    private var name: String {
        let key = DigestStream()
        for file in files { key.update(Durable.absolute(file)) }
        key.update("\(plan.tokenizer.digest) \(plan.eosTokenID) \(plan.maxTokens) \(form) \(limit ?? -1)")
        if let rows = plan.modelRows { key.update("\(rows) rows") }
        let file = URL(ofFile: files[0]).deletingPathExtension().lastPathComponent.shortened(to: 100)
        return "\(file)-\(form)-\(key.digest.hex.prefix(8))"
    }

    private func identity() throws -> String {
        let settings = session.configuration.data
        let key = DigestStream()
        key.update("\(PreparedPart.schema) \(Version.numerics) \(form) \(settings.rowRules.identity) \(limit ?? -1)")
        key.update("\(plan.template.identity) \(plan.eosTokenID) \(plan.bosTokenID ?? -1) \(plan.overLong)")
        key.update("\(plan.maxTokens) \(plan.maxPromptTokens ?? -1) \(plan.tokenizer.digest)")
        if let rows = plan.modelRows { key.update("\(rows) rows") }
        for file in files {
            // Whose fault it is that a file cannot be opened is said here.
            _ = try LineReader(path: file)
            key.update(try session.knownDigests.digest(ofFile: file, .data))
        }
        return key.digest.hex
    }

    // MARK: - Making one

    /// What a rank found in its portion of a file.
    private struct Found: Codable {
        var rows = 0
        var kept = 0
        var truncatedPrompts = 0
        var truncatedResponses = 0
        var differingEarly = 0
        var bad = BadRows()
        var unusable: [PreparedSet.Unusable] = []
        var parts: [PreparedSet.Part] = []

        mutating func count<Row: TokenizedRow>(_ row: Row, _ add: (Row) -> Void) {
            truncatedPrompts += row.isPromptTruncated ? 1 : 0
            truncatedResponses += row.truncatedResponses.count { $0 }
            add(row)
        }
    }

    private func make(_ directory: String, _ identity: String) throws {
        let partial = directory + ".partial"
        try world.onRankZero {
            try Durable.remove(partial)
            try Durable.createDirectory(partial)
        }
        let (portions, parsers) = try portions()
        let allowances = try allowances(portions, parsers)
        let found = try world.withoutTimeout {
            try world.collectively {
                try files.indices.map { file in
                    try read(portions[file][world.rank], parsers[file], allowances[file], padded(file), partial)
                }
            }
        }
        let all = try world.allGather(Array(JSONEncoder().encode(found))).map {
            try JSONDecoder().decode([Found].self, from: Data($0))
        }
        try world.withoutTimeout {
            try world.onRankZero {
                var set = PreparedSet(identity: identity, form: form, template: plan.template.identity)
                for (index, file) in files.enumerated() {
                    let own = all.map { $0[index] }
                    let rows = own.reduce(0) { $0 + $1.rows }
                    guard rows > 0 else {
                        throw RDOError(.data, "the file has no rows", at: file, remedy: "name a file with data")
                    }
                    set.report.count(
                        DataReport.File(path: file, format: parsers[index].format, rows: rows),
                        kept: own.reduce(0) { $0 + $1.kept }, bad: own.reduce(into: BadRows()) { $0.add($1.bad) },
                        differingEarly: own.reduce(0) { $0 + $1.differingEarly })
                    set.unusable += own.flatMap(\.unusable)
                    set.parts += own.flatMap(\.parts)
                    set.truncatedPrompts += own.reduce(0) { $0 + $1.truncatedPrompts }
                    set.truncatedResponses += own.reduce(0) { $0 + $1.truncatedResponses }
                }
                set.digest = digest(of: set, in: partial)
                try set.write(partial)
                try Durable.publish(partial, as: directory, replaced: directory + ".replaced")
            }
        }
    }

    /// For each file the portions of all ranks, and its parser.
    private func portions() throws -> ([[FilePortion]], [RowParser]) {
        // A sequential file must be read to know its lines: each by another rank.
        let sequential = try world.withoutTimeout {
            try world.allReduceSum(
                world.collectively {
                    try files.enumerated().map { index, file in
                        guard index % world.size == world.rank, try LineReader.isSequential(file) else { return 0 }
                        return Int64(try LineReader.lineCount(file))
                    }
                })
        }
        var portions = try world.collectively {
            try files.indices.map { file in
                try FilePortion.portions(
                    of: files[file], count: world.size, rowLimit: session.configuration.data.maxRowBytes
                ) {
                    _ in Int(sequential[file])
                }
            }
        }
        let counts = try world.withoutTimeout {
            try world.allReduceSum(
                world.collectively {
                    try portions.flatMap { ranks in
                        try ranks.indices.map { $0 == world.rank ? Int64(try ranks[$0].lineCount()) : 0 }
                    }
                })
        }
        var parsers: [RowParser] = []
        var linesBefore = 0
        for file in files.indices {
            var line = 1
            for rank in 0..<world.size {
                portions[file][rank].firstLine = line
                line += Int(counts[file * world.size + rank])
            }
            parsers.append(
                try world.collectively {
                    try RowParser(
                        file: files[file], session.configuration.data.rowRules, linesBefore: linesBefore)
                })
            linesBefore += line - 1
        }
        return (portions, parsers)
    }

    /// How many of its portion's records a rank may use of each file: all, unless there is a limit.
    private func allowances(_ portions: [[FilePortion]], _ parsers: [RowParser]) throws -> [Int] {
        guard let limit else { return files.map { _ in Int.max } }
        let own = try world.collectively {
            try files.indices.flatMap { file in
                var count = 0
                try portions[file][world.rank].forEachLine { line in
                    if case .success? = parsers[file].parse(line) { count += 1 }
                }
                return (0..<world.size).map { $0 == world.rank ? Int64(count) : 0 }
            }
        }
        let counts = try world.allReduceSum(own).map { Int($0) }
        return files.indices.map { file in
            max(0, limit - counts[..<(file * world.size + world.rank)].reduce(0, +))
        }
    }

    private func read(
        _ portion: FilePortion, _ parser: RowParser, _ allowance: Int, _ prefix: String,
        _ directory: String
    ) throws -> Found {
        var found = Found()
        var builder = PreparedPart.Builder()
        func flush() throws {
            guard builder.count > 0 else { return }
            let name = "\(prefix)-\(padded(world.rank))-\(padded(found.parts.count)).h5"
            found.parts.append(
                try PreparedSet.Part(
                    builder, as: name, in: directory, header: session.header(PreparedPart.schema)))
            builder = PreparedPart.Builder()
        }
        try portion.forEachLine { line in
            guard let parsed = parser.parse(line) else { return }
            found.rows += 1
            switch parsed {
            case .failure(let row):
                found.bad.add(row)
                try DataReport.stop(after: found.bad, of: found.rows, policy: session.configuration.data.onError)
            case .success(let record):
                found.kept += 1
                found.differingEarly += record.differsEarly ? 1 : 0
                guard found.kept <= allowance else { return }
                do throws(BadRow) {
                    switch form {
                    case .responses: found.count(try plan.example(of: record)) { builder.append($0) }
                    case .differences: found.count(try plan.differenceExample(of: record)) { builder.append($0) }
                    }
                } catch {
                    found.unusable.append(PreparedSet.Unusable(row: record.row, why: error))
                }
            }
            if builder.count == PreparedPart.rowLimit { try flush() }
        }
        try flush()
        return found
    }

    private func digest(of set: PreparedSet, in directory: String) -> String {
        switch form {
        case .responses: DataSet(examples: set.examples(in: directory)).digest
        case .differences:
            ScorerInputs.differences(set.differenceExamples(in: directory), eos: plan.eosTokenID).digest ?? ""
        }
    }

    private func padded(_ number: Int) -> String { String(format: "%05ld", number) }
}
