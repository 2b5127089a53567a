import Coding
import Columns
import Diagnostics
import Foundation
import Methods
import Parallel
import Preferences
import Settings
import Storage
import Transformer

/// What a scorer reads of the rows beside the ids of the model that is trained.
package struct ScorerReading {
    package enum Form: String, Hashable, Codable, Sendable {
        /// Both responses in one input.
        case differences
        /// Each response after the prompt.
        case responses
    }

    /// Directory of the scorer.
    package let model: String
    package let form: Form

    package init(model: String, form: Form) { (self.model, self.form) = (model, form) }
}

/// What distinguishes one loaded data set from another within a session.
struct DataSetKey: Hashable {
    fileprivate let files: [String]
    fileprivate let limit: Int?
    fileprivate let reader: ModelReading.Key
    fileprivate let scorer: ModelReading.Key?
    fileprivate let form: ScorerReading.Form?
}

extension Session {
    /// Collective: reads and tokenises the training and held-out files for the model at `path`.
    ///
    /// - Parameters:
    ///   - trainFiles: other files than the configuration's.
    ///   - scorer: reads the rows too; one that it cannot use is a bad row.
    /// - Throws: `RDOError.data` for bad rows, `.artefact` when tokenizer and model do not fit.
    package func dataSets(
        model path: String, trainFiles: [String]? = nil, scorer: ScorerReading? = nil
    ) throws -> PassData {
        let settings = configuration.data
        let (own, scorers) = try world.collectively {
            (
                try ModelReading(of: path, configuration),
                try scorer.map { (try ModelReading(of: $0.model, configuration), $0.form) }
            )
        }
        say(own)
        return PassData(
            train: try load(trainFiles ?? settings.train, limit: settings.limit, own, scorers),
            test: settings.test.isEmpty ? nil : try load(settings.test, limit: settings.testLimit, own, scorers),
            conventions: own.conventions)
    }

    /// Collective: the held-out files alone; nil where there are none.
    /// - Throws: as `dataSets`.
    func heldOutData(as reading: ModelReading) throws -> DataSet? {
        let settings = configuration.data
        return settings.test.isEmpty ? nil : try load(settings.test, limit: settings.testLimit, reading, nil)
    }

    private func load(
        _ files: [String], limit: Int?, _ own: ModelReading, _ scorer: (ModelReading, ScorerReading.Form)?
    ) throws -> DataSet {
        let key = DataSetKey(files: files, limit: limit, reader: own.key, scorer: scorer?.0.key, form: scorer?.1)
        if let known = dataSets[key] { return known }
        let loaded = try DataSetLoader(session: self, own: own, scorer: scorer).load(files, limit: limit)
        dataSets[key] = loaded
        return loaded
    }

    /// A scorer reads the ids of the policy's tokenizer, so it must have been trained with the same one.
    /// - Throws: `RDOError.artefact` when the directory's own tokenizer is another.
    func requireTokenizer(of path: String, toBe expected: any Tokenizer) throws {
        guard try TokenizerLoader.load(configuration.tokenizerSource(model: path)).digest != expected.digest else {
            return
        }
        throw RDOError(
            .artefact, "its tokenizer is not the policy's", at: path,
            remedy: "use a model of the policy's family, or set model.tokenizer for both")
    }

    /// - Throws: `RDOError.artefact` when a model that reads another's sequences has too few positions for one of them, or
    ///   no row for one of their tokens.
    func requireReadable(_ data: PassData, by model: FrozenModel, at path: String) throws {
        try requireReadable(data.parts.joined(), by: model, at: path)
    }

    /// - Throws: as for data of a pass.
    func requireReadable(
        _ examples: some Sequence<TokenizedExample>, by model: FrozenModel, at path: String
    ) throws {
        let (limit, rows) = (model.maxPositions, Int32(clamping: model.vocabularySize))
        for example in examples {
            if let id = ([example.prompt] + example.responses).lazy.compactMap({ $0.max() }).max(), id >= rows {
                throw RDOError(
                    .artefact, "row \(example.row + 1) has the token \(id), this model only \(rows) rows of tokens",
                    at: path,
                    remedy: "use a model of the policy's vocabulary")
            }
            let longest = example.prompt.count + (example.responses.map(\.count).max() ?? 0)
            guard longest > limit else { continue }
            throw RDOError(
                .artefact, "row \(example.row + 1) has \(longest) tokens, this model reads \(limit)", at: path,
                remedy: "lower data.max_tokens to \(limit)")
        }
    }
}

/// The prepared rows of some files that every reader of a pass can use.
private struct DataSetLoader {
    let session: Session
    let own: ModelReading
    let scorer: (reading: ModelReading, form: ScorerReading.Form)?

    /// Collective.
    func load(_ files: [String], limit: Int?) throws -> DataSet {
        let (place, set) = try DataPreparation(
            session: session, files: files, limit: limit, plan: own.plan, form: .responses
        ).set()
        let scored = try scorer.map { reading, form in
            try DataPreparation(
                session: session, files: files, limit: limit,
                plan: form == .differences ? reading.differencePlan : reading.plan, form: form
            ).set()
        }
        return try session.world.collectively { () throws -> DataSet in
            let unusable = set.unusable + (scored?.set.unusable ?? [])
            let without = Admission(set, place, leavingOut: unusable)
            let report = try report(set, unusable, without)
            if session.world.rank == 0 { try write(report, of: files) }
            let examples = without.admitted(set.examples(in: place))
            guard let scored, let scorer else {
                return DataSet(
                    examples: examples, withTexts: without.admitted(set.texts(in: place)), digest: without.digest)
            }
            let scorers = Admission(scored.set, scored.directory, leavingOut: unusable)
            let inputs: ScorerInputs =
                switch scorer.form {
                case .differences:
                    .differences(
                        scorers.admitted(scored.set.differenceExamples(in: scored.directory)),
                        eos: scorer.reading.conventions.eosTokenID)
                case .responses: .responses(scorers.admitted(scored.set.examples(in: scored.directory)))
                }
            return DataSet(
                examples: examples, withTexts: without.admitted(set.texts(in: place)), digest: without.digest,
                scorerInputs: inputs, scorerDigest: scorers.digest)
        }
    }

    /// - Throws: `RDOError.data` when a row is bad and `data.on_error` says so, or none is left.
    private func report(
        _ set: PreparedSet, _ unusable: [PreparedSet.Unusable], _ admission: Admission
    ) throws -> DataReport {
        var report = set.report
        var seen = Set<Int>()
        let rows = unusable.filter { seen.insert($0.row).inserted }.sorted { $0.row < $1.row }
        try report.admit(
            admission.count, truncatedPrompts: set.truncatedPrompts - admission.truncatedPrompts,
            truncatedResponses: set.truncatedResponses - admission.truncatedResponses,
            bad: BadRows(rows.lazy.map(\.why)),
            policy: session.configuration.data.onError)
        if report.badCount > 0 { session.log.warning("left out \(report.summary)") }
        return report
    }

    /// Named by the first file; where the training data's first file has the same name, with a digest of where it is.
    private func write(_ report: DataReport, of files: [String]) throws {
        func name(_ file: String) -> String { URL(ofFile: file).lastPathComponent.shortened(to: 100) }
        let path = Durable.absolute(files[0])
        let train = session.configuration.data.train.first.map(Durable.absolute)
        let isTaken = train.map { $0 != path && name($0) == name(path) } ?? false
        let place = DigestStream()
        place.update(path)
        let suffix = isTaken ? "-" + place.digest.hex.prefix(8) : ""
        let output = session.configuration.output + "/data-report-\(name(path))\(suffix).json"
        do { try Durable.write(Data(report.json().utf8), to: output) } catch {
            throw RDOError(.usage, "cannot write the data report (\(error))", at: output)
        }
    }
}

/// A prepared set without the rows that another reader cannot use.
private struct Admission {
    /// Rows that are left.
    let count: Int
    /// Digest of the set; nil when rows were left out.
    let digest: String?
    /// Of the rows that are left out.
    private(set) var truncatedPrompts = 0
    private(set) var truncatedResponses = 0
    /// Places in the set that are left out, in order.
    private let out: [Int]

    init(_ set: PreparedSet, _ directory: String, leavingOut unusable: [PreparedSet.Unusable]) {
        let own = Set(set.unusable.map(\.row))
        let others = Set(unusable.map(\.row)).subtracting(own).sorted()
        out = set.places(of: others, in: directory)
        count = set.parts.reduce(0) { $0 + $1.rows } - out.count
        digest = out.isEmpty ? set.digest : nil
        guard set.form == .responses, !out.isEmpty else { return }
        for row in set.examples(in: directory).selecting(out) {
            truncatedPrompts += row.isPromptTruncated ? 1 : 0
            truncatedResponses += row.truncatedResponses.count { $0 }
        }
    }

    func admitted<Row>(_ rows: Rows<Row>) -> Rows<Row> {
        rows.leavingOut(out)
    }
}
