import Coding
import Diagnostics
import Foundation
import Settings
import Storage

/// What a pass was last started with and what it left then: `OUTPUT/.rdo/PASS-….json`, one for each place that it leaves
/// its files in. Without it nothing is lost: the pass finds out by reading what it would compute with.
struct PassRecord: Codable {
    let recipe: [String: String]
    /// What it left; nil until it was complete.
    var artefacts: [FileStamp]?

    /// - Throws: `RDOError.artefact` when it cannot be read.
    static func read(_ pass: any Pass, in configuration: Configuration) throws -> PassRecord? {
        // One that says something else is as good as none.
        try InputFile.memory(PassRecord.self, in: path(pass, in: configuration))
    }

    func write(_ pass: any Pass, in configuration: Configuration) throws {
        try Durable.write(JSONEncoder().encode(self), to: Self.path(pass, in: configuration))
    }

    private static func path(_ pass: any Pass, in configuration: Configuration) -> String {
        let output = Durable.absolute(configuration.output)
        let places = DigestStream()
        for place in pass.artefacts(in: configuration).map(Durable.absolute) {
            // Those of its own output wherever that is.
            places.update(place.hasPrefix(output) ? String(place.dropFirst(output.count)) : place)
        }
        return configuration.stateDirectory + "/\(pass.name)-\(places.digest.hex.prefix(8)).json"
    }

    /// The stamps of files, and of the files in directories; nil when one is missing.
    /// - Throws: `RDOError.artefact` when a directory cannot be listed.
    static func stamps(of paths: [String]) throws -> [FileStamp]? {
        var stamps: [FileStamp] = []
        for path in paths {
            for file in try Durable.files(in: path) ?? [path] {
                guard let stamp = FileStamp(file) else { return nil }
                stamps.append(stamp)
            }
        }
        return stamps
    }
}

/// How a pass stands to what it was last started with, as far as its record tells.
package enum PassState {
    case complete
    /// Started with the same inputs.
    case unfinished
    /// Something that it depends on changed.
    case changed([RecipeDifference])
    /// It was complete, and what it left is not what it was then.
    case altered
    /// There is no record of what it was made from.
    case unrecorded

    init(of pass: any Pass, _ recipe: Recipe) throws {
        let configuration = recipe.configuration
        guard let record = try PassRecord.read(pass, in: configuration) else {
            self = .unrecorded
            return
        }
        let differences = recipe.differences(from: record.recipe)
        if !differences.isEmpty {
            self = .changed(differences)
        } else if let artefacts = record.artefacts {
            self = try PassRecord.stamps(of: pass.artefacts(in: configuration)) == artefacts ? .complete : .altered
        } else {
            self = .unfinished
        }
    }
}

/// What `.rdo` remembers of one pass, for people.
package struct RememberedPass: Sendable {
    package let name: String
    /// Values of settings and digests of files, by name.
    package let recipe: [(name: String, value: String)]
    package let isComplete: Bool

    /// Of the run in a directory, in the order of the records' names; none where it remembers nothing.
    ///
    /// - Throws: `RDOError.artefact` when a record is there and cannot be read.
    package static func all(inRun directory: String) throws -> [RememberedPass] {
        let names = Configuration.allPasses.map(\.name.rawValue)
        return try (Durable.files(in: directory + "/.rdo") ?? []).compactMap { path in
            // NAME-PLACES.json
            let file = URL(ofFile: path).lastPathComponent
            guard file.hasSuffix(".json"), let name = names.first(where: { file.hasPrefix($0 + "-") }) else {
                return nil
            }
            guard let bytes = try InputFile.contents(of: path) else { return nil }
            do {
                let record = try JSONDecoder().decode(PassRecord.self, from: Data(bytes))
                return RememberedPass(
                    name: name, recipe: record.recipe.sorted { $0.key < $1.key }.map { ($0.key, $0.value) },
                    isComplete: record.artefacts != nil)
            } catch {
                throw RDOError(
                    .artefact, "cannot read (\(error.localizedDescription))", at: path,
                    remedy: "remove it: nothing is lost but what this run remembers of the pass")
            }
        }
    }
}
