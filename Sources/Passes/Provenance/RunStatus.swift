import Coding
import Diagnostics
import Foundation
import Settings
import Storage

/// What is done of a run and what is left to do, as far as headers tell: `rdo run --dry-run` and `rdo status`.
package struct RunStatus {
    private let rows: [(pass: String, state: String, place: String)]

    /// - Throws: `RDOError` when something is there and cannot be read.
    package init(of configuration: Configuration) throws {
        let digests = try KnownDigests(configuration.stateDirectory + "/digests.json")
        // What earlier passes will leave or replace.
        var pending: [(pass: PassName, paths: [String])] = []
        rows = try configuration.passes.map { name in
            let pass = Configuration.pass(name)
            let artefacts = pass.artefacts(in: configuration)
            let recipe = try pass.recipe(configuration, digests)
            let state = try PassState(of: pass, recipe)
            let earlier = pending.filter { other in
                recipe.reads.contains { read in other.paths.contains { read == $0 || read.hasPrefix($0 + "/") } }
            }
            if case .complete = state, earlier.isEmpty {} else { pending.append((name, artefacts)) }
            let places = try artefacts.map { path in path + (try Self.size(of: path).map { " (\($0))" } ?? "") }
            return (
                name.rawValue, try Self.text(of: state, pass, configuration, after: earlier.map(\.pass)),
                places.joined(separator: ", ")
            )
        }
    }

    /// The status of the run in a directory, with the configuration of its last start.
    /// - Throws: `RDOError.artefact` when no run started there, or its configuration cannot be read.
    package init(ofRunIn directory: String) throws {
        var configuration = Configuration()
        configuration.output = URL(ofFile: directory).path
        let path = configuration.storedConfiguration
        guard let yaml = try InputFile.text(of: path) else {
            throw RDOError(.artefact, "no run was started here", at: directory, remedy: "name a run's output directory")
        }
        let output = configuration.output
        configuration = try Configuration(reading: yaml, settings: [], source: path)
        configuration.output = output
        // Relative paths are relative to where the run was started.
        let place = yaml.prefix { $0 != "\n" }.dropFirst(Self.startedIn.count)
        _ = FileManager.default.changeCurrentDirectoryPath(String(place))
        try self.init(of: configuration)
    }

    private static let startedIn = "# started in "

    /// Keeps the effective configuration for `init(ofRunIn:)`.
    static func keep(_ configuration: Configuration) throws {
        let text = startedIn + FileManager.default.currentDirectoryPath + "\n" + configuration.yaml
        try Durable.write(Data(text.utf8), to: configuration.storedConfiguration)
    }

    private static func text(
        of state: PassState, _ pass: any Pass, _ configuration: Configuration, after earlier: [PassName]
    ) throws -> String {
        let after = earlier.isEmpty ? "" : ", after " + earlier.map(\.rawValue).joined(separator: " and ")
        let done = try pass.progress(in: configuration)
        switch state {
        case .complete: return earlier.isEmpty ? "complete" : "complete, to be looked at again" + after
        case .altered: return "to be looked at again: its files are not as it left them" + after
        case .changed(let differences):
            let isNew = done.isEmpty || pass.startsAnew(differences, in: configuration)
            return (isNew ? "stale" : "to continue (\(done))") + ": "
                + differences.map(\.description).joined(separator: ", ") + after
        case _ where done.isEmpty: return (pass.artefacts(in: configuration).isEmpty ? "always run" : "missing") + after
        case .unrecorded: return "to be looked at: \(done), and no record of what it was made from" + after
        default: return "to continue: \(done)" + after
        }
    }

    /// Of a file or the files in a directory, as people read it; nil when there is none.
    private static func size(of path: String) throws -> String? {
        guard let stamps = try PassRecord.stamps(of: [path]) else { return nil }
        return ByteCountFormatter.string(
            fromByteCount: Int64(stamps.reduce(0) { $0 + $1.byteCount }), countStyle: .file)
    }

    /// A line for each pass.
    package var text: String {
        let width = rows.map(\.pass.count).max() ?? 0
        return rows.map { row in
            row.pass.padding(toLength: width + 2, withPad: " ", startingAt: 0) + row.state
                + (row.place.isEmpty ? "" : "  [\(row.place)]")
        }.joined(separator: "\n")
    }
}
