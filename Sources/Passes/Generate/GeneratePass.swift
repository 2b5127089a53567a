import Coding
import Diagnostics
import Foundation
import Generation
import Methods
import Preferences
import Settings
import Storage
import Tensors
import Training
import Transformer

/// Answers queries with a model, over all ranks, and writes the responses as JSONL (`rdo generate`).
///
/// A rank answers a chunk of queries at a time and what it contains does not depend on the ranks, so neither do the
/// responses. A finished chunk is never computed again.
package struct GeneratePass: CommandPass {
    package static let name = PassName(rawValue: "generate")
    package static let summary = "Answer queries with a model and write the responses."

    package init() {}

    package func recipe(_ configuration: Configuration, _ digests: KnownDigests) throws -> Recipe {
        let settings = configuration.generate
        var recipe = try Recipe(
            configuration, digests, trainFiles: settings.prompts, reader: configuration.generatingModel)
        recipe.add(settingsOf: name.rawValue)
        try recipe.add(model: configuration.generatingModel, head: .languageModel, as: "model")
        if let adapter = settings.adapter { try recipe.add(adapter: adapter, as: "adapter") }
        return recipe
    }

    package func artefacts(in configuration: Configuration) -> [String] { [configuration.generatedFile] }

    package func progress(in configuration: Configuration) throws -> String {
        let file = configuration.generatedFile
        let name = (file as NSString).lastPathComponent
        if let unfinished = try GeneratedFile.progress(file) { return "\(name): \(unfinished)" }
        return try InputFile.exists(file) ? name : ""
    }

    package func run(_ session: Session) throws {
        let configuration = session.configuration
        let settings = configuration.generate
        try Generating(
            settings: settings, files: settings.prompts ?? configuration.data.train,
            model: configuration.generatingModel, output: configuration.generatedFile, session: session
        ).run()
    }
}

extension Configuration {
    /// The model that answers: where the policy's training starts, unless another is named.
    var generatingModel: String { generate.model ?? alignmentModel }

    package var generatedFile: String { generate.file ?? output + "/generated.jsonl" }
}

/// One model's answers to the queries of some files.
struct Generating {
    let settings: GenerateSettings
    let files: [String]
    /// Directory of the model.
    let model: String
    /// The file of responses.
    let output: String
    let session: Session

    /// Collective.
    /// - Throws: `RDOError.stopped` when a signal came; all finished chunks stay.
    func run() throws {
        let (world, configuration) = (session.world, session.configuration)
        let decoding = settings.decoding(seed: session.seed)
        let (reading, endTokens) = try world.collectively {
            let reading = try ModelReading(of: model, configuration)
            let (ends, own) = (try ModelDirectory.endTokens(of: model), reading.conventions.responseEnd)
            return (reading, ends.contains(own) ? ends : ends + [own])
        }
        session.say(reading)
        let plan = reading.plan
        let room = plan.maxTokens - decoding.maxTokens
        guard room >= 1 else {
            throw RDOError(
                .usage,
                "generate.max_new_tokens (\(decoding.maxTokens)) leaves no room for a prompt within "
                    + "\(plan.maxTokens) tokens",
                remedy: "lower it, or raise data.max_tokens as far as the model allows")
        }
        let prompts = try world.collectively {
            try GenerationPrompts(
                files, configuration.data, limit: settings.limit, plan: plan, room: room, keepsRows: world.rank == 0)
        }
        if prompts.report.badCount > 0 { session.log.warning("left out \(prompts.report.summary)") }
        if prompts.cutCount > 0 {
            session.log.warning(
                "\(prompts.cutCount) of \(prompts.count) prompts are cut at their beginning to \(room) tokens")
        }
        let chunk = min(settings.chunk, prompts.count)
        let frozen = try FrozenModel(
            model, head: .languageModel, adapter: settings.adapter,
            treeTokens: Generator.treeTokens(batch: settings.batch, longestPrompt: room), session: session)
        let stop = StopCondition(decoding, endTokens: endTokens, tokenizer: reading.conventions.tokenizer)
        let generator = frozen.generator(decoding, stop, batch: settings.batch)
        let identity = identity(decoding, frozen, reading.conventions, endTokens, prompts, chunk: chunk)
        let pass = ForwardPass(
            title: "generate", path: output, itemCount: prompts.count, chunk: chunk, model: frozen, session: session,
            longestItem: room + decoding.width * decoding.maxTokens)
        let rows = GeneratedRows(prompts: prompts, stop: stop, addGiven: settings.addGiven)
        var file: GeneratedFile?
        let began = ContinuousClock.now
        let isNew = try pass.run(
            misfit: { try GeneratedFile.misfit(output, identity: identity) },
            open: {
                let info = GeneratedFile.Info(
                    created: session.header("").created, software: session.header("").software, identity: identity,
                    model: model, model_digest: frozen.digest, config: configuration.yaml)
                let new = try GeneratedFile(output, info, count: prompts.count, chunk: chunk, rows: rows.rows)
                file = new
                return new
            },
            compute: { range in
                let answers = try generator.responses(to: prompts.queries(range)) { hasWork in
                    try frozen.team.size == 1 ? hasWork : frozen.team.allReduceMax(hasWork ? 1 : 0) == 1
                }
                return GeneratedRows.bytes(of: answers)
            })
        guard isNew, let file else { return }
        let seconds = began.duration(to: .now) / .seconds(1)
        let ends = file.info.ends.sorted { $0.key < $1.key }.map { "\($0.value) \($0.key)" }.joined(separator: ", ")
        session.log.info(
            "generate: \(file.info.responses) responses to \(prompts.count) queries in \(output) (\(ends)); "
                + "\(rows.newTokens) tokens in \(String(format: "%.1f", seconds)) s, "
                + "\(String(format: "%.0f", Double(rows.newTokens) / seconds)) tokens/s")
        if rows.leftOut > 0 {
            session.log.warning(
                "\(rows.leftOut) empty or repeated responses are left out; "
                    + "\(rows.shortLists) queries have fewer than two left and no row")
        }
    }

    /// Digest of all that decides what the file will hold.
    private func identity(
        _ decoding: Decoding, _ model: FrozenModel, _ conventions: PassConventions, _ endTokens: [Int32],
        _ prompts: GenerationPrompts, chunk: Int
    ) -> String {
        let stream = DigestStream()
        // The chunk too: which rows share a matrix product may change the last bit of a logit, and with it a near tie.
        stream.update("\(Version.numerics) \(decoding) \(chunk) \(settings.batch) \(settings.addGiven) \(endTokens)")
        stream.update("\(model.digest) \(conventions.tokenizer.digest) \(conventions.template)")
        prompts.update(stream)
        return stream.digest.hex
    }
}

/// Makes rows of the file of what the ranks found. Rank 0's.
private final class GeneratedRows {
    private let prompts: GenerationPrompts
    private let stop: StopCondition
    private let addGiven: Bool
    /// Tokens that this process's ranks generated.
    private(set) var newTokens = 0
    private(set) var leftOut = 0
    private(set) var shortLists = 0

    init(prompts: GenerationPrompts, stop: StopCondition, addGiven: Bool) {
        (self.prompts, self.stop, self.addGiven) = (prompts, stop, addGiven)
    }

    static func bytes(of answers: [[GeneratedResponse]]) -> [UInt8] {
        let ends = ResponseEnd.allCases
        return ByteWriter.bytes(of: answers) { responses, bytes in
            bytes.write(responses) { response, bytes in
                bytes.write(ends.firstIndex(of: response.end) ?? 0)
                bytes.write(response.ids) { $1.write(Int($0)) }
            }
        }
    }

    func rows(_ range: Range<Int>, _ result: [UInt8]) throws -> [GeneratedFile.Row] {
        let ends = ResponseEnd.allCases
        let answers = try ByteReader.array(of: result) { bytes in
            try bytes.readArray { bytes in
                let end = ends[min(try bytes.readInt(), ends.count - 1)]
                return GeneratedResponse(ids: try bytes.readArray { Int32(try $0.readInt()) }, end: end)
            }
        }
        return try zip(range, answers).compactMap { try row($0, $1) }
    }

    private func row(_ index: Int, _ responses: [GeneratedResponse]) throws -> GeneratedFile.Row? {
        newTokens += responses.reduce(0) { $0 + $1.ids.count }
        var texts: [(text: String, tokens: Int?, end: String?)] = try responses.map {
            (try stop.text(of: $0), $0.ids.count, $0.end.rawValue)
        }
        if addGiven {
            let all = texts + (try prompts.given(index).map { ($0, nil, nil) })
            var seen = Set<String>()
            texts = all.filter { response in
                !response.text.allSatisfy(\.isWhitespace) && seen.insert(response.text).inserted
            }
            leftOut += all.count - texts.count
            guard texts.count >= 2 else {
                shortLists += 1
                return nil
            }
        }
        func list(_ name: String, _ values: [String]) -> String { "\"\(name)\": [\(values.joined(separator: ", "))]" }
        var members = [
            prompts.head(index), list("responses", texts.map(\.text.quotedAsJSON)),
            list("token_counts", texts.map { $0.tokens.map(String.init) ?? "null" }),
            list("ends", texts.map { $0.end?.quotedAsJSON ?? "null" }),
        ]
        if addGiven { members.append(list("sources", texts.map { $0.end == nil ? "\"given\"" : "\"generated\"" })) }
        return GeneratedFile.Row(
            json: "{" + members.joined(separator: ", ") + "}", tokens: responses.reduce(0) { $0 + $1.ids.count },
            ends: responses.map(\.end.rawValue))
    }
}
