import ArgumentParser
import Diagnostics
import Parallel
import Tools

struct Grid: DistributedCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run one training pass for every combination of some settings, and compare them.",
        discussion: """
            Without --vary, the two λ of the difference model are searched. Printed are the best combination by training \
            loss and the best by held-out accuracy.
            """)

    @Argument(help: "\(TrainingPassArgument.names).")
    var pass: TrainingPassArgument

    @Argument(help: "The configuration (YAML).")
    var config: String

    @Option(parsing: .upToNextOption, help: "Keys and their values: difference.lambda_reverse=0,0.5,1")
    var vary: [String] = []

    @OptionGroup var options: ConfigurationOptions

    func run(on world: Communicator) throws {
        let axes = try vary.map { text in
            let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let values = (parts.count == 2 ? parts[1] : "").split(separator: ",", omittingEmptySubsequences: false)
            guard !parts[0].isEmpty, !values.isEmpty, values.allSatisfy({ !$0.isEmpty }) else {
                throw RDOError(.usage, "--vary \(text) is not KEY=VALUE,VALUE…")
            }
            return GridSearch.Axis(key: String(parts[0]), values: values.map(String.init))
        }
        try GridSearch(options.session(config, world: world), pass.stage, axes: axes).run()
    }
}
