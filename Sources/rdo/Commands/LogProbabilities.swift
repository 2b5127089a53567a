import ArgumentParser
import Configuration
import Parallel
import Passes

struct LogProbabilities: DistributedCommand {
    static let configuration = CommandConfiguration(
        commandName: "logprobs", abstract: "Per-response log-probabilities of any model on any data.")

    @Option(help: "Model directory (Hugging Face).")
    var model: String

    @Option(help: "Preference data (JSONL, plain or .gz).")
    var data: String

    @Option(help: "The HDF5 file to write.")
    var out: String

    @Option(help: "Tokenizer directory or file; the model's own by default.")
    var tokenizer: String?

    @Option(help: "Format of the data: auto, pairs, hh, dahoas, tldr, messages, lists, kto.")
    var format = "auto"

    @Option(help: "Prompt template: plain, hh, alpaca, tldr, chatml.")
    var template = "plain"

    @Option(help: "Longest prompt + response in tokens; the model's own limit by default.")
    var maxTokens: Int?

    @Option(help: "Use only the first so many rows.")
    var limit: Int?

    @Option(help: "Rows per forward pass and unit of saved work.")
    var chunk = 8

    @Flag(help: "Skip bad rows and report them instead of stopping at the first.")
    var skipBadRows = false

    func run(on world: Communicator) throws {
        try LogProbabilityRun(
            model: model, data: data, output: out, tokenizer: tokenizer, format: format, template: template,
            maxTokens: maxTokens, limit: limit, chunk: chunk, skipBadRows: skipBadRows
        ).run(on: world)
    }
}
