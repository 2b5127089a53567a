import ArgumentParser
import Parallel
import Passes

struct LogProbabilities: DistributedCommand {
    static let configuration = CommandConfiguration(
        commandName: "logprobs", abstract: "Per-response log-probabilities of any model on any data.",
        discussion: "Format, template, limits and tokenizer are configuration keys, for example --set data.template=hh."
    )

    @Option(help: "Model directory (Hugging Face).")
    var model: String

    @Option(help: "PEFT directory with LoRA adapters to put on that model.")
    var adapter: String?

    @Option(help: "Preference data (JSONL, plain or .gz).")
    var data: String

    @Option(help: "The HDF5 file to write.")
    var out: String

    @Option(help: "Responses per forward pass and unit of saved work.")
    var chunk = 16

    @Option(name: .customLong("set"), parsing: .upToNextOption, help: "Configuration keys: section.key=value.")
    var settings: [String] = []

    func run(on world: Communicator) throws {
        let run = try world.collectively {
            try LogProbabilityRun(
                model: model, adapter: adapter, data: data, output: out, chunk: chunk, settings: settings)
        }
        try run.run(on: world)
    }
}
