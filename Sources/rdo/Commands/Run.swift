import ArgumentParser
import Configuration
import Diagnostics
import Foundation
import Parallel
import Passes
import Training

/// The arguments that all commands with a configuration share.
struct ConfigurationOptions: ParsableArguments {
    @Option(
        name: .customLong("set"), parsing: .upToNextOption,
        help: "Override keys of the configuration: section.key=value, as often as needed.")
    var settings: [String] = []

    @Option(help: "Where to continue from: auto (the newest complete checkpoint), never, or a checkpoint directory.")
    var resume = "auto"

    @Option(help: "Write what was drawn and computed at every training step to this JSONL file.")
    var trace: String?

    var resumePolicy: ResumePolicy {
        switch resume {
        case "auto": .auto
        case "never": .never
        default: .path(resume)
        }
    }

    /// Collective: reads the configuration on every rank and sets up the run's directory.
    func session(_ path: String, world: Communicator) throws -> Session {
        let configuration = try world.collectively { try Configuration.load(path: path, settings: settings) }
        let session = try Session(configuration, world: world, resume: resumePolicy, tracePath: trace)
        session.warnOfCrowding()
        return session
    }
}

struct Run: DistributedCommand {
    static let configuration = CommandConfiguration(
        abstract: "Run every pass of a configuration in order, skipping what is complete and unchanged.")

    @Argument(help: "The configuration (YAML). Without one the embedded demo runs.")
    var config: String?

    @OptionGroup var options: ConfigurationOptions

    func run(on world: Communicator) throws {
        if let config {
            try Pipeline(try options.session(config, world: world)).run()
        } else {
            try Demo(world: world, settings: options.settings, resume: options.resumePolicy).run()
        }
    }
}

struct Train: DistributedCommand {
    static let configuration = CommandConfiguration(abstract: "Run one training pass.")

    @Argument(help: "sft, reward, difference, dpo, rrhf or kto.")
    var pass: TrainingPassName

    @Argument(help: "The configuration (YAML).")
    var config: String

    @OptionGroup var options: ConfigurationOptions

    func run(on world: Communicator) throws {
        try Pipeline(try options.session(config, world: world)).run([pass.passName])
    }
}

enum TrainingPassName: String, ExpressibleByArgument, CaseIterable {
    case sft, reward, difference, dpo, rrhf, kto

    var passName: PassName {
        switch self {
        case .sft: .sft
        case .reward: .reward
        case .difference: .difference
        case .dpo: .dpo
        case .rrhf: .rrhf
        case .kto: .kto
        }
    }
}

struct Score: DistributedCommand {
    static let configuration = CommandConfiguration(
        abstract: "Predict every pair's reward difference and store the coefficients.")

    @Argument(help: "The configuration (YAML).")
    var config: String

    @OptionGroup var options: ConfigurationOptions

    func run(on world: Communicator) throws {
        try Pipeline(try options.session(config, world: world)).run([.score])
    }
}

struct Reference: DistributedCommand {
    static let configuration = CommandConfiguration(
        abstract: "Store the reference model's log-probabilities of every response.")

    @Argument(help: "The configuration (YAML).")
    var config: String

    @OptionGroup var options: ConfigurationOptions

    func run(on world: Communicator) throws {
        try Pipeline(try options.session(config, world: world)).run([.reference])
    }
}
