import Foundation

/// The Python that tests compare with: the one that `RDO_PYTHON` names, or else the system's.
package enum Python {
    package static let path = ProcessInfo.processInfo.environment["RDO_PYTHON"] ?? "/usr/bin/python3"

    /// Can it import all of `modules`? They are looked for, not loaded.
    package static func has(_ modules: String...) -> Bool {
        guard FileManager.default.isExecutableFile(atPath: path) else { return false }
        let script = "import sys, importlib.util as u; sys.exit(not all(map(u.find_spec, sys.argv[1:])))"
        return (try? CommandRunner.run(path, ["-c", script] + modules))?.status == 0
    }

    /// Runs a script of `Tests/scripts`.
    package static func run(script: String, _ arguments: [String]) throws -> ProcessResult {
        let scripts = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        return try CommandRunner.run(path, [scripts.appendingPathComponent("scripts/" + script).path] + arguments)
    }
}
