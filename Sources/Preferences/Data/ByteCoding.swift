import Diagnostics

/// Appends values to a run of bytes. Integers take 7 bits a byte, least significant first, so token ids take two or
/// three bytes; doubles their 8 bytes, little-endian; texts and arrays their count first.
package struct ByteWriter {
    package private(set) var bytes: [UInt8] = []

    package init() {}

    /// - Precondition: `value` is not negative.
    mutating func write(_ value: Int) {
        precondition(value >= 0, "only counts, indices and ids are written")
        var rest = UInt(value)
        while rest >= 0x80 {
            bytes.append(UInt8(rest & 0x7F) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }

    mutating func write(_ value: Bool) { bytes.append(value ? 1 : 0) }

    mutating func write(_ value: Double) { withUnsafeBytes(of: value.bitPattern.littleEndian) { bytes += $0 } }

    mutating func write(_ text: String) {
        write(text.utf8.count)
        bytes += text.utf8
    }

    mutating func write(_ ids: [Int32]) { write(ids) { $1.write(Int($0)) } }

    mutating func write<Element>(_ elements: [Element], _ writeElement: (Element, inout ByteWriter) -> Void) {
        write(elements.count)
        for element in elements { writeElement(element, &self) }
    }

    mutating func write<Value>(optional value: Value?, _ writeValue: (Value, inout ByteWriter) -> Void) {
        write(value != nil)
        if let value { writeValue(value, &self) }
    }
}

/// Reads what `ByteWriter` wrote, in the same order.
package struct ByteReader {
    private let bytes: [UInt8]
    private var position = 0

    static let malformed = RDOError(
        .peers, "another rank sent tokenised rows that cannot be read", remedy: "run the same rdo on every rank")

    package init(_ bytes: [UInt8]) { self.bytes = bytes }

    var isAtEnd: Bool { position == bytes.count }

    mutating func readInt() throws -> Int {
        var value: UInt = 0
        for shift in stride(from: UInt(0), to: 63, by: 7) {
            let byte = try take(1)[position - 1]
            value |= UInt(byte & 0x7F) << shift
            if byte < 0x80 { return Int(value) }
        }
        throw Self.malformed
    }

    mutating func readBool() throws -> Bool { try take(1)[position - 1] == 1 }

    mutating func readDouble() throws -> Double {
        Double(bitPattern: try take(8).reversed().reduce(0) { $0 << 8 | UInt64($1) })
    }

    mutating func readString() throws -> String { String(decoding: try take(try readInt()), as: UTF8.self) }

    mutating func readIDs() throws -> [Int32] {
        try readArray { bytes in
            guard let id = Int32(exactly: try bytes.readInt()) else { throw Self.malformed }
            return id
        }
    }

    mutating func readArray<Element>(_ readElement: (inout ByteReader) throws -> Element) throws -> [Element] {
        var elements: [Element] = []
        for _ in 0..<(try readInt()) { elements.append(try readElement(&self)) }
        return elements
    }

    mutating func readOptional<Value>(_ readValue: (inout ByteReader) throws -> Value) throws -> Value? {
        try readBool() ? try readValue(&self) : nil
    }

    private mutating func take(_ count: Int) throws -> ArraySlice<UInt8> {
        guard count <= bytes.count - position else { throw Self.malformed }
        position += count
        return bytes[(position - count)..<position]
    }
}
