import Configuration
import Diagnostics
import Foundation
import Parallel
import Storage
import Transformer

/// `rdo logprobs`: log-probabilities of every response of a data file under any model.
package struct LogProbabilityRun {
    private let configuration: Configuration
    private let model: String
    private let output: String
    private let chunk: Int

    /// - Parameters:
    ///   - settings: configuration keys, as `--set` takes them.
    ///   - chunk: responses per forward pass and durable unit.
    /// - Throws: `RDOError.usage` when a setting is wrong.
    package init(model: String, output: String, chunk: Int, settings: [String]) throws {
        self.model = model
        self.output = output
        self.chunk = chunk
        let directory = URL(fileURLWithPath: output).deletingLastPathComponent().path
        configuration = try Configuration(
            yaml: "{}", settings: ["output=\(directory)", "model.path=\(model)"] + settings)
        guard chunk > 0 else { throw RDOError(.usage, "--chunk must be at least 1") }
    }

    /// Collective.
    package func run(on world: Communicator) throws {
        let session = try Session(configuration, world: world, resume: .auto, tracePath: nil, keepsLog: false)
        let data = try session.dataSets(model: model)
        let loaded = try FrozenModel(model, head: .languageModel, session: session)
        try ResponseLogProbabilities(
            session: session, schema: ReferenceFile.logprobsSchema, chunk: chunk,
            configurationText: configuration.effectiveYAML
        ).store(
            data.train.examples, dataDigest: data.train.digest, data.conventions, loaded, path: output)
    }
}
