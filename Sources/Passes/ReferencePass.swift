import Configuration
import Diagnostics
import Preferences
import Storage
import Training
import Transformer

/// Log-probabilities of every response under a frozen model, stored in `reference.h5` (and `reference-test.h5` for the
/// held-out part). A file made by the same model from the same texts is left as it is.
struct ReferencePass {
    let session: Session

    func run() throws {
        let settings = session.configuration.reference
        let path = settings.model ?? session.alignmentModel
        let data = try session.dataSets(model: path)
        let loaded = try FrozenModel(path, head: .languageModel, session: session)
        try store(data.train, isTest: false, data, loaded, path: session.referencePath)
        if let test = data.test {
            try store(test, isTest: true, data, loaded, path: Session.testPath(beside: session.referencePath))
        }
    }

    private func store(_ part: DataSet, isTest: Bool, _ data: PassData, _ loaded: FrozenModel, path: String) throws {
        let writer = ResponseLogProbabilities(
            session: session, schema: ReferenceFile.schema, chunk: session.configuration.reference.chunk,
            configurationText: session.configuration.effectiveYAML)
        try writer.store(part.examples, dataDigest: part.digest, data.conventions, loaded, path: path)
        guard session.configuration.passes.contains(.kto) else { return }
        try KTOData.check(data)
        let (mismatched, batches) = try KTOData.mismatched(part, isTest: isTest, data: data, session: session)
        let combinations = mismatched.all(batches: batches)
        guard !combinations.isEmpty else { return }
        try writer.store(
            combinations, dataDigest: part.digest, data.conventions, loaded,
            path: Session.mismatchedPath(beside: path))
    }
}

/// What the reference pass and `rdo logprobs` share.
struct ResponseLogProbabilities {
    let session: Session
    let schema: String
    /// Responses per forward pass and durable unit.
    let chunk: Int
    let configurationText: String

    /// Collective. Writes the log-probabilities of all responses of `examples` to `path`, in their order.
    ///
    /// - Parameter dataDigest: of the data that the examples come from.
    func store(
        _ examples: [TokenizedExample], dataDigest: String, _ conventions: PassConventions, _ loaded: FrozenModel,
        path: String
    ) throws {
        let world = session.world
        let provenance = Provenance(
            modelDigest: loaded.digest, tokenizerDigest: conventions.tokenizer.digest, dataDigest: dataDigest,
            template: conventions.template)
        let responses = examples.indices.flatMap { example in
            examples[example].responses.indices.map { (example: example, response: $0) }
        }
        let keys = examples.flatMap(\.responseKeys)
        let isComplete = try world.isTrueOnRankZero {
            guard let file = try? ReferenceFile.read(path) else { return false }
            return file.provenance == provenance && file.keys == keys && file.header.schema == schema
        }
        if isComplete {
            session.log.info("reference: \(path) is complete and unchanged")
            return
        }
        let writer = try world.collectively {
            world.rank == 0
                ? try ReferenceWriter(
                    path: path,
                    header: ArtefactHeader(
                        schema: schema, software: session.software, config: configurationText, worldSize: world.size),
                    provenance: provenance, keys: keys,
                    tokenCounts: examples.flatMap { $0.responses.map { Int32($0.count) } }, chunkRows: chunk) : nil
        }
        let rows = try world.numberFromRankZero { writer?.chunkRows ?? chunk }
        let chunks = (responses.count + rows - 1) / rows
        func range(_ chunk: Int) -> Range<Int> { chunk * rows..<min((chunk + 1) * rows, responses.count) }
        let runner = ForwardRunner(model: loaded.model, parameters: loaded.parameters)
        try ChunkedPass(title: "reference", world: world, team: loaded.team, log: session.log).run(
            finished: writer?.done ?? [Bool](repeating: false, count: chunks),
            compute: { chunk in
                // A query whose responses fall into two chunks is computed in both.
                let own = chunk.map { Array(responses[range($0)]) } ?? []
                let parts = Dictionary(grouping: own, by: \.example).sorted { $0.key < $1.key }.map { entry in
                    examples[entry.key].keeping(responses: entry.value.map(\.response))
                }
                return try runner.outputs(of: LeafRequest.responses(of: parts))
            },
            store: { chunk, values in try writer?.write(rows: range(chunk), logprobs: values) })
        try world.collectively { try writer?.finish() }
        session.log.info("reference: \(responses.count) log-probabilities in \(path)")
    }
}
