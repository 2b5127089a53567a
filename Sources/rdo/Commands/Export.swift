import ArgumentParser
import Diagnostics
import Passes

struct Export: ParsableCommand {
    static let configuration = CommandConfiguration(abstract: "Write a checkpoint as a Hugging Face directory.")

    @Argument(help: "A checkpoint (step-...), or a directory of checkpoints, of which the newest is taken.")
    var checkpoint: String

    @Option(help: "The directory to write.")
    var out: String

    @Option(help: "Tokenizer directory or file; the run's own by default.")
    var tokenizer: String?

    @Flag(help: "Weights in bf16 instead of f32.")
    var bf16 = false

    @Flag(help: "Of a checkpoint of adapters, write these alone, as a PEFT directory, instead of the merged model.")
    var adapter = false

    func run() throws {
        try StandardOutput.write(
            CheckpointExport.run(
                checkpoint: checkpoint, output: out, tokenizer: tokenizer, isHalfPrecision: bf16,
                writesAdapter: adapter))
    }
}
