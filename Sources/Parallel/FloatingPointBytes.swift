/// Doubles as little-endian bytes, for messages between ranks.
package enum FloatingPointBytes {
    package static func encode(_ values: [Double]) -> [UInt8] {
        values.flatMap { value in withUnsafeBytes(of: value.bitPattern.littleEndian) { Array($0) } }
    }

    /// - Precondition: the count is a multiple of 8.
    package static func decode(_ bytes: [UInt8]) -> [Double] {
        precondition(bytes.count % 8 == 0, "not a sequence of doubles")
        return bytes.withUnsafeBytes { raw in
            stride(from: 0, to: raw.count, by: 8).map {
                Double(bitPattern: UInt64(littleEndian: raw.loadUnaligned(fromByteOffset: $0, as: UInt64.self)))
            }
        }
    }
}
