import Diagnostics

/// Appends values to a run of bytes. Integers take 7 bits a byte, least significant first, so token ids take two or
/// three bytes; floats and doubles their 4 and 8 bytes, little-endian; texts and arrays their count first. Every message
/// between ranks that is more than floats is written so, and so are the values of Protocol Buffers.
package struct ByteWriter {
    package private(set) var bytes: [UInt8] = []
    /// Bytes that an integer takes at most.
    package static let longestInteger = 9

    package init() {}

    /// The bytes of one array.
    package static func bytes<Element>(
        of elements: [Element], _ writeElement: (Element, inout ByteWriter) -> Void
    ) -> [UInt8] {
        var bytes = ByteWriter()
        bytes.write(elements, writeElement)
        return bytes.bytes
    }

    /// - Precondition: `value` is not negative.
    package mutating func write(_ value: Int) {
        precondition(value >= 0, "only counts, indices and ids are written")
        var rest = UInt(value)
        while rest >= 0x80 {
            bytes.append(UInt8(rest & 0x7F) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    package mutating func write(_ value: Bool) { bytes.append(value ? 1 : 0) }

    package mutating func write(_ value: Double) { withUnsafeBytes(of: value.bitPattern.littleEndian) { bytes += $0 } }

    package mutating func write(_ value: Float) { withUnsafeBytes(of: value.bitPattern.littleEndian) { bytes += $0 } }

    package mutating func write(_ text: String) { write(counted: text.utf8) }

    package mutating func write(counted values: some Collection<UInt8>) {
        write(values.count)
        bytes += values
    }

    package mutating func write(_ values: [Double]) { write(values) { $1.write($0) } }

    package mutating func write<Element>(_ elements: [Element], _ writeElement: (Element, inout ByteWriter) -> Void) {
        write(elements.count)
        for element in elements { writeElement(element, &self) }
    }

    package mutating func write<Value>(optional value: Value?, _ writeValue: (Value, inout ByteWriter) -> Void) {
        write(value != nil)
        if let value { writeValue(value, &self) }
    }
}

/// Reads what `ByteWriter` wrote, in the same order.
package struct ByteReader {
    private let bytes: [UInt8]
    private var position = 0

    package static let malformed = RDOError(
        .peers, "another rank sent a message that cannot be read", remedy: "run the same rdo on every rank")

    package init(_ bytes: [UInt8]) { self.bytes = bytes }

    /// What `ByteWriter.bytes(of:)` wrote.
    package static func array<Element>(
        of bytes: [UInt8], _ readElement: (inout ByteReader) throws -> Element
    ) throws -> [Element] {
        var bytes = ByteReader(bytes)
        return try bytes.readArray(readElement)
    }

    package var isAtEnd: Bool { position == bytes.count }

    package mutating func readInt() throws -> Int {
        var value: UInt = 0
        for shift in stride(from: UInt(0), to: 63, by: 7) {
            let byte = try take(1)[position - 1]
            value |= UInt(byte & 0x7F) << shift
            if byte < 0x80 { return Int(value) }
        }
        throw Self.malformed
    }

    package mutating func readBool() throws -> Bool { try take(1)[position - 1] == 1 }

    package mutating func readDouble() throws -> Double {
        Double(bitPattern: try take(8).reversed().reduce(0) { $0 << 8 | UInt64($1) })
    }

    package mutating func readString() throws -> String { String(decoding: try take(try readInt()), as: UTF8.self) }

    package mutating func readBytes() throws -> [UInt8] { Array(try take(try readInt())) }

    package mutating func readDoubles() throws -> [Double] { try readArray { try $0.readDouble() } }

    package mutating func readArray<Element>(_ readElement: (inout ByteReader) throws -> Element) throws -> [Element] {
        var elements: [Element] = []
        for _ in 0..<(try readInt()) { elements.append(try readElement(&self)) }
        return elements
    }

    package mutating func readOptional<Value>(_ readValue: (inout ByteReader) throws -> Value) throws -> Value? {
        try readBool() ? try readValue(&self) : nil
    }

    private mutating func take(_ count: Int) throws -> ArraySlice<UInt8> {
        guard count <= bytes.count - position else { throw Self.malformed }
        position += count
        return bytes[(position - count)..<position]
    }
}
