import Diagnostics
import Foundation
import TestSupport
import Testing

@testable import Report

/// Lines of metrics become columns; nothing that is wrong with them is passed over in silence.
@Suite struct MetricsTests {
    private func table(_ text: String) throws -> MetricsTable? {
        let directory = try TemporaryDirectory()
        return try MetricsTable(directory.write(text, to: "metrics.jsonl"))
    }

    @Test func columnsAreTakenAsTheyCome() throws {
        let found = try table(
            """
            {"step": 0, "loss": 0.5, "grad_norm": null, "test_data": "abc"}
            {"step": 1, "loss": null, "own": 3}
            {"step": 2, "loss": 1e308, "own": 4, "word": "x", "test_data": "abc"}

            """)
        let table = try #require(found)
        #expect(table.steps == [0, 1, 2] && table.notes.isEmpty && table.testData == ["abc"])
        #expect(table.columns.map(\.name) == ["loss", "grad_norm", "own"])
        #expect(table.columns.map { $0.values.map(\.isFinite) }.first == [true, false, true])
        #expect(table.columns[1].values.allSatisfy { $0.isNaN })
        #expect(table.columns[2].values[0].isNaN && table.columns[2].values[1...] == [3, 4])
    }

    @Test func aCutLineIsNamed() throws {
        let table = try #require(try table("{\"step\": 0, \"loss\": 1}\n{\"step\": 1, \"lo"))
        #expect(table.steps == [0])
        #expect(
            table.notes.count == 1
                && table.notes[0].hasSuffix(":2: left out, cut off: was the run killed, or does it go on?"))
    }

    @Test func otherBadLinesAreNamed() throws {
        let good = "{\"step\": 3, \"loss\": 1}\n"
        let table = try #require(
            try table("{\"step\": 0, \"loss\": NaN}\n[]\n{\"loss\": 2}\n{\"step\": 1, \"loss\": 1e999}\nx\n" + good))
        #expect(table.steps == [3])
        #expect(table.notes.count == 4, "\(table.notes)")
        #expect(table.notes[0].contains(":1: left out") && table.notes[1].contains(":2: left out, not an object"))
        #expect(table.notes[2].contains(":3: left out, without a step") && table.notes[3].contains("2 more lines"))
    }

    @Test func stepsOutOfOrderAreSorted() throws {
        let table = try #require(
            try table("{\"step\": 2, \"loss\": 20}\n{\"step\": 1, \"loss\": 10}\n{\"step\": 3, \"loss\": 30}\n"))
        #expect(table.steps == [1, 2, 3] && table.columns[0].values == [10, 20, 30])
        #expect(table.notes.count == 1 && table.notes[0].contains("not in order"))
    }

    @Test func whatCannotBeReadIsAnError() throws {
        let directory = try TemporaryDirectory()
        #expect(try MetricsTable(directory.path + "/none.jsonl") == nil)
        let notes = try directory.write("something else\n", to: "metrics.jsonl")
        let error = #expect(throws: RDOError.self) { try MetricsTable(notes) }
        #expect(error?.kind == .artefact && error?.place == notes + ":1")
        // A directory in its place.
        #expect(throws: RDOError.self) { try MetricsTable(directory.path) }
        #expect(try MetricsTable(directory.write("", to: "empty.jsonl"))?.steps.isEmpty == true)
    }

    // MARK: - Thinning

    private func curves(_ count: Int, limit: Int, _ line: (Int) -> String) throws -> CurveTable {
        let table = try #require(
            try table((0..<count).map { "{\"step\": \($0 + 10), \(line($0))}\n" }.joined()))
        return CurveTable(table, file: "dpo/metrics.jsonl", limit: limit)
    }

    @Test func shortCurvesStayWhole() throws {
        let curves = try curves(5, limit: 5) { "\"loss\": \($0)" }
        #expect(curves.linesPerPoint == 1 && curves.steps == [10, 11, 12, 13, 14])
        #expect(curves.curves[0].values == [0, 1, 2, 3, 4])
        #expect(curves.curves[0].low == nil && curves.curves[0].high == nil)
        #expect(curves.firstStep == 10 && curves.lastStep == 14 && curves.lines == 5)
    }

    @Test func longCurvesKeepTheirMeansAndEnds() throws {
        let curves = try curves(1003, limit: 100) { $0 == 500 ? "\"loss\": 1e6" : "\"loss\": \($0 % 7)" }
        let loss = curves.curves[0]
        #expect(curves.linesPerPoint == 11 && curves.steps.count == 92)
        #expect(curves.steps.prefix(3) == [10, 21, 32])
        for (point, start) in stride(from: 0, to: 1003, by: 11).enumerated() {
            let values = (start..<min(start + 11, 1003)).map { $0 == 500 ? 1e6 : Double($0 % 7) }
            let mean = values.reduce(0, +) / Double(values.count)
            let shown = try #require(loss.values[point])
            #expect(abs(shown - mean) <= 1e-5 * max(mean, 1))
            #expect(loss.low?[point] == values.min() && loss.high?[point] == values.max())
        }
        // A single jump is seen however many lines there are.
        #expect(loss.high?.compactMap { $0 }.max() == 1e6 && loss.greatest == 1e6 && loss.last == 1)
    }

    @Test func whatIsNotFiniteIsCountedAndLeftOut() throws {
        let curves = try curves(40, limit: 10) {
            $0 < 8 || $0 == 20 ? "\"loss\": null" : "\"loss\": 2, \"late\": 1e308"
        }
        let (loss, late) = (curves.curves[0], curves.curves[1])
        #expect(curves.linesPerPoint == 4 && loss.missing == 9 && late.missing == 9)
        #expect(loss.values[0] == nil && loss.low?[1] == nil && loss.values[5] == 2 && loss.first == 2)
        #expect(late.values[5] == 1e308)
        let json = try EmbeddedJSON.text(curves)
        #expect(json.contains("[null,null,2,") && json.contains("\"lines_per_point\":4"))
    }
}
