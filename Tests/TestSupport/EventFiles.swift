import Foundation

/// What the event files of a directory say, as TensorBoard shows it; read after the published formats, with no code of the
/// writer's: checksums bit by bit, messages field by field.
package struct EventFiles {
    package struct Histogram: Equatable {
        package var min = 0.0, max = 0.0, count = 0.0, sum = 0.0, sumOfSquares = 0.0
        package var limits: [Double] = []
        package var buckets: [Double] = []

        package init() {}
    }

    package struct Malformed: Error { let what: String }

    /// By tag, in the order of the steps.
    package private(set) var scalars: [String: [(step: Int, value: Float)]] = [:]
    package private(set) var histograms: [String: [(step: Int, value: Histogram)]] = [:]
    package private(set) var wallTimes: [Double] = []
    /// Names, in the order in which they are read.
    package let files: [String]
    /// Values that a later session start made void.
    package private(set) var forgotten = 0

    /// - Throws: `Malformed` at anything that the formats do not allow; a last record that was cut short is none.
    package init(_ directory: String) throws {
        files = try FileManager.default.contentsOfDirectory(atPath: directory).sorted()
        for name in files {
            let records = try Self.records(Array(Data(contentsOf: URL(fileURLWithPath: directory + "/" + name))))
            for (index, record) in records.enumerated() { try add(record, isFirst: index == 0) }
        }
    }

    // MARK: - Records

    package static func records(_ bytes: [UInt8]) throws -> [[UInt8]] {
        var records: [[UInt8]] = []
        var rest = bytes[...]
        while rest.count >= 12 {
            let length = Int(integer(rest.prefix(8)))
            guard integer(rest.dropFirst(8).prefix(4)) == masked(rest.prefix(8)) else {
                throw Malformed(what: "checksum of a length")
            }
            guard rest.count >= 16 + length else { break }
            let data = rest.dropFirst(12).prefix(length)
            guard integer(rest.dropFirst(12 + length).prefix(4)) == masked(data) else {
                throw Malformed(what: "checksum of data")
            }
            records.append(Array(data))
            rest = rest.dropFirst(16 + length)
        }
        return records
    }

    private static func integer(_ bytes: ArraySlice<UInt8>) -> UInt64 {
        bytes.reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    private static func masked(_ bytes: ArraySlice<UInt8>) -> UInt64 {
        var sum = ~UInt32(0)
        for byte in bytes {
            for bit in 0..<8 {
                let isOdd = (sum ^ UInt32(byte >> UInt8(bit))) & 1 == 1
                sum = isOdd ? sum >> 1 ^ 0x82F6_3B78 : sum >> 1
            }
        }
        sum = ~sum
        return UInt64((sum >> 15 | sum << 17) &+ 0xA282_EAD8)
    }

    // MARK: - Messages

    private mutating func add(_ record: [UInt8], isFirst: Bool) throws {
        let event = try Self.fields(record[...])
        let step = Int(event.last { $0.number == 2 }?.integer ?? 0)
        guard let wallTime = event.last(where: { $0.number == 1 })?.double else { throw Malformed(what: "no time") }
        wallTimes.append(wallTime)
        for field in event where ![1, 2].contains(field.number) {
            switch field.number {
            case 3:
                guard isFirst, field.bytes.elementsEqual("brain.Event:2".utf8) else { throw Malformed(what: "version") }
            case 7:
                guard try Self.fields(field.bytes).map(\.integer) == [1] else { throw Malformed(what: "session") }
                forget(from: step)
            case 5:
                for value in try Self.fields(field.bytes) { try add(value: Self.fields(value.bytes), step: step) }
            default: throw Malformed(what: "event field \(field.number)")
            }
        }
    }

    private mutating func forget(from step: Int) {
        let count = { (files: Self) in
            (Array(files.scalars.values.map(\.count)) + files.histograms.values.map(\.count)).reduce(0, +)
        }
        let before = count(self)
        scalars = scalars.mapValues { $0.filter { $0.step < step } }
        histograms = histograms.mapValues { $0.filter { $0.step < step } }
        forgotten += before - count(self)
    }

    private mutating func add(value: [Field], step: Int) throws {
        guard value.count == 2, value[0].number == 1 else { throw Malformed(what: "summary value") }
        let tag = String(decoding: value[0].bytes, as: UTF8.self)
        switch value[1].number {
        case 2: scalars[tag, default: []].append((step, Float(bitPattern: UInt32(value[1].integer))))
        case 5: histograms[tag, default: []].append((step, try Self.histogram(value[1].bytes)))
        default: throw Malformed(what: "summary field \(value[1].number)")
        }
    }

    private static func histogram(_ bytes: ArraySlice<UInt8>) throws -> Histogram {
        var histogram = Histogram()
        for field in try fields(bytes) {
            switch field.number {
            case 1: histogram.min = field.double
            case 2: histogram.max = field.double
            case 3: histogram.count = field.double
            case 4: histogram.sum = field.double
            case 5: histogram.sumOfSquares = field.double
            case 6: histogram.limits = field.doubles
            case 7: histogram.buckets = field.doubles
            default: throw Malformed(what: "histogram field \(field.number)")
            }
        }
        return histogram
    }

    private struct Field {
        let number: Int
        var integer: UInt64 = 0
        var bytes: ArraySlice<UInt8> = []

        var double: Double { Double(bitPattern: integer) }
        var doubles: [Double] {
            let start = bytes.startIndex
            return stride(from: start, to: bytes.endIndex, by: 8).map {
                Double(bitPattern: EventFiles.integer(bytes[$0..<Swift.min($0 + 8, bytes.endIndex)]))
            }
        }
    }

    private static func fields(_ message: ArraySlice<UInt8>) throws -> [Field] {
        var (rest, fields): (ArraySlice<UInt8>, [Field]) = (message, [])
        func varint() throws -> UInt64 {
            guard let end = rest.firstIndex(where: { $0 < 0x80 }) else { throw Malformed(what: "varint") }
            defer { rest = rest[(end + 1)...] }
            return rest[...end].reversed().reduce(0) { $0 << 7 | UInt64($1 & 0x7F) }
        }
        func take(_ count: Int) throws -> ArraySlice<UInt8> {
            guard count <= rest.count else { throw Malformed(what: "length") }
            defer { rest = rest.dropFirst(count) }
            return rest.prefix(count)
        }
        while !rest.isEmpty {
            let tag = try varint()
            var field = Field(number: Int(tag >> 3))
            switch tag & 7 {
            case 0: field.integer = try varint()
            case 1: field.integer = integer(try take(8))
            case 2: field.bytes = try take(Int(try varint()))
            case 5: field.integer = integer(try take(4))
            default: throw Malformed(what: "wire type \(tag & 7)")
            }
            fields.append(field)
        }
        return fields
    }
}
