import Diagnostics
import Foundation
import Inspection
import Passes
import Settings
import Storage

extension ReportContent {
    /// As many can be told apart by eight colours in four kinds of line.
    package static let maximumRuns = 32
    /// Of all curves together, so that the numbers of a page take about 4 MB at the most. More than 150 of one curve are
    /// finer than a chart of a few hundred pixels can show.
    private static let maximumPoints = 100_000

    /// Of the runs in some output directories.
    ///
    /// - Parameter pairs: how many pairs of each end of every order of a coefficient file to embed.
    /// - Throws: `RDOError.usage` for too many directories or one twice; `.artefact` when nothing of rdo's is in one, or
    ///   something is there and cannot be read.
    package init(ofRuns paths: [String], pairs: Int) throws {
        guard paths.count <= Self.maximumRuns else {
            throw RDOError(
                .usage, "\(paths.count) runs in one report cannot be told apart",
                remedy: "name \(Self.maximumRuns) at most")
        }
        let places = paths.map(Self.place)
        if let twice = places.indices.first(where: { places[..<$0].contains(places[$0]) }) {
            throw RDOError(.usage, "the run is named twice", at: paths[twice])
        }
        let directories = try paths.map { try RunDirectory($0, pairs: pairs) }
        let limit = Self.pointsPerCurve(directories)
        let names = Self.names(of: paths)
        runs = zip(directories, names).map { RunContent($0, name: $1, limit: limit) }
        let (differences, illegible) = Self.differences(between: directories)
        self.differences = differences
        notes =
            directories.flatMap(\.notes) + directories.compactMap { Self.unnamedRuns(in: $0, named: places) }
            + illegible
            + Self.otherHeldOutData(runs)
    }

    private static func place(_ path: String) -> String { URL(ofFile: path).resolvingSymlinksInPath().path }

    private static func unnamedRuns(in run: RunDirectory, named: [String]) -> String? {
        let unnamed = run.others.filter { !named.contains(place($0)) }
        return unnamed.isEmpty
            ? nil
            : "\(run.path): runs in it that are not in this page: " + unnamed.prefix(4).joined(separator: ", ")
                + (unnamed.count > 4 ? " and \(unnamed.count - 4) more" : "")
    }

    /// Of one artefact: `rdo inspect --html`.
    package init(of summary: ArtefactSummary) throws {
        let file = URL(ofFile: summary.path).lastPathComponent
        let artefact = try ArtefactContent(summary, file: file)
        let yaml = summary.header.config
        let configuration = ConfigurationContent(yaml: yaml, statedBy: [file])
        runs = [
            RunContent(
                name: file, path: summary.path, passes: [], artefacts: [artefact], evaluation: nil,
                configurations: yaml.isEmpty ? [] : [configuration])
        ]
        (differences, notes) = (nil, [])
    }

    private static func pointsPerCurve(_ runs: [RunDirectory]) -> Int {
        let tables = runs.flatMap(\.passes).flatMap { [$0.training, $0.evaluation].compactMap { $0 } }
        let curves = tables.reduce(0) { $0 + $1.columns.count }
        return min(150, max(20, maximumPoints / max(1, curves)))
    }

    /// The last parts of the paths where they differ, else whole paths.
    static func names(of paths: [String]) -> [String] {
        let names = paths.map { URL(ofFile: $0).standardizedFileURL.lastPathComponent }
        return Set(names).count == names.count ? names : paths
    }

    /// Keys that are not the same everywhere, and what is to be said of configurations that cannot be compared.
    private static func differences(between runs: [RunDirectory]) -> ([Difference]?, notes: [String]) {
        guard runs.count > 1 else { return (nil, []) }
        var (notes, missing): ([String], [String]) = ([], [])
        let rows = runs.map { run -> [String: String]? in
            guard let yaml = run.configuration else {
                missing.append(run.path)
                return nil
            }
            do {
                let place = run.path + RunDirectory.storedConfiguration
                let configuration = try Configuration(reading: yaml, settings: [], source: place)
                return Dictionary(uniqueKeysWithValues: configuration.rows.map { ($0.key, $0.value) })
            } catch {
                notes.append("its settings are not compared: \(error)")
                return nil
            }
        }
        if !missing.isEmpty {
            notes.append(
                "settings are not compared where \(RunDirectory.storedConfiguration) is missing: "
                    + missing.prefix(4).joined(separator: ", ") + (missing.count > 4 ? ", …" : ""))
        }
        let known = rows.compactMap { $0 }
        guard known.count > 1 else { return (nil, notes) }
        let keys = Set(known.map(\.keys).joined()).subtracting(["output"]).sorted()
        let differing = keys.filter { key in Set(known.map { $0[key] }).count > 1 }
        return (differing.map { key in Difference(key: key, values: rows.map { $0?[key] }) }, notes)
    }

    /// Held-out losses of other data or weights say nothing about which run is better.
    private static func otherHeldOutData(_ runs: [RunContent]) -> [String] {
        var data: [String: Set<String>] = [:]
        for pass in runs.flatMap(\.passes) {
            data[pass.name, default: []].formUnion(pass.evaluation?.testData ?? [])
        }
        return data.filter { $0.value.count > 1 }.keys.sorted().map {
            "\($0): held out, the runs have different data, reference values or coefficients; losses need not compare"
        }
    }
}

extension RunContent {
    fileprivate init(_ run: RunDirectory, name: String, limit: Int) {
        self.init(
            name: name, path: run.path,
            passes: run.passes.map { pass in
                PassContent(
                    name: pass.name, isComplete: pass.remembered?.isComplete,
                    recipe: (pass.remembered?.recipe ?? []).map { Fact(name: $0.name, value: $0.value) },
                    training: pass.training.map { CurveTable($0, file: pass.name + "/metrics.jsonl", limit: limit) },
                    evaluation: pass.evaluation.map {
                        CurveTable($0, file: pass.name + "/evaluation.jsonl", limit: limit)
                    })
            }, artefacts: run.artefacts, evaluation: run.evaluation, configurations: Self.configurations(of: run))
    }

    /// Every configuration once, the last start's first.
    private static func configurations(of run: RunDirectory) -> [ConfigurationContent] {
        var found: [(yaml: String, statedBy: [String])] = []
        func add(_ yaml: String, _ place: String) {
            if let index = found.firstIndex(where: { $0.yaml == yaml }) {
                found[index].statedBy.append(place)
            } else if !yaml.isEmpty {
                found.append((yaml, [place]))
            }
        }
        if let yaml = run.configuration {
            // The first line says where the run was started.
            let isComment = yaml.hasPrefix("# started in ")
            add(isComment ? String(yaml.drop { $0 != "\n" }.dropFirst()) : yaml, "the last start")
        }
        for artefact in run.artefacts { add(artefact.summary?.header.config ?? "", artefact.file) }
        if let evaluation = run.evaluation { add(evaluation.config, EvaluationFile.name) }
        return found.map { ConfigurationContent(yaml: $0.yaml, statedBy: $0.statedBy) }
    }
}
