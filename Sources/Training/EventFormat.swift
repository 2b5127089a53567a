import Coding
import Inspection

/// What an event of TensorBoard says: the messages `Event`, `SessionLog`, `Summary` and `HistogramProto` of its event.proto
/// and summary.proto, as far as they are written here.
struct Event {
    enum Content {
        /// The first event of a file.
        case fileVersion(String)
        /// Readers forget what earlier files say of the event's step and later ones.
        case sessionStart
        case summary([Figure])
    }

    enum Figure {
        case scalar(tag: String, Double)
        case histogram(tag: String, of: [Double])
    }

    /// Seconds since 1970.
    let wallTime: Double
    let step: Int
    let content: Content

    var message: ProtobufMessage {
        var event = ProtobufMessage()
        event.append(1, wallTime)
        event.append(2, step)
        switch content {
        case .fileVersion(let version): event.append(3, version)
        case .sessionStart: event.append(7, ProtobufMessage { $0.append(1, 1) })  // status: START
        case .summary(let figures):
            event.append(5, ProtobufMessage { summary in for figure in figures { summary.append(1, figure.message) } })
        }
        return event
    }
}

extension Event.Figure {
    /// `Summary.Value`. A scalar is a float there: seven digits are enough for curves.
    fileprivate var message: ProtobufMessage {
        ProtobufMessage { message in
            switch self {
            case .scalar(let tag, let value):
                message.append(1, tag)
                message.append(2, Float(value))
            case .histogram(let tag, let numbers):
                message.append(1, tag)
                message.append(5, Self.histogram(of: numbers.filter(\.isFinite)))
            }
        }
    }

    /// `HistogramProto`, with the right edge of every part; without numbers it is empty.
    private static func histogram(of numbers: [Double]) -> ProtobufMessage {
        ProtobufMessage { message in
            guard let histogram = Histogram(of: numbers, parts: 30) else { return }
            // Equal numbers have no width to divide: one part holds them all.
            let counts = histogram.to > histogram.from ? histogram.counts : [numbers.count]
            let width = (histogram.to - histogram.from) / Double(counts.count)
            message.append(1, histogram.from)
            message.append(2, histogram.to)
            message.append(3, Double(numbers.count))
            message.append(4, numbers.reduce(0, +))
            message.append(5, numbers.reduce(0) { $0 + $1 * $1 })
            message.append(6, (1..<counts.count).map { histogram.from + width * Double($0) } + [histogram.to])
            message.append(7, counts.map(Double.init))
        }
    }
}

/// A message of Protocol Buffers while its fields are appended by number (protobuf.dev, "Encoding").
struct ProtobufMessage {
    private var writer = ByteWriter()
    var bytes: [UInt8] { writer.bytes }

    init() {}

    init(_ fill: (inout ProtobufMessage) -> Void) { fill(&self) }

    /// - Precondition: `value` is not negative.
    mutating func append(_ field: Int, _ value: Int) {
        tag(field, .varint)
        writer.write(value)
    }

    mutating func append(_ field: Int, _ value: Double) {
        tag(field, .eightBytes)
        writer.write(value)
    }

    mutating func append(_ field: Int, _ value: Float) {
        tag(field, .fourBytes)
        writer.write(value)
    }

    mutating func append(_ field: Int, _ text: String) {
        tag(field, .counted)
        writer.write(text)
    }

    mutating func append(_ field: Int, _ message: ProtobufMessage) {
        tag(field, .counted)
        writer.write(counted: message.bytes)
    }

    /// A repeated field, packed.
    mutating func append(_ field: Int, _ values: [Double]) {
        var packed = ByteWriter()
        for value in values { packed.write(value) }
        tag(field, .counted)
        writer.write(counted: packed.bytes)
    }

    private enum WireType: Int { case varint = 0, eightBytes = 1, counted = 2, fourBytes = 5 }

    private mutating func tag(_ field: Int, _ type: WireType) { writer.write(field << 3 | type.rawValue) }
}

/// A record of a TFRecord file: the length in 8 bytes, its checksum, the data, their checksum; all little-endian.
enum TFRecord {
    static func bytes(of data: [UInt8]) -> [UInt8] {
        let length = bytes(of: UInt64(data.count))
        return length + bytes(of: CRC32C.masked(length)) + data + bytes(of: CRC32C.masked(data))
    }

    private static func bytes(of integer: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: integer.littleEndian, Array.init)
    }
}

/// The CRC with Castagnoli's polynomial, bits reflected (RFC 3720, section 12.1). zlib has only that of IEEE 802.3.
enum CRC32C {
    private static let table: [UInt32] = (0..<256).map { byte in
        (0..<8).reduce(byte) { rest, _ in rest & 1 == 1 ? rest >> 1 ^ 0x82F6_3B78 : rest >> 1 }
    }

    static func checksum(_ bytes: [UInt8]) -> UInt32 {
        ~bytes.reduce(~0) { sum, byte in table[Int(UInt8(truncatingIfNeeded: sum) ^ byte)] ^ sum >> 8 }
    }

    /// As TFRecord stores it, so that a checksum over data that hold checksums stays a good one: rotated right by 15 bits,
    /// then a constant added.
    static func masked(_ bytes: [UInt8]) -> UInt32 {
        let sum = checksum(bytes)
        return (sum >> 15 | sum << 17) &+ 0xA282_EAD8
    }
}
