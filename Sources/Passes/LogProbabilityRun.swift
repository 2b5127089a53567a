import Coding
import Diagnostics
import Foundation
import Parallel
import Settings
import Storage

/// `rdo logprobs`: log-probabilities of every response of a data file under any model.
package struct LogProbabilityRun {
    private let configuration: Configuration
    private let model: String
    private let adapter: String?
    private let output: String
    private let chunk: Int

    /// - Parameters:
    ///   - adapter: PEFT directory that is merged into the model.
    ///   - data: the preference data.
    ///   - chunk: responses per forward pass and durable unit.
    ///   - settings: configuration keys, as `--set` takes them.
    /// - Throws: `RDOError.usage` when a setting is wrong.
    package init(
        model: String, adapter: String?, data: String, output: String, chunk: Int, settings: [String]
    ) throws {
        (self.model, self.adapter, self.output, self.chunk) = (model, adapter, output, chunk)
        var configuration = Configuration()
        configuration.output = URL(ofFile: output).deletingLastPathComponent().path
        configuration.model.path = model
        configuration.data.train = [data]
        try configuration.apply(settings)
        try configuration.validate("configuration")
        self.configuration = configuration
        guard chunk > 0 else { throw RDOError(.usage, "--chunk must be at least 1") }
    }

    /// Collective.
    package func run(on world: Communicator) throws {
        // Said before anything stands beside what somebody named.
        try world.onRankZero {
            guard try InputFile.exists(output, .usage), try !Artefacts.isHDF5(output) else { return }
            throw RDOError(
                .usage, "there is a file of another kind", at: output, remedy: "name another file, or remove this one")
        }
        let session = try Session(
            configuration, world: world, resume: ResumeChoice([]), tracePath: nil, keepsLog: false)
        let data = try session.dataSets(model: model)
        let loaded = try FrozenModel(model, head: .languageModel, adapter: adapter, session: session)
        let responses = ResponseLogProbabilities(
            schema: ReferenceFile.logprobsSchema, chunk: chunk, dataDigest: data.train.digest,
            conventions: data.conventions, model: loaded, session: session)
        try session.blamingWeights { try responses.store(data.train.examples, in: output) }
    }
}
