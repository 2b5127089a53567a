import CHDF5
import Diagnostics
import Foundation
import TestSupport
import Testing

@testable import Storage

/// A directory that exists for the length of a test.
final class Scratch {
    let path: String

    init() throws {
        path = NSTemporaryDirectory() + "rdo-storage-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func file(_ name: String) -> String { path + "/" + name }
}

/// Files go to h5py and come from it where there is one.
enum H5py {
    static let isThere = Python.has("h5py", "numpy")

    static func run(_ script: String, _ arguments: [String]) throws -> (status: Int32, output: String) {
        let result = try CommandRunner.run(Python.path, ["-c", script] + arguments)
        return (result.status, result.output + result.error)
    }
}

/// Overwrites one byte with its complement in one bit.
func flipBit(_ bit: Int, ofByte offset: Int, in path: String) throws {
    let handle = try #require(FileHandle(forUpdatingAtPath: path))
    try handle.seek(toOffset: UInt64(offset))
    let byte = try #require(try handle.read(upToCount: 1)?.first)
    try handle.seek(toOffset: UInt64(offset))
    try handle.write(contentsOf: Data([byte ^ (1 << bit)]))
    try handle.close()
}

func size(of path: String) throws -> Int {
    try #require(try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int)
}

/// The error that `body` throws must be of kind artefact; it is returned for a closer look.
@discardableResult
func artefactError(_ body: () throws -> Void, _ location: SourceLocation = #_sourceLocation) -> RDOError? {
    do {
        try body()
        Issue.record("nothing was thrown", sourceLocation: location)
    } catch let error as RDOError {
        #expect(error.kind == .artefact, sourceLocation: location)
        return error
    } catch {
        Issue.record("not an RDOError: \(error)", sourceLocation: location)
    }
    return nil
}

@Suite("HDF5 wrapper") struct HDF5Tests {
    @Test func numbersComeBack() throws {
        let scratch = try Scratch()
        let path = scratch.file("a.h5")
        let values = (0..<12).map { Double($0) / 7 }
        do {
            let file = try HDF5File(creating: path)
            try file.createDataset("/group/f64", of: Double.self, shape: [4, 3], layout: .checked(rowBytes: 24)).write(
                values)
            try file.createDataset("/group/f32", of: Float.self, shape: [12], layout: .chunked(rows: 5))
                .write(values.map(Float.init))
            try file.createDataset("i32", of: Int32.self, shape: [2], layout: .contiguous).write([Int32.min, Int32.max])
            try file.createDataset("i64", of: Int64.self, shape: [2], layout: .contiguous).write([Int64.min, Int64.max])
            try file.createDataset("u8", of: UInt8.self, shape: [0, 16], layout: .checked(rowBytes: 16))
            try file.close()
        }
        let file = try HDF5File(opening: path)
        #expect(try file.children(of: "/group") == ["f32", "f64"])
        let matrix = try file.dataset("/group/f64")
        #expect(matrix.shape == [4, 3])
        #expect(try matrix.read(Double.self) == values)
        #expect(try matrix.read(Double.self, rows: 1..<3) == Array(values[3..<9]))
        var block = [Double](repeating: 0, count: 4)
        try block.withUnsafeMutableBufferPointer { try matrix.read([1..<3, 1..<3], into: $0) }
        #expect(block == [values[4], values[5], values[7], values[8]])
        #expect(try file.dataset("group/f32").read(Float.self) == values.map(Float.init))
        #expect(try file.dataset("i32").read(Int32.self) == [Int32.min, Int32.max])
        #expect(try file.dataset("i64").read(Int64.self) == [Int64.min, Int64.max])
        #expect(try file.dataset("u8").read(UInt8.self).isEmpty)
        #expect(try file.exists("/group/f32"))
        #expect(try !file.exists("/group/f32x"))
        #expect(try !file.exists("/nothing/f32"))
        artefactError { _ = try file.dataset("i32").read(Float.self) }
        artefactError { _ = try file.dataset("absent") }
    }

    @Test func attributesComeBack() throws {
        let scratch = try Scratch()
        let values: [String: HDF5Value] = [
            "text": .text("grün 梨 🍐"), "empty": .text(""), "long": .text(String(repeating: "x", count: 100_000)),
            "integer": .integer(-5), "seed": .unsigned(.max), "real": .real(0.1), "bytes": .bytes([0, 255, 3]),
            "integers": .integers([1, -2, 3]),
        ]
        do {
            let file = try HDF5File(creating: scratch.file("a.h5"))
            let group = try file.createGroup("/a/b")
            for (name, value) in values { try group.setAttribute(name, value) }
            try file.setAttribute("inline", .text("fixed ü"), inline: true)
        }
        let file = try HDF5File(opening: scratch.file("a.h5"))
        #expect(try file.group("/a/b").attributes() == values)
        #expect(try file.text("inline") == "fixed ü")
        #expect(try file.attribute("absent") == nil)
    }

    @Test func stringsComeBack() throws {
        let scratch = try Scratch()
        let strings = ["", "a", "line\nbreak", "梨 🍐", String(repeating: "long ", count: 10_000)]
        let file = try HDF5File(creating: scratch.file("a.h5"))
        try file.createStrings("text", strings + ["nul\0inside"])
        try file.createStrings("none", [])
        #expect(try file.dataset("text").readStrings() == strings + ["nul\u{FFFD}inside"])
        #expect(try file.dataset("text").readStrings(rows: 1..<3) == ["a", "line\nbreak"])
        #expect(try file.dataset("none").readStrings().isEmpty)
    }

    @Test func hundredThousandsOfStringsTakeSeconds() throws {
        let scratch = try Scratch()
        let strings = (0..<400_000).map { "response number \($0) " + String(repeating: "text ", count: $0 % 60) }
        let clock = ContinuousClock()
        let file = try HDF5File(creating: scratch.file("a.h5"))
        let write = try clock.measure { try file.createStrings("text", strings) }
        var back: [String] = []
        let read = try clock.measure { back = try file.dataset("text").readStrings() }
        #expect(back == strings)
        #expect(write + read < .seconds(60))
        print("400,000 strings: written in \(write), read in \(read)")
    }

    @Test func errorsSayWhatAndWhere() throws {
        let scratch = try Scratch()
        let missing = artefactError { _ = try HDF5File(opening: scratch.file("missing.h5")) }
        #expect(missing?.place == scratch.file("missing.h5"))
        #expect(missing?.what.contains("No such file") == true)
        try Data("plain text".utf8).write(to: URL(fileURLWithPath: scratch.file("text.h5")))
        #expect(artefactError { _ = try HDF5File(opening: scratch.file("text.h5")) }?.what == "not an HDF5 file")
        _ = try HDF5File(creating: scratch.file("a.h5"))
        artefactError { _ = try HDF5File(creating: scratch.file("a.h5")) }
        let created = artefactError { _ = try HDF5File(creating: scratch.file("no/such/directory.h5")) }
        #expect(created?.what == "cannot create: No such file or directory")
    }

    @Test func fletcher32FindsFlippedBytes() throws {
        let scratch = try Scratch()
        let path = scratch.file("a.h5")
        let values = (0..<4096).map { Float($0) }
        do {
            let file = try HDF5File(creating: path)
            try file.createDataset("x", of: Float.self, shape: [4096], layout: .chunked(rows: 1024)).write(values)
        }
        let data = try Data(contentsOf: URL(fileURLWithPath: path))
        let needle = values[2000..<2004].withUnsafeBytes { Data($0) }
        let offset = try #require(data.range(of: needle)).lowerBound
        try flipBit(3, ofByte: offset, in: path)
        let error = artefactError { _ = try HDF5File(opening: path).dataset("x").read(Float.self) }
        #expect(error?.what.contains("/x") == true)
        #expect(try HDF5File(opening: path).dataset("x").read(Float.self, rows: 0..<1024) == Array(values[..<1024]))
    }

    @Test func virtualDatasetsJoinFiles() throws {
        let scratch = try Scratch()
        for part in 0..<2 {
            let file = try HDF5File(creating: scratch.file("part\(part).h5"))
            try file.createDataset("/m/x%1", of: Float.self, shape: [part + 1, 2], layout: .checked(rowBytes: 8))
                .write((0..<(part + 1) * 2).map { Float(part * 10 + $0) })
        }
        do {
            let file = try HDF5File(creating: scratch.file("index.h5"))
            try file.createVirtual(
                "/m/x%1", shape: [3, 2], sources: [("part0.h5", 0..<1), ("part1.h5", 1..<3)])
        }
        func virtual() throws -> HDF5Dataset { try HDF5File(opening: scratch.file("index.h5")).dataset("/m/x%1") }
        // rdo itself reads the parts: through a virtual dataset a missing one would read as fill values.
        #expect(artefactError { _ = try virtual().read(Float.self) }?.what.contains("outside the file") == true)
        func read() throws -> [Float] {
            let dataset = try virtual()
            dataset.isOwn = true
            return try dataset.read(Float.self)
        }
        let joined = try read()
        #expect(joined == [0, 1, 10, 11, 12, 13])
        try FileManager.default.removeItem(atPath: scratch.file("part0.h5"))
        let incomplete = try read()
        #expect(incomplete[0].isNaN && incomplete[1].isNaN)
    }

    @Test func manyThreadsMayUseDifferentFiles() async throws {
        let scratch = try Scratch()
        try await withThrowingTaskGroup(of: [Float].self) { group in
            for task in 0..<8 {
                let path = scratch.file("\(task).h5")
                group.addTask {
                    let file = try HDF5File(creating: path)
                    for index in 0..<20 {
                        try file.createDataset("\(index)", of: Float.self, shape: [1], layout: .contiguous)
                            .write([Float(task)])
                    }
                    artefactError { _ = try file.dataset("absent") }
                    return try (0..<20).flatMap { try file.dataset("\($0)").read(Float.self) }
                }
            }
            for try await values in group { #expect(Set(values).count == 1 && values.count == 20) }
        }
    }
}
