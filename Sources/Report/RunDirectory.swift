import Coding
import Diagnostics
import Foundation
import Inspection
import Passes
import Storage

/// What stands in the output directory of a run, read whole but for the curves, which are thinned when all runs are known.
struct RunDirectory {
    struct Pass {
        let name: String
        let remembered: RememberedPass?
        let training: MetricsTable?
        let evaluation: MetricsTable?
    }

    let path: String
    let passes: [Pass]
    let artefacts: [ArtefactContent]
    let evaluation: Evaluation?
    /// The configuration of the last start; nil when the run does not remember it.
    let configuration: String?
    /// Output directories of other runs below it.
    let others: [String]
    let notes: [String]

    static let storedConfiguration = "/.rdo/config.yaml"

    /// - Parameter pairs: how many of each end of every order to hand over for reading.
    /// - Throws: `RDOError.artefact` when nothing of rdo's is there, or something is there and cannot be read.
    init(_ path: String, pairs: Int) throws {
        self.path = path
        let names = try Self.names(in: path)
        let remembered = try RememberedPass.all(inRun: path)
        let directories = try names.filter { try Self.isPass(path + "/" + $0) }
        passes = try Self.inOrder(Set(directories + remembered.map(\.name))).map { name in
            let directory = path + "/" + name
            return Pass(
                name: name, remembered: remembered.first { $0.name == name },
                training: try MetricsTable(directory + "/metrics.jsonl"),
                evaluation: try MetricsTable(directory + "/evaluation.jsonl"))
        }
        let files = names.filter { name in
            name.hasSuffix(".h5") && ["coefficients", "reference"].contains { name.hasPrefix($0) }
        }.sorted { $0.dropLast(".h5".count) < $1.dropLast(".h5".count) }
        let coefficients = files.contains("coefficients.h5") ? path + "/coefficients.h5" : nil
        let ledgers = try directories.compactMap {
            try ArtefactContent.ledger(ofPass: $0, in: path, pairs: pairs, joining: coefficients)
        }
        artefacts =
            try files.map { try ArtefactContent(file: $0, in: path, pairs: pairs) } + ledgers.map(\.content)
            + directories.flatMap { try ArtefactContent.made(byPass: $0, in: path) }
        let evaluated = path + "/" + EvaluationFile.name
        evaluation = try InputFile.exists(evaluated) ? EvaluationFile.read(evaluated) : nil
        configuration = try InputFile.text(of: path + Self.storedConfiguration)
        guard !passes.isEmpty || !artefacts.isEmpty || evaluation != nil || configuration != nil else {
            throw try Self.nothing(in: path)
        }

        var notes = passes.flatMap { ($0.training?.notes ?? []) + ($0.evaluation?.notes ?? []) }
        notes += ledgers.compactMap(\.note)
        notes += names.filter { $0.hasSuffix(".h5.partial") }.map { Self.unfinished(path + "/" + $0) }
        notes += names.filter { $0.hasSuffix(".h5") && !files.contains($0) }.map {
            "\(path)/\($0): not a name that a run gives its files; left out (see `rdo inspect`)"
        }
        others = try Self.runs(in: path)
        self.notes = notes
    }

    private static func names(in path: String) throws -> [String] {
        guard try Durable.exists(path) else {
            throw RDOError(.artefact, "no such directory", at: path, remedy: "name a run's output directory")
        }
        guard let files = try Durable.files(in: path) else {
            throw RDOError(
                .artefact, "this is a file, not the output directory of a run", at: path,
                remedy: "`rdo inspect \(path) --html OUT.html` makes a page of an artefact")
        }
        return files.map { URL(ofFile: $0).lastPathComponent }
    }

    /// What to say of a working file, which the pass that writes it may keep to itself.
    private static func unfinished(_ partial: String) -> String {
        do {
            let done = try Artefacts.progress(of: [String(partial.dropLast(".partial".count))])
            return "\(partial): unfinished and not in this page (\(done))"
        } catch { return "\(partial): unfinished and not in this page (\(error))" }
    }

    private static func isPass(_ directory: String) throws -> Bool {
        let marks = ["metrics.jsonl", "evaluation.jsonl", "ledger.h5", "checkpoints"] + ArtefactContent.models
        return try Durable.isDirectory(directory)
            && marks.contains { try Durable.exists(directory + "/" + $0) }
    }

    /// Those that rdo knows in the order in which it documents them, then others.
    private static func inOrder(_ names: Set<String>) -> [String] {
        let known = Configuration.allPasses.map(\.name.rawValue)
        return known.filter(names.contains) + names.subtracting(known).sorted()
    }

    private static func nothing(in path: String) throws -> RDOError {
        if try isPass(path) {
            return RDOError(
                .artefact, "this is the directory of one pass", at: path,
                remedy: "name the run's: \(URL(ofFile: path).deletingLastPathComponent().relativePath)")
        }
        let others = try runs(in: path)
        return RDOError(
            .artefact, "there is nothing of a run here", at: path,
            remedy: others.isEmpty
                ? "name a run's output directory" : "name runs in it: \(others.prefix(3).joined(separator: ", "))")
    }

    /// Such as those of the demo, or of a grid search.
    private static func runs(in path: String, depth: Int = 3) throws -> [String] {
        guard depth > 0, let children = try Durable.files(in: path) else { return [] }
        let own = ["checkpoints", "model", "adapter", "data", ".rdo"]
        return try children.flatMap { child -> [String] in
            guard Durable.isDirectory(child), !own.contains(URL(ofFile: child).lastPathComponent) else { return [] }
            return try Durable.exists(child + storedConfiguration) ? [child] : runs(in: child, depth: depth - 1)
        }
    }
}
