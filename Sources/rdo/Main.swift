import ArgumentParser
import Diagnostics
import Foundation
import Parallel
import Tensors

/// Parses, runs, and turns every outcome into an exit code and at most one line on standard error, from one rank.
@main enum Main {
    static func main() {
        // A reader that closes our standard output (`rdo inspect ... | head`) is no reason for a crash report.
        signal(SIGPIPE, SIG_DFL)
        StandardStreams.reserve()
        exit(run(Array(CommandLine.arguments.dropFirst())))
    }

    private static func run(_ arguments: [String]) -> Int32 {
        do {
            var command = try RDO.parseAsRoot(QueryOptions.completed(arguments))
            if let command = command as? any DistributedCommand, try !command.isAnsweredAlone() {
                return launch { try command.run(on: $0) }
            }
            if command is any DistributedCommand { return 0 }
            try command.run()
            return 0
        } catch let error as RDOError {
            report(error)
            return error.kind.rawValue
        } catch {
            return explain(error)
        }
    }

    /// Runs `body` on all ranks of the launcher's job, or alone.
    private static func launch(_ body: (Communicator) throws -> Void) -> Int32 {
        do {
            try InstructionSet.validateEnvironment()
            StopSignal.install()
            let world = try Communicator.startMPI()
            var failure: RDOError?
            do {
                try world.requireSame("the command", Array(CommandLine.arguments.dropFirst()))
                try world.requireSame("the program", [Version.software, world.collectively(programSize)])
                try body(world)
            } catch {
                failure = error as? RDOError ?? RDOError(.artefact, error.localizedDescription)
            }
            return world.conclude(with: failure) { report($0) }
        } catch {
            let error = error as? RDOError ?? RDOError(.peers, "\(error)")
            if isSpeaker() { report(error) }
            return error.kind.rawValue
        }
    }

    /// Tells apart programs that were built from different sources, as far as a size does.
    private static func programSize() throws -> String {
        let size = try FileManager.default.attributesOfItem(
            atPath: FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))[.size]
        return "\(size.map { "\($0)" } ?? "unknown") bytes"
    }

    private static func report(_ error: RDOError) {
        let word = error.kind == .stopped ? "rdo: " : "rdo: error: "
        StandardError.write(word + error.description + "\n")
    }

    /// Before MPI runs the first process speaks. The others wait a little: a launcher ends all when one of them ends, and
    /// would end the speaker before it has spoken.
    private static func isSpeaker() -> Bool {
        if Communicator.launchedRank != 0 { sleep(1) }
        return Communicator.launchedRank == 0
    }

    /// Help and usage errors of the argument parser. Under a launcher only the first process speaks.
    private static func explain(_ error: any Error) -> Int32 {
        let isHelp = RDO.exitCode(for: error) == .success
        if isSpeaker() {
            if isHelp {
                do { try StandardOutput.write(RDO.fullMessage(for: error)) } catch {
                    report(error as? RDOError ?? RDOError(.usage, "\(error)"))
                    return RDOError.Kind.usage.rawValue
                }
            } else {
                report(RDOError(.usage, RDO.message(for: error), remedy: "see `rdo --help`"))
            }
        }
        return isHelp ? 0 : RDOError.Kind.usage.rawValue
    }
}

/// A command that runs on every rank of the launcher's job.
protocol DistributedCommand: ParsableCommand {
    func run(on world: Communicator) throws
    /// Does without ranks what can be done so; true when that was all.
    func isAnsweredAlone() throws -> Bool
}

extension DistributedCommand {
    func isAnsweredAlone() throws -> Bool { false }
}

struct RDO: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rdo",
        abstract:
            "Aligns language models with human preferences offline, weighting every pair by how much better one response is.",
        discussion: "Start on several ranks with `mpirun -n N rdo ...` or `srun --mpi=pmix rdo ...`.",
        version: Version.number,
        subcommands: [Run.self, Train.self, Grid.self] + passCommands() + [
            LogProbabilities.self, Status.self, Inspect.self, ReportCommand.self, ExportPairs.self, ExportLists.self,
            Import.self,
            Diff.self, Merge.self, Calibrate.self, Judge.self, Verify.self, Export.self, Tokenize.self, Plan.self,
            Bench.self,
        ])
}
