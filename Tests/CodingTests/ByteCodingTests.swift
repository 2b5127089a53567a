import Diagnostics
import Testing

@testable import Coding

@Suite("Bytes between ranks") struct ByteCodingTests {
    static let integers = [0, 1, 127, 128, 16_383, 16_384, 128_255, 1 << 40, Int.max]
    static let doubles = [0, -0.0, 1.5, .leastNonzeroMagnitude, -.infinity, .greatestFiniteMagnitude]

    static var message: [UInt8] {
        var bytes = ByteWriter()
        bytes.write(integers) { $1.write($0) }
        bytes.write(doubles)
        bytes.write(Double.nan)
        bytes.write(true)
        bytes.write("é\n\0")
        bytes.write([0, 7, Int(Int32.max)]) { $1.write($0) }
        bytes.write(optional: nil as String?) { $1.write($0) }
        bytes.write(optional: "") { $1.write($0) }
        return bytes.bytes
    }

    @discardableResult
    func read(_ bytes: [UInt8]) throws -> Bool {
        var bytes = ByteReader(bytes)
        #expect(try bytes.readArray { try $0.readInt() } == Self.integers)
        #expect(try bytes.readDoubles().map(\.bitPattern) == Self.doubles.map(\.bitPattern))
        #expect(try bytes.readDouble().isNaN)
        #expect(try bytes.readBool())
        #expect(try bytes.readString() == "é\n\0")
        #expect(try bytes.readArray { try $0.readInt() } == [0, 7, Int(Int32.max)])
        #expect(try bytes.readOptional { try $0.readString() } == nil)
        #expect(try bytes.readOptional { try $0.readString() } == "")
        return bytes.isAtEnd
    }

    @Test func everythingComesBack() throws { #expect(try read(Self.message)) }

    @Test func idsAreShort() {
        for (value, count) in zip(Self.integers, [1, 1, 1, 2, 2, 3, 3, 6, ByteWriter.longestInteger]) {
            var bytes = ByteWriter()
            bytes.write(value)
            #expect(bytes.bytes.count == count)
        }
    }

    @Test func aMessageThatEndsEarlyIsAnError() {
        // Wherever it is cut: the reader runs out within some value.
        for count in 0..<Self.message.count {
            var bytes = ByteReader(Array(Self.message.prefix(count)))
            let error = #expect(throws: RDOError.self) {
                _ = try bytes.readArray { try $0.readInt() }
                _ = (try bytes.readDoubles(), try bytes.readDouble(), try bytes.readBool(), try bytes.readString())
                _ = (
                    try bytes.readArray { try $0.readInt() }, try bytes.readBool(),
                    try bytes.readOptional { try $0.readString() }
                )
            }
            #expect(error == ByteReader.malformed)
        }
    }

    @Test func impossibleValuesAreErrors() {
        var endless = ByteReader([UInt8](repeating: 0xFF, count: 20))
        #expect(throws: RDOError.self) { try endless.readInt() }
        var long = ByteReader([0x7F, 1, 2])
        #expect(throws: RDOError.self) { try long.readString() }
    }

    @Test func onlyCountsAreIntegers() async {
        await #expect(processExitsWith: .failure) {
            var bytes = ByteWriter()
            bytes.write(-1)
        }
    }
}
