import Diagnostics
import Foundation
import Tensors
import TestSupport
import Testing

@testable import Storage

/// A safetensors file made by hand.
func safetensors(_ header: String, body: [UInt8] = [], length: UInt64? = nil) -> Data {
    withUnsafeBytes(of: (length ?? UInt64(header.utf8.count)).littleEndian) { Data($0) } + Data(header.utf8)
        + Data(body)
}

extension Scratch {
    @discardableResult
    func write(_ data: Data, to name: String) throws -> String {
        try data.write(to: URL(fileURLWithPath: file(name)))
        return file(name)
    }

    func writeSafetensors(_ name: String, type: SafetensorsType, _ tensors: [(String, [Int], [Float])]) throws -> String
    {
        let writer = try SafetensorsWriter(path: file(name), tensors: tensors.map { ($0.0, $0.1) }, type: type)
        for (name, _, values) in tensors { try values.withUnsafeBufferPointer { try writer.write(name, values: $0) } }
        try writer.finish()
        return file(name)
    }
}

extension SafetensorsFile {
    /// A whole tensor, read as models read theirs: checked first.
    func floats(_ name: String) throws -> [Float] {
        let shape = entries[name]?.shape ?? []
        try check(name, shape: shape)
        let count = shape.reduce(1, *)
        return try [Float](unsafeUninitializedCapacity: count) { buffer, initialized in
            if let start = buffer.baseAddress { try read(name, rows: 0..<(shape.first ?? 1), into: start) }
            initialized = count
        }
    }
}

@Suite("Safetensors") struct SafetensorsTests {
    static let rows: [Float] = (0..<35).map { Float($0) * 0.3 - 4 }

    @Test func floatsComeBackBitForBit() throws {
        let scratch = try Scratch()
        let special: [Float] = [0, -0.0, .leastNonzeroMagnitude, .greatestFiniteMagnitude, -.infinity, 1 / 3, -1e-20]
        let path = try scratch.writeSafetensors(
            "a", type: .f32, [("b.weight", [7, 5], Self.rows), ("a", [7], special), ("none", [0, 5], [])])
        let file = try SafetensorsFile.open(path)
        #expect(try file.floats("b.weight") == Self.rows)
        #expect(try file.floats("a").map(\.bitPattern) == special.map(\.bitPattern))
        #expect(try file.floats("none") == [])
        #expect(file.contains("a") && !file.contains("c"))
    }

    @Test func bf16ComesBackRounded() throws {
        let scratch = try Scratch()
        // Exact in 8 bits; then halfway cases, which go to even; then the next below and above half.
        let values: [Float] = [1, -2.5, 0.15625, 3e38, 1 + 1 / 256, 1 + 3 / 256, 1.0039, 1.0040]
        let path = try scratch.writeSafetensors("a", type: .bf16, [("x", [8], values)])
        #expect(
            try SafetensorsFile.open(path).floats("x")
                == [1, -2.5, 0.15625, Float(bitPattern: 0x7F62_0000), 1, 1 + 1 / 64, 1, 1 + 1 / 128])
        #expect(FileManager.default.contents(atPath: path)?.suffix(16).prefix(4) == Data([0x80, 0x3F, 0x20, 0xC0]))
    }

    /// Blocks of the converter are 2²⁰ values: one more crosses the border.
    @Test(arguments: [SafetensorsType.f32, .bf16]) func longTensors(_ type: SafetensorsType) throws {
        let scratch = try Scratch()
        let values = (0..<(1 << 20) + 3).map { Float($0 % 251 - 125) }
        let file = try SafetensorsFile.open(
            try scratch.writeSafetensors("a", type: type, [("x", [values.count], values)]))
        #expect(try file.floats("x") == values)
    }

    @Test(arguments: [SafetensorsType.f32, .bf16]) func rowRanges(_ type: SafetensorsType) throws {
        let scratch = try Scratch()
        let values = (0..<35).map { Float($0 - 17) / 4 }
        let file = try SafetensorsFile.open(
            try scratch.writeSafetensors("a", type: type, [("before", [3], [9, 9, 9]), ("x", [7, 5], values)]))
        for low in 0...7 {
            for high in low...7 {
                var part = [Float](repeating: .nan, count: 5 * (high - low))
                try part.withUnsafeMutableBufferPointer { buffer in
                    guard let start = buffer.baseAddress else { return }
                    try file.read("x", rows: low..<high, into: start)
                }
                #expect(part == Array(values[5 * low..<5 * high]))
            }
        }
    }

    @Test func f16MadeByHand() throws {
        let scratch = try Scratch()
        // 1, -2, 65504 (largest), 2⁻²⁴ (smallest subnormal), 1/3 rounded, -infinity.
        let body: [UInt8] = [0x00, 0x3C, 0x00, 0xC0, 0xFF, 0x7B, 0x01, 0x00, 0x55, 0x35, 0x00, 0xFC]
        let header = #"{"h":{"dtype":"F16","shape":[3,2],"data_offsets":[0,12]},"__metadata__":{"format":"pt"}}  "#
        let file = try SafetensorsFile.open(try scratch.write(safetensors(header, body: body), to: "a"))
        #expect(try file.floats("h") == [1, -2, 65504, 0x1p-24, 0.333251953125, -.infinity])
    }

    @Test func scalarsAndUnknownTypes() throws {
        let scratch = try Scratch()
        let header =
            #"{"s":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"i":{"dtype":"I64","shape":[2],"data_offsets":[4,20]}}"#
        let body = [0, 0, 0x80, 0x3F] + [UInt8](repeating: 1, count: 16)
        let file = try SafetensorsFile.open(try scratch.write(safetensors(header, body: body), to: "a"))
        #expect(try file.floats("s") == [1])
        // A type that no model needs is no error until it is asked for.
        let error = artefactError { _ = try file.floats("i") }
        #expect(error?.what == "tensor i has an unsupported number type")
        #expect(artefactError { try file.check("s", shape: [1]) }?.what.contains("shape []") == true)
        #expect(artefactError { _ = try file.floats("t") }?.what == "tensor t is missing")
    }

    static let good = #"{"x":{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}}"#

    @Test(arguments: [
        ("short", Data([1, 2, 3]), "the file has 3 bytes"),
        ("empty", Data(), "the file has 0 bytes"),
        ("long header", safetensors(good, length: 1 << 40), "truncated or damaged"),
        ("endless header", safetensors(good, length: .max), "truncated or damaged"),
        ("not JSON", safetensors("{\"x\": oh}"), "its header is not JSON"),
        ("no object", safetensors("[1, 2]"), "its header is not JSON"),
        ("no header", safetensors(""), "its header is not JSON"),
        ("truncated", safetensors(good, body: [UInt8](repeating: 0, count: 15)), "ends beyond the end of the file"),
        ("no entry", safetensors(#"{"x":3}"#), "entry for x is malformed"),
        ("no type", safetensors(#"{"x":{"shape":[1],"data_offsets":[0,4]}}"#), "entry for x is malformed"),
        (
            "negative shape", safetensors(#"{"x":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}"#),
            "entry for x is malformed"
        ),
        (
            "backwards", safetensors(#"{"x":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}"#),
            "entry for x is malformed"
        ),
        (
            "fraction", safetensors(#"{"x":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}}"#),
            "entry for x is malformed"
        ),
        (
            "huge shape",
            safetensors(#"{"x":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,4]}}"#),
            "impossible shape"
        ),
        (
            "wrong size", safetensors(#"{"x":{"dtype":"F32","shape":[3],"data_offsets":[0,16]}}"#),
            "tensor x of shape [3] and type F32 has 16 bytes"
        ),
        (
            "far offset",
            safetensors(#"{"x":{"dtype":"F32","shape":[1],"data_offsets":[9223372036854775803,9223372036854775807]}}"#),
            "ends beyond the end of the file"
        ),
        (
            "overlap",
            safetensors(
                #"{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"y":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}}"#,
                body: [UInt8](repeating: 0, count: 12)), "tensors x and y overlap"
        ),
        (
            "hole",
            safetensors(
                #"{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"y":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}}"#,
                body: [UInt8](repeating: 0, count: 12)), "its tensors take 8 bytes of the 12"
        ),
        ("tail", safetensors(good, body: [UInt8](repeating: 0, count: 17)), "its tensors take 16 bytes of the 17"),
        (
            "twice",
            safetensors(
                #"{"x":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]},"\u0078":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#,
                body: [0, 0, 0, 0]), "names a tensor twice"
        ),
    ]) func damagedFiles(_ name: String, _ data: Data, _ message: String) throws {
        let scratch = try Scratch()
        let path = try scratch.write(data, to: "model.safetensors")
        let error = artefactError { _ = try SafetensorsFile.open(path) }
        #expect(error?.what.contains(message) == true, "\(name): \(String(describing: error))")
        #expect(error?.place == path)
    }

    /// Colons, braces and quotes in names are no members.
    @Test func oddNames() throws {
        let scratch = try Scratch()
        let names = ["a:b", "{\"c\": [", "d\\", "\\\"", "é", ""]
        let file = try SafetensorsFile.open(
            scratch.writeSafetensors("a", type: .f32, names.enumerated().map { ($1, [1], [Float($0)]) }))
        for (index, name) in names.enumerated() { #expect(try file.floats(name) == [Float(index)]) }
    }

    @Test func missingFilesAndDirectories() throws {
        let scratch = try Scratch()
        #expect(
            artefactError { _ = try SafetensorsFile.open(scratch.file("none")) }?.what.contains("cannot open") == true)
        artefactError { _ = try SafetensorsFile.open(scratch.path) }
    }

    /// Random damage to length and header: opening throws `.artefact` or reads tensors that lie within the file. Far more
    /// files than a process may hold open, so that a refused file must have been closed.
    @Test func damagedHeadersNeverCrash() throws {
        var random = SeededGenerator(seed: 1)
        let scratch = try Scratch()
        let path = try scratch.writeSafetensors(
            "a", type: .f32, [("x", [7, 5], Self.rows), ("y", [2, 2], [1, 2, 3, 4])])
        let data = try Data(contentsOf: URL(fileURLWithPath: path))
        let headerEnd = data.count - 4 * (35 + 4)
        var (opened, refused) = (0, 0)
        for _ in 0..<5000 {
            var damaged = data
            for _ in 0..<Int.random(in: 1...3, using: &random) {
                let index =
                    Bool.random(using: &random)
                    ? Int.random(in: 8..<headerEnd, using: &random) : Int.random(in: 0..<headerEnd, using: &random)
                damaged[index] =
                    Bool.random(using: &random)
                    ? .random(in: 0...255, using: &random)
                    : (Array("0123456789[]{},:\"-e.".utf8).randomElement(using: &random) ?? 0)
            }
            if Int.random(in: 0..<4, using: &random) == 0 {
                damaged = damaged.prefix(Int.random(in: 0...damaged.count, using: &random))
            }
            try damaged.write(to: URL(fileURLWithPath: scratch.file("b")))
            do {
                let file = try SafetensorsFile.open(scratch.file("b"))
                opened += 1
                for (name, entry) in file.entries where entry.type != .other { _ = try file.floats(name) }
            } catch {
                refused += 1
                #expect((error as? RDOError)?.kind == .artefact, "\(error)")
            }
        }
        #expect(opened > 0 && refused > 1000, "opened \(opened), refused \(refused)")
    }

    @Test func readsWhatOthersWrite() throws {
        // Python's safetensors: save({"a": int64 [[1, 2]], "b": float32 arange(6).reshape(2, 3) / 4}, {"made": "by hand"}).
        let base64 =
            "mAAAAAAAAAB7Il9fbWV0YWRhdGFfXyI6eyJtYWRlIjoiYnkgaGFuZCJ9LCJhIjp7ImR0eXBlIjoiSTY0Iiwic2hhcGUiOlsxLDJdLCJkYXRhX29m"
            + "ZnNldHMiOlswLDE2XX0sImIiOnsiZHR5cGUiOiJGMzIiLCJzaGFwZSI6WzIsM10sImRhdGFfb2Zmc2V0cyI6WzE2LDQwXX19ICAgIAEAAAAAAAAA"
            + "AgAAAAAAAAAAAAAAAACAPgAAAD8AAEA/AACAPwAAoD8="
        let scratch = try Scratch()
        let file = try SafetensorsFile.open(try scratch.write(#require(Data(base64Encoded: base64)), to: "a"))
        #expect(try file.floats("b") == [0, 0.25, 0.5, 0.75, 1, 1.25])
    }
}
