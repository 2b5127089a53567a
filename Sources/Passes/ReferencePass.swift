import Coding
import Columns
import Diagnostics
import Foundation
import Methods
import Preferences
import Settings
import Storage
import Transformer

/// Log-probabilities of every response under a frozen model, stored in `reference.h5` (and `reference-test.h5` for the
/// held-out part). A file made by the same model from the same texts is left as it is.
package struct ReferencePass: CommandPass {
    package static let name = PassName(rawValue: "reference")
    package static let summary = "Store the reference model's log-probabilities of every response."

    package init() {}

    package func recipe(_ configuration: Configuration, _ digests: KnownDigests) throws -> Recipe {
        var recipe = try Recipe(configuration, digests, trainFiles: nil, reader: configuration.alignmentModel)
        recipe.add(settingsOf: name.rawValue)
        try recipe.add(model: configuration.referenceModel, head: .languageModel, as: "reference model")
        for pass in Configuration.trainingPasses
        where pass.readsMismatched && configuration.passes.contains(pass.name) {
            // How responses and queries are combined follows from its batches.
            recipe.add(settingsOf: pass.name.rawValue)
        }
        return recipe
    }

    package func artefacts(in configuration: Configuration) -> [String] {
        let file = configuration.referenceFile
        let parts = [file] + (configuration.data.test.isEmpty ? [] : [file.of(.heldOut)])
        return parts.flatMap { part in
            [part.path] + [part.mismatched.path].filter { FileManager.default.fileExists(atPath: $0) }
        }
    }

    package func progress(in configuration: Configuration) throws -> String {
        try Artefacts.progress(of: artefacts(in: configuration))
    }

    package func run(_ session: Session) throws {
        // The texts as the policy reads them, whatever the limits of the reference.
        let data = try session.dataSets(model: session.configuration.alignmentModel)
        let path = session.configuration.referenceModel
        let model = try FrozenModel(path, head: .languageModel, session: session)
        try session.world.collectively {
            try session.requireTokenizer(of: path, toBe: data.conventions.tokenizer)
            try session.requireReadable(data, by: model, at: path)
        }
        let context = session.context(data.conventions)
        for (part, role) in [(data.train, DataRole.training), (data.test, .heldOut)] {
            guard let part else { continue }
            let file = context.referenceFile.of(role)
            let responses = ResponseLogProbabilities(
                schema: ReferenceFile.schema, chunk: session.configuration.reference.chunk,
                dataDigest: part.digest, conventions: data.conventions, model: model, session: session)
            try responses.store(part.examples, in: file.path)
            for pass in Configuration.trainingPasses where session.configuration.passes.contains(pass.name) {
                guard pass.readsMismatched else { continue }
                let own = try pass.rows(session, start: session.configuration.startModel(of: pass.name))
                guard let part = role == .training ? own.train : own.test else { continue }
                let mismatched = try pass.anyMethod(in: session.configuration).mismatched(
                    part, role, of: own, session.context(own.conventions))
                if !mismatched.isEmpty { try responses.store(mismatched, in: file.mismatched.path) }
            }
        }
    }
}

package struct ReferenceSettings: ConfigurationSection {
    package var model: String?
    package var file: String?
    package var chunk = 16

    package init() {}

    package static var fields: [Field<Self>] {
        [
            .value(
                \.model, "model",
                "Directory of the reference model; by default the model that dpo, or else kto, starts from."),
            .value(\.file, "file", "The reference file; reference.h5 in output by default."),
            .value(\.chunk, "chunk", .atLeast(1), "Responses per forward pass and durable unit of work.").cosmetic,
        ]
    }
}

/// What the reference pass and `rdo logprobs` share.
struct ResponseLogProbabilities {
    let schema: String
    /// Responses per forward pass and durable unit.
    let chunk: Int
    /// Digest of the data that the examples come from.
    let dataDigest: String
    let conventions: PassConventions
    let model: FrozenModel
    let session: Session

    /// Collective. Writes the log-probabilities of all responses of `examples` to `path`, in their order.
    func store(_ examples: Rows<TokenizedExample>, in path: String) throws {
        let provenance = Provenance(
            modelDigest: model.digest, tokenizerDigest: conventions.tokenizer.digest, dataDigest: dataDigest,
            template: conventions.template)
        let responses = NumberedItems()
        // Rank 0 alone needs them.
        let (keys, tokenCounts) = (ScratchColumn<ContentKey>(), ScratchColumn<Int32>())
        try session.world.collectively {
            for example in examples {
                try responses.append(count: example.responses.count)
                guard session.world.rank == 0 else { continue }
                try keys.append(contentsOf: example.responseKeys)
                try tokenCounts.append(contentsOf: example.responses.map { Int32($0.count) })
            }
        }
        let pass = ForwardPass(
            title: "reference", path: path, itemCount: responses.count, chunk: chunk, model: model, session: session,
            dataRow: { examples[responses.groups($0..<$0 + 1)[0].group].row })
        let isNew = try pass.run(
            misfit: {
                let file = try ReferenceFile.read(path)
                return provenance.differences(from: file.provenance)
                    + (file.keys.elementsEqual(keys) ? [] : ["it has other responses"])
                    + (file.header.schema == schema ? [] : ["its schema is \(file.header.schema)"])
            },
            open: {
                try ReferenceWriter(
                    path: path, header: session.header(schema), provenance: provenance, keys: Rows(keys),
                    tokenCounts: Rows(tokenCounts), chunkRows: chunk)
            },
            compute: { range in
                // A query whose responses fall into two chunks is computed in both.
                try model.outputs(
                    of: .responses(
                        of: responses.groups(range).map { examples[$0.group].keeping(responses: Array($0.items)) }))
            })
        if isNew { session.log.info("reference: \(responses.count) log-probabilities in \(path)") }
    }
}

extension ReferenceWriter: ChunkWriter {
    func write(rows: Range<Int>, values: [Double]) throws { try write(rows: rows, logprobs: values) }
}
