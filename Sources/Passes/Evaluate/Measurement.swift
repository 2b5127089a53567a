import Coding
import Columns
import Diagnostics
import Foundation
import Methods
import Preferences
import Storage
import Transformer

/// Figures of responses, or of pairs of them, that one model computes into one file.
struct Measurement {
    /// The input of some items, and how many figures each has.
    private enum Inputs {
        /// Every response of these is an item.
        case responses(Rows<TokenizedExample>)
        /// Every one of some comparisons of the responses is an item.
        case comparisons([ComparedExample], eos: Int32)
    }

    /// Responses of a query with the comparisons to be made of them.
    struct ComparedExample {
        let example: DifferenceExample
        let comparisons: [(first: Int, second: Int)]
    }

    /// What it is of, for messages and the file's name.
    let name: String
    let measure: MeasurementFile.Measure
    private let inputs: Inputs
    private let items: NumberedItems

    /// Of every response of some examples: `logprob` or `reward`.
    /// - Throws: `RDOError.artefact` when the temporary directory has no room.
    init(_ name: String, _ measure: MeasurementFile.Measure, of examples: Rows<TokenizedExample>) throws {
        (self.name, self.measure, inputs) = (name, measure, .responses(examples))
        items = try NumberedItems(counts: examples.lazy.map(\.responses.count))
    }

    /// Differences.
    /// - Throws: `RDOError.artefact` when the temporary directory has no room.
    init(_ name: String, of examples: [ComparedExample], eos: Int32) throws {
        (self.name, measure, inputs) = (name, .difference, .comparisons(examples, eos: eos))
        items = try NumberedItems(counts: examples.lazy.map(\.comparisons.count))
    }

    var count: Int { items.count }

    func path(in session: Session) -> String { session.configuration.directory(of: EvaluatePass.name) + "/\(name).h5" }

    // MARK: - Computing

    /// Collective. Makes the files of some measurements with the model of a directory, which is loaded unless all of them are
    /// there and were made of the same things.
    ///
    /// - Throws: `RDOError` when the model cannot be read or gives a value that is not finite, or a signal came.
    static func run(
        _ measurements: [Measurement], model path: String, head: HeadKind, _ conventions: PassConventions,
        _ session: Session
    ) throws {
        let world = session.world
        let measurements = measurements.filter { $0.count > 0 }
        let digest = try session.digest(ofModel: path) { try ModelDirectory.open(path, head: head).digest() }
        let provenance = Provenance(
            modelDigest: digest, tokenizerDigest: conventions.tokenizer.digest, dataDigest: nil,
            template: conventions.template)
        let areDone = try world.isTrueOnRankZero {
            try measurements.allSatisfy { measurement in
                let file = measurement.path(in: session)
                return try InputFile.exists(file) && measurement.misfits(file, provenance).isEmpty
            }
        }
        if areDone { return session.log.info("evaluate: all figures of \(path) are there") }
        let settings = session.configuration
        let model = try FrozenModel(
            path, head: head, treeTokens: settings.evaluate.chunk * settings.data.maxTokens, session: session)
        for measurement in measurements {
            try world.collectively { try measurement.requireReadable(by: model, at: path, session) }
            try measurement.store(model, provenance, session)
        }
    }

    private func store(_ model: FrozenModel, _ provenance: Provenance, _ session: Session) throws {
        let path = path(in: session)
        // Rank 0 alone writes.
        let table = try session.world.onRankZero { try (keys: keys(), tokenCounts: tokenCounts()) }
        let pass = ForwardPass(
            title: "evaluate: \(name)", path: path, itemCount: items.count,
            chunk: session.configuration.evaluate.chunk, model: model, session: session)
        _ = try pass.run(
            misfit: { try misfits(path, provenance) },
            open: {
                guard let table else { preconditionFailure("rank 0 has the keys") }
                return try MeasurementWriter(
                    path: path, header: session.header(MeasurementFile.schema), measure: measure,
                    provenance: provenance, keys: Rows(table.keys), tokenCounts: Rows(table.tokenCounts),
                    chunkRows: pass.chunk)
            }, compute: { try model.outputs(of: request($0, model)) })
    }

    /// What the file that stands there was made of and this one will not be.
    private func misfits(_ path: String, _ provenance: Provenance) throws -> [String] {
        let file = try MeasurementFile.read(path)
        return provenance.differences(from: file.provenance)
            + (file.measure == measure ? [] : ["it has other figures"])
            + (file.keys.elementsEqual(try keys()) ? [] : ["it has other responses"])
    }

    private func requireReadable(by model: FrozenModel, at path: String, _ session: Session) throws {
        guard case .responses(let examples) = inputs else { return }
        try session.requireReadable(examples, by: model, at: path)
    }

    private func request(_ range: Range<Int>, _ model: FrozenModel) -> ForestRequest {
        let groups = items.groups(range)
        switch inputs {
        case .responses(let examples):
            // A query whose responses fall into two chunks is read in both.
            let own = groups.map { examples[$0.group].keeping(responses: Array($0.items)) }
            return measure == .reward ? model.rewards(of: own) : .responses(of: own)
        case .comparisons(let examples, let eos):
            var forest = TokenForest()
            let ends = groups.flatMap { group, items in
                DifferenceTree.append(
                    examples[group].example,
                    comparisons: examples[group].comparisons[items].flatMap {
                        [($0.first, $0.second), ($0.second, $0.first)]
                    },
                    eos: eos, to: &forest)
            }
            return ForestRequest(forest: forest, outputs: .scalars(ends))
        }
    }

    // MARK: - What the items are

    private func keys() throws -> ScratchColumn<ContentKey> {
        let keys = ScratchColumn<ContentKey>()
        switch inputs {
        case .responses(let examples): for example in examples { try keys.append(contentsOf: example.responseKeys) }
        case .comparisons(let examples, _):
            for one in examples {
                try keys.append(contentsOf: one.comparisons.map { one.example.key($0.first, $0.second) })
            }
        }
        return keys
    }

    private func tokenCounts() throws -> ScratchColumn<Int32> {
        let counts = ScratchColumn<Int32>()
        switch inputs {
        case .responses(let examples):
            for example in examples { try counts.append(contentsOf: example.responses.map { Int32($0.count) }) }
        case .comparisons(let examples, _):
            for one in examples {
                try counts.append(
                    contentsOf: one.comparisons.map {
                        Int32(one.example.asFirst[$0.first].count + one.example.asSecond[$0.second].count)
                    })
            }
        }
        return counts
    }
}

extension MeasurementWriter: ChunkWriter {}

extension DifferenceExample {
    /// The key of two of its responses as the difference model reads them.
    func key(_ first: Int, _ second: Int) -> ContentKey {
        .pair(query: query, first: asFirst[first], second: asSecond[second])
    }
}

/// Figures that were stored, by key.
struct MeasuredValues {
    private let path: String
    private let file: MeasurementFile

    init(of measurement: Measurement, _ session: Session) throws {
        path = measurement.path(in: session)
        file = try MeasurementFile.read(path)
    }

    /// - Throws: `RDOError.artefact` when the file has not what the pass has just stored there.
    func callAsFunction(_ key: ContentKey) throws -> [Double] {
        guard let values = file[key] else {
            throw RDOError(
                .artefact, "an item is missing (\(key)): another program changed the file", at: path,
                remedy: "remove it, and run the same command again")
        }
        return values
    }
}
