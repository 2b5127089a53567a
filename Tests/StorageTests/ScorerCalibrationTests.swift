import Coding
import Diagnostics
import Foundation
import Testing

@testable import Storage

@Suite("Calibration in coefficient files") struct ScorerCalibrationTests {
    private static let calibration = ScorerCalibration(
        temperature: 1.25, lengthSlope: -0.0625, debiasedTemperature: 1.125, pairs: 7, data: "d2")

    /// All else stays as it was, and the digest is that of the new file.
    @Test func isWrittenBesideTheRawValues() throws {
        let scratch = try Scratch()
        let (path, copy) = (scratch.file("coefficients.h5"), scratch.file("copy.h5"))
        try Sample.coefficients(path, pairs: 10)
        let before = try CoefficientFile.read(path)
        #expect(before.calibration == nil)
        try before.write(Self.calibration, to: copy)
        #expect(try CoefficientFile.read(path).calibration == nil)
        try before.write(Self.calibration, to: path)
        for path in [path, copy] {
            let after = try CoefficientFile.read(path)
            #expect(after.calibration == Self.calibration && after.isSealed)
            #expect(after.header == before.header && after.provenance == before.provenance)
            #expect(after.differences.elementsEqual(before.differences) && after.keys.elementsEqual(before.keys))
            #expect(try after.readTables() == Sample.tables(pairs: 10))
            #expect(try Artefacts.verify(path).contains("10 pairs"))
        }
        // Another one takes its place, whole.
        let other = ScorerCalibration(
            temperature: nil, lengthSlope: 2, debiasedTemperature: nil, pairs: 3, data: nil)
        try CoefficientFile.read(path).write(other, to: path)
        #expect(try CoefficientFile.read(path).calibration == other)
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: scratch.path).sorted() == [
                "coefficients.h5", "copy.h5",
            ])
    }

    /// A file of another program has no room for a digest and gets none; its own numbers are taken where they can be.
    @Test func filesOfOthers() throws {
        let scratch = try Scratch()
        let path = scratch.file("other.h5")
        let keys = Array(Sample.tables(pairs: 3).pairKeys)
        func make(_ attributes: [String: HDF5Value]) throws -> CoefficientFile {
            try Durable.remove(path)
            let file = try HDF5File(creating: path, format: .crashTolerant)
            try file.setAttribute("schema", .text(CoefficientFile.schema))
            for (name, value) in attributes { try file.setAttribute(name, value) }
            try file.write(keys, to: "/pairs/key")
            try file.write([1, 2, 3] as [Float], to: "/pairs/difference")
            try file.close()
            return try CoefficientFile.read(path)
        }
        let file = try make([:])
        #expect(file.calibration == nil)
        try file.write(Self.calibration, to: path)
        let after = try CoefficientFile.read(path)
        #expect(after.calibration == Self.calibration && !after.isSealed && after.differences.elementsEqual([1, 2, 3]))

        #expect(try make(["calibration_temperature": .integer(2)]).calibration?.temperature == 2)
        for (name, value) in [
            ("calibration_temperature", 0), ("calibration_temperature", -1), ("calibration_temperature", .infinity),
            ("calibration_debiased_temperature", 0), ("calibration_length_slope", .nan),
        ] as [(String, Double)] {
            let error = artefactError { _ = try make([name: .real(value)]) }
            #expect(error?.what == "the root attribute \(name) is \(value)")
        }
    }

    @Test func mergedFilesKeepWhatAllState() throws {
        let scratch = try Scratch()
        let (first, second) = (scratch.file("a.h5"), scratch.file("b.h5"))
        for path in [first, second] { try Sample.coefficients(path, pairs: 5) }
        #expect(try CoefficientMerge([first, second]).losesCalibration == false)
        try CoefficientFile.read(first).write(Self.calibration, to: first)
        let one = try CoefficientMerge([first, second])
        #expect(one.losesCalibration && one.contents.calibration == nil)
        try CoefficientFile.read(second).write(Self.calibration, to: second)
        let both = try CoefficientMerge([first, second])
        #expect(!both.losesCalibration && both.contents.calibration == Self.calibration)
        let out = scratch.file("merged.h5")
        try both.contents.write(toNew: out, header: Sample.header)
        #expect(try CoefficientFile.read(out).calibration == Self.calibration)
    }
}
