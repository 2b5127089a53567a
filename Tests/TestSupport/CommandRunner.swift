import Foundation

/// What a finished process left.
package struct ProcessResult: Sendable {
    package let status: Int32
    package let output: String
    package let error: String
    package let seconds: Double
}

/// Runs executables, the package's own by name, alone or through `mpirun`.
package enum CommandRunner {
    /// The directory of built products: the executables lie beside the test bundle.
    package static let products: URL = {
        for argument in CommandLine.arguments where argument.hasSuffix(".xctest") {
            return URL(fileURLWithPath: argument).deletingLastPathComponent()
        }
        return URL(fileURLWithPath: CommandLine.arguments[0]).resolvingSymlinksInPath().deletingLastPathComponent()
    }()

    /// The command line that starts `executable`, one of the package's or an absolute path, on `ranks` ranks; 0 means
    /// without a launcher.
    package static func command(_ executable: String, _ arguments: [String], ranks: Int) -> [String] {
        let path = executable.hasPrefix("/") ? executable : products.appendingPathComponent(executable).path
        let own = [path] + arguments
        guard ranks > 0 else { return own }
        return ["mpirun", "--oversubscribe", "--bind-to", "none", "-n", String(ranks)] + own
    }

    /// The processes that a launcher started, in order.
    package static func ranks(of launcher: Process) -> [pid_t] {
        let id = launcher.processIdentifier
        let text = (try? String(contentsOfFile: "/proc/\(id)/task/\(id)/children", encoding: .utf8)) ?? ""
        return text.split(separator: " ").compactMap { pid_t($0) }
    }

    /// Runs to the end.
    /// - Parameters:
    ///   - ranks: 0 runs the executable itself, more go through `mpirun`.
    ///   - timeout: seconds until the process is killed; its status is then 137.
    ///   - whileRunning: called with the process once it has started, to signal it.
    @discardableResult
    package static func run(
        _ executable: String, _ arguments: [String], ranks: Int = 0, input: String? = nil, timeout: Double = 300,
        environment: [String: String] = [:], whileRunning: (Process) throws -> Void = { _ in }
    ) throws -> ProcessResult {
        let command = command(executable, arguments, ranks: ranks)
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = command
        var variables = ProcessInfo.processInfo.environment
        variables["OMPI_ALLOW_RUN_AS_ROOT"] = "1"
        variables["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1"
        variables["OMPI_MCA_mpi_yield_when_idle"] = "1"
        variables["OMPI_MCA_rmaps_base_oversubscribe"] = "1"
        // A process without a launcher starts no daemon of its own, which takes longer than most runs do.
        if ranks == 0 { variables["OMPI_MCA_ess_singleton_isolated"] = "1" }
        process.environment = variables.merging(environment) { _, new in new }

        // Output goes to files: a pipe that nobody reads would block a talkative process.
        let scratch = try TemporaryDirectory()
        let outputURL = scratch.url.appendingPathComponent("output")
        let errorURL = scratch.url.appendingPathComponent("error")
        for url in [outputURL, errorURL] { try Data().write(to: url) }
        process.standardOutput = try FileHandle(forWritingTo: outputURL)
        process.standardError = try FileHandle(forWritingTo: errorURL)
        if let input {
            let inputURL = scratch.url.appendingPathComponent("input")
            try Data(input.utf8).write(to: inputURL)
            process.standardInput = try FileHandle(forReadingFrom: inputURL)
        } else {
            process.standardInput = FileHandle.nullDevice
        }

        let began = Date()
        // The child inherits this thread's signal mask, and threads of a pool block all signals.
        var none = sigset_t()
        var previous = sigset_t()
        sigemptyset(&none)
        pthread_sigmask(SIG_SETMASK, &none, &previous)
        try process.run()
        pthread_sigmask(SIG_SETMASK, &previous, nil)
        try whileRunning(process)
        var timedOut = false
        while process.isRunning {
            if Date().timeIntervalSince(began) > timeout {
                kill(process.processIdentifier, SIGKILL)
                timedOut = true
            }
            usleep(5_000)
        }
        process.waitUntilExit()
        return ProcessResult(
            status: timedOut ? 137 : process.terminationStatus,
            output: try String(contentsOf: outputURL, encoding: .utf8),
            error: try String(contentsOf: errorURL, encoding: .utf8), seconds: Date().timeIntervalSince(began))
    }
}

/// A directory that is removed with its owner.
package final class TemporaryDirectory {
    package let url: URL
    package var path: String { url.path }

    package init() throws {
        url = FileManager.default.temporaryDirectory.appendingPathComponent("rdo-test-" + UUID().uuidString)
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(at: url) }

    /// Writes a file and returns its path.
    @discardableResult
    package func write(_ text: String, to name: String) throws -> String {
        let file = url.appendingPathComponent(name)
        try FileManager.default.createDirectory(
            at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
        try Data(text.utf8).write(to: file)
        return file.path
    }
}
