import Diagnostics
import Foundation
import TestSupport
import Testing

@testable import Report

/// What is found in an output directory, and what is said of what is not.
@Suite struct GatheringTests {
    private static let line = "{\"step\": 0, \"loss\": 1, \"accuracy\": 0.5}\n"

    private func gather(_ directory: TemporaryDirectory, _ names: String...) throws -> ReportContent {
        try ReportContent(ofRuns: names.map { directory.path + "/" + $0 }, pairs: 2)
    }

    @Test func passesComeInTheirOrder() throws {
        let directory = try TemporaryDirectory()
        for pass in ["own", "kto", "difference", "sft"] {
            try directory.write(Self.line, to: "run/\(pass)/metrics.jsonl")
        }
        try directory.write("{\"step\": 1, \"test_loss\": 2, \"test_data\": \"d\"}\n", to: "run/kto/evaluation.jsonl")
        let run = try #require(try gather(directory, "run").runs.first)
        #expect(run.name == "run" && run.passes.map(\.name) == ["sft", "difference", "kto", "own"])
        #expect(
            run.passes.map { $0.training?.curves.map(\.name) } == [
                ["loss", "accuracy"], ["loss", "accuracy"], ["loss", "accuracy"], ["loss", "accuracy"],
            ])
        #expect(run.passes[2].evaluation?.testData == ["d"] && run.passes[3].isComplete == nil)
        #expect(run.artefacts.isEmpty && run.configurations.isEmpty)
    }

    @Test func nothingOfRdoIsAnError() throws {
        let directory = try TemporaryDirectory()
        try directory.write("x", to: "empty/notes.txt")
        try directory.write(Self.line, to: "run/dpo/metrics.jsonl")
        func failure(_ name: String) -> RDOError? {
            #expect(throws: RDOError.self) { try gather(directory, name) }
        }
        #expect(failure("none")?.what == "no such directory")
        #expect(failure("empty")?.what == "there is nothing of a run here")
        #expect(failure("empty/notes.txt")?.remedy?.contains("rdo inspect") == true)
        #expect(failure("run/dpo")?.remedy == "name the run's: \(directory.path)/run")
        for name in ["none", "empty", "run/dpo"] { #expect(failure(name)?.kind == .artefact) }
    }

    @Test func damagedFilesAreErrors() throws {
        for name in ["coefficients.h5", "reference-test.h5", "dpo/ledger.h5", "dpo/model/rdo.json", ".rdo/dpo-1.json"] {
            let directory = try TemporaryDirectory()
            try directory.write(Self.line, to: "run/dpo/metrics.jsonl")
            try directory.write("no such thing", to: "run/" + name)
            let error = #expect(throws: RDOError.self, "\(name)") { try gather(directory, "run") }
            #expect(error?.kind == .artefact && error?.description.contains(name) == true, "\(name)")
        }
    }

    @Test func whatIsLeftOutIsSaid() throws {
        let directory = try TemporaryDirectory()
        try directory.write(Self.line + "{\"st", to: "run/dpo/metrics.jsonl")
        try directory.write("", to: "run/other.h5")
        try directory.write("", to: "run/reference.h5.partial")
        try directory.write("seed: 2\n", to: "run/grid/dpo/beta=1/.rdo/config.yaml")
        let notes = try gather(directory, "run").notes
        #expect(notes.count == 4, "\(notes)")
        #expect(notes[0].contains("metrics.jsonl:2: left out, cut off"))
        #expect(notes[1].contains("reference.h5.partial: unfinished and not in this page"))
        #expect(notes[2].contains("other.h5: not a name that a run gives its files"))
        // Named, it is in the page.
        #expect(try !gather(directory, "run", "run/grid/dpo/beta=1").notes.contains { $0.contains("runs in it") })
        #expect(notes[3].contains("runs in it") && notes[3].contains("grid/dpo/beta=1"))
    }

    @Test func runsAreCompared() throws {
        let directory = try TemporaryDirectory()
        for (name, seed, data) in [("a/run", 1, "x"), ("b/run", 2, "y")] {
            try directory.write(Self.line, to: name + "/dpo/metrics.jsonl")
            try directory.write("{\"step\": 1, \"test_data\": \"\(data)\"}\n", to: name + "/dpo/evaluation.jsonl")
            try directory.write(
                "# started in /somewhere\noutput: \(name)\nseed: \(seed)\ndpo: { beta: 0.\(seed) }\n",
                to: name + "/.rdo/config.yaml")
        }
        let content = try gather(directory, "a/run", "b/run")
        // Their last parts are equal.
        #expect(content.runs.map(\.name) == content.runs.map(\.path))
        #expect(
            content.differences == [
                .init(key: "dpo.beta", values: ["0.1", "0.2"]), .init(key: "seed", values: ["1", "2"]),
            ])
        #expect(
            content.notes == [
                "dpo: held out, the runs have different data, reference values or coefficients; losses need not compare"
            ])
        #expect(content.runs[0].configurations.map(\.statedBy) == [["the last start"]])
        #expect(content.runs[0].configurations[0].yaml.hasPrefix("output: a/run\n"))

        try directory.write("nonsense: 1\n", to: "b/run/.rdo/config.yaml")
        let other = try gather(directory, "a/run", "b/run")
        #expect(other.differences == nil && other.notes[0].contains("unknown key nonsense"), "\(other.notes)")
    }

    @Test func aRunIsNamedOnceAndNotTooMany() throws {
        let directory = try TemporaryDirectory()
        try directory.write(Self.line, to: "run/dpo/metrics.jsonl")
        let twice = #expect(throws: RDOError.self) { try gather(directory, "run", "run/../run") }
        #expect(twice?.kind == .usage && twice?.what == "the run is named twice")
        let many = #expect(throws: RDOError.self) {
            try ReportContent(ofRuns: (0...ReportContent.maximumRuns).map(String.init), pairs: 1)
        }
        #expect(many?.kind == .usage)
    }
}
