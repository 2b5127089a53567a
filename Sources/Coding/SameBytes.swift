import Foundation

extension [UInt8] {
    /// Byte by byte, as fast as memory is compared: `elementsEqual` asks for one element after the other.
    package func hasSameBytes(as other: UnsafeBufferPointer<UInt8>) -> Bool {
        guard count == other.count, let bytes = other.baseAddress else { return count == other.count }
        return withUnsafeBytes { own in own.baseAddress.map { memcmp($0, bytes, own.count) == 0 } ?? true }
    }
}
