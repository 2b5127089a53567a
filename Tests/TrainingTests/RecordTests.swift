import Diagnostics
import Foundation
import Settings
import TestSupport
import Testing

@testable import Training

@Suite struct RecordTests {
    @Test func aLineHasNumbersInOrder() throws {
        var line: JSONLine = [.step: 3, .testExamples: 7.0]
        line.append([.loss: 0.5, .coefficientMean: .nan, .accuracy: nil, .margin: 1e-20], prefix: "test_")
        #expect(
            line.text
                == #"{"step": 3, "test_examples": 7.0, "test_loss": 0.5, "test_coefficient_mean": null, "test_margin": 1e-20}"#
        )
    }

    @Test func whatStandsAlreadyStays() throws {
        var line: JSONLine = [.step: 3, .testExamples: 7.0]
        line.append([.step: 4, .testExamples: 8, .loss: 0.5])
        #expect(line.text == #"{"step": 3, "test_examples": 7.0, "loss": 0.5}"#)
    }

    @Test func everyStepStandsOnce() throws {
        let directory = try TemporaryDirectory()
        // The last line was cut short by a kill.
        let path = try directory.write("{\"step\": 0}\n{\"step\": 1}\n{\"step\": 2}\n{\"st", to: "metrics.jsonl")
        let file = try JSONLinesFile(path: path, keepingStepsBefore: 2)
        try file.append(#"{"step": 2, "again": true}"#)
        #expect(
            try String(contentsOfFile: path, encoding: .utf8)
                == "{\"step\": 0}\n{\"step\": 1}\n{\"step\": 2, \"again\": true}\n")
        #expect(try JSONLinesFile.line(of: 1, about: nil, path: path) == #"{"step": 1}"#)
        #expect(try JSONLinesFile.line(of: 3, about: nil, path: path) == nil)
    }

    /// A kill cuts the last line short and no other.
    @Test func damageWithinIsAnError() throws {
        let directory = try TemporaryDirectory()
        for damage in ["{\"st", "\0\0", "[0]", "{\"loss\": 1}"] {
            let path = try directory.write("{\"step\": 0}\n\(damage)\n{\"step\": 2}\n", to: "metrics.jsonl")
            let read = #expect(throws: RDOError.self) { try JSONLinesFile.line(of: 0, about: nil, path: path) }
            #expect(read?.kind == .artefact && read?.place == path + ":2")
            let resumed = #expect(throws: RDOError.self) { try JSONLinesFile(path: path, keepingStepsBefore: 3) }
            #expect(resumed?.kind == .usage && resumed?.place == path + ":2")
        }
        // The only line, cut short by a kill, and one of somebody else's without an end.
        let own = try directory.write("{\"st", to: "metrics.jsonl")
        _ = try JSONLinesFile(path: own, keepingStepsBefore: 0)
        #expect(try String(contentsOfFile: own, encoding: .utf8) == "")
        for other in ["{\"prompt\": \"x\"}", "notes"] {
            let path = try directory.write(other, to: "notes.jsonl")
            #expect(throws: RDOError.self) { try JSONLinesFile(path: path, keepingStepsBefore: 0) }
            #expect(try String(contentsOfFile: path, encoding: .utf8) == other)
        }
    }

    @Test func recordedFiguresAreReadAgain() throws {
        let directory = try TemporaryDirectory()
        let figures = RecordedFigures(directory.path)
        #expect(try figures.lastEvaluation() == nil)
        // As a pass without held-out data leaves it.
        try directory.write("", to: "evaluation.jsonl")
        #expect(try figures.lastEvaluation() == nil)
        try directory.write("{\"step\": 1, \"test_loss\": 2}\n{\"step\": 2, \"te", to: "evaluation.jsonl")
        #expect(try figures.lastEvaluation()?.testLoss == 2)
        let path = try directory.write("{\"epoch\": 0.5}\n{\"ep\n{\"epoch\": 1}\n", to: "metrics.jsonl")
        let damaged = #expect(throws: RDOError.self) { try figures.lastEpoch() }
        #expect(damaged?.kind == .artefact && damaged?.place == path + ":2")
    }

    /// A directory in the file's place is no empty file.
    @Test func unreadableIsNotAbsent() throws {
        let directory = try TemporaryDirectory()
        #expect(throws: (any Error).self) { try JSONLinesFile.line(of: 1, about: nil, path: directory.path) }
        #expect(try JSONLinesFile.line(of: 1, about: nil, path: directory.path + "/none.jsonl") == nil)
    }
}

@Suite struct RunIdentityTests {
    private static func identity(
        settings: [String: String] = ["dpo.beta": "0.1"], reference: String? = "r"
    ) -> RunIdentity {
        RunIdentity(
            pass: PassName(rawValue: "dpo"), model: "m", data: "d", tokenizer: "t", template: "plain",
            trainsAdapters: false, adapter: nil, inputs: [.reference: reference], settings: settings)
    }

    @Test func differencesAreNamed() {
        let stored = Self.identity().attributes
        #expect(stored["identity.reference"] == "r" && stored["identity.adapter"] == "none")
        #expect(Self.identity().differences(from: stored).isEmpty)
        #expect(Self.identity(reference: nil).differences(from: stored) == ["reference was r and is none"])
        #expect(
            Self.identity(settings: ["dpo.beta": "0.2"]).differences(from: stored) == ["dpo.beta was 0.1 and is 0.2"])
    }

    /// An optional key that one program knows and another does not is no difference unless it has a value.
    @Test func unknownKeysCountAsNull() {
        let stored = Self.identity().attributes
        #expect(Self.identity(settings: ["dpo.beta": "0.1", "dpo.new": "null"]).differences(from: stored).isEmpty)
        #expect(
            Self.identity(settings: ["dpo.beta": "0.1", "dpo.new": "1"]).differences(from: stored)
                == ["dpo.new was null and is 1"])
        // A switch that came later was off.
        #expect(Self.identity(settings: ["dpo.beta": "0.1", "dpo.new": "false"]).differences(from: stored).isEmpty)
        #expect(
            Self.identity(settings: ["dpo.beta": "0.1", "dpo.new": "true"]).differences(from: stored)
                == ["dpo.new was null and is true"])
        #expect(Self.identity(settings: [:]).differences(from: stored) == ["dpo.beta was 0.1 and is null"])
    }
}
