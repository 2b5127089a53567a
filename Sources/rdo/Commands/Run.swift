import ArgumentParser
import Diagnostics
import Parallel
import Passes
import Settings
import Tools
import Training

/// The arguments that all commands with a configuration share.
struct ConfigurationOptions: ParsableArguments {
    @Option(
        name: .customLong("set"), parsing: .upToNextOption,
        help: "Override keys of the configuration: section.key=value, as often as needed.")
    var settings: [String] = []

    @Option(
        help:
            "Where training continues from: auto (the newest complete checkpoint), never, or a checkpoint; PASS=… for one pass alone, as often as needed. Default: auto."
    )
    var resume: [String] = []

    @Option(help: "Write what was drawn and computed at every training step to this JSONL file.")
    var trace: String?

    /// Collective: reads the configuration on every rank and sets up the run's directory.
    func session(_ path: String, world: Communicator) throws -> Session {
        let configuration = try world.collectively { try Configuration.load(path: path, settings: settings) }
        let session = try Session(configuration, world: world, resume: ResumeChoice(resume), tracePath: trace)
        session.warnOfCrowding()
        return session
    }
}

struct Run: DistributedCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run every pass of a configuration in order, skipping what is complete and unchanged.")

    @Argument(help: "The configuration (YAML). Without one the embedded demo runs.")
    var config: String?

    @Flag(help: "Say what is complete, what is left to do and why, and do nothing.")
    var dryRun = false

    @OptionGroup var options: ConfigurationOptions

    func validate() throws {
        guard config == nil else { return }
        if dryRun { throw ValidationError("--dry-run needs a configuration") }
        if options.trace != nil { throw ValidationError("--trace needs a configuration") }
    }

    func isAnsweredAlone() throws -> Bool {
        guard dryRun, let config else { return false }
        let status = try RunStatus(of: Configuration.load(path: config, settings: options.settings))
        if Communicator.launchedRank == 0 { try StandardOutput.write(status.text) }
        return true
    }

    func run(on world: Communicator) throws {
        if let config {
            try Pipeline(try options.session(config, world: world)).run()
        } else {
            try Demo(settings: options.settings, resume: ResumeChoice(options.resume), on: world).run()
        }
    }
}

struct Train: DistributedCommand {
    static let configuration = CommandConfiguration(abstract: "Run one training pass.")

    @Argument(help: "\(TrainingPassArgument.names).")
    var pass: TrainingPassArgument

    @Argument(help: "The configuration (YAML).")
    var config: String

    @OptionGroup var options: ConfigurationOptions

    func run(on world: Communicator) throws {
        try Pipeline(try options.session(config, world: world)).run([pass.stage.name])
    }
}

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

/// The name of a pass that trains.
struct TrainingPassArgument: ExpressibleByArgument {
    let stage: any TrainingStage

    init?(argument: String) {
        guard let stage = Configuration.trainingPasses.first(where: { $0.name.rawValue == argument }) else {
            return nil
        }
        self.stage = stage
    }

    static var allValueStrings: [String] { Configuration.trainingPasses.map(\.name.rawValue) }

    /// "sft, reward or dpo".
    static var names: String {
        allValueStrings.dropLast().joined(separator: ", ") + " or " + (allValueStrings.last ?? "")
    }
}

/// `rdo NAME CONFIG` for a pass with a command of its own.
struct PassCommand<Stage: CommandPass>: DistributedCommand {
    static var configuration: CommandConfiguration {
        CommandConfiguration(commandName: Stage.name.rawValue, abstract: Stage.summary)
    }

    @Argument(help: "The configuration (YAML).")
    var config: String

    @OptionGroup var options: ConfigurationOptions

    func run(on world: Communicator) throws {
        try Pipeline(try options.session(config, world: world)).run([Stage.name])
    }
}

/// The commands of all such passes.
func passCommands() -> [any ParsableCommand.Type] {
    func command<Stage: CommandPass>(_ pass: Stage) -> any ParsableCommand.Type { PassCommand<Stage>.self }
    return Configuration.allPasses.compactMap { ($0 as? any CommandPass).map { command($0) } }
}

struct Status: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Say what is complete in a run's output directory, what is left to do and why.")

    @Argument(help: "The output directory of a run.")
    var output: String

    func run() throws { try StandardOutput.write(RunStatus(ofRunIn: output).text) }
}
