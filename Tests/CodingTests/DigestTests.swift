import Testing

@testable import Coding

/// The golden values come from Python's xxhash 3 (`xxhash.xxh3_128(...).hexdigest()`) over `struct.pack`ed ids.
@Suite("Digests and keys") struct DigestTests {
    static let bytes = (0..<100_000).map { UInt8(($0 * 7 + 3) % 256) }
    static let bytesDigest = "d9e155dd16e141d00c056f6fcc340974"

    @Test func agreesWithOtherImplementations() {
        #expect(Digest.of([UInt8]()).hex == "99aa06d3014798d86001c324468d497f")
        #expect(Digest.of("rdo").hex == "be40ff3169e13742f8e045a29317efe7")
        #expect(Digest.of(DigestTests.bytes).hex == DigestTests.bytesDigest)
    }

    @Test func piecesGiveTheDigestOfTheWhole() {
        let stream = DigestStream()
        var start = 0
        for size in [0, 1, 255, 256, 257, 40_000] {
            stream.update(Array(DigestTests.bytes[start..<start + size]))
            start += size
        }
        stream.update(Array(DigestTests.bytes[start...]))
        #expect(stream.digest.hex == DigestTests.bytesDigest)
    }

    @Test func hexAndBytesComeBack() throws {
        let digest = Digest.of("rdo")
        #expect(Digest(hex: digest.hex) == digest)
        #expect(Digest(bytes: digest.bytes) == digest)
        #expect(digest.bytes.prefix(2) == [0xBE, 0x40])
        #expect(Digest(hex: digest.hex.uppercased()) == nil)
        #expect(Digest(hex: "be40") == nil)
    }

    @Test func keysAreOverCountsAndIDs() {
        #expect(
            ContentKey.pair(query: [1, 2, 3], first: [4, 5], second: [6]).description
                == "678e8365ca21eeff3ecfa04da7a2659e")
        #expect(
            ContentKey.response(query: [1, 2, 3], response: [4, 5, 2]).description == "010eb99d87e95dcc931adbc56f290f3f"
        )
        #expect(
            ContentKey.pair(query: [], first: [-1, .max], second: []).description == "fb6681b229b32901f401f2683da9de59")
        #expect(ContentKey.query([1, 2, 3]).description == "9e9b05fb1a9226112f0b04541852cc55")
        #expect(
            ContentKey.pair(query: Array(0..<1000), first: Array(0..<300), second: Array(5..<200)).description
                == "a07afdc254ed07c5bf93fd6593950837")
    }

    @Test func idsCannotMoveBetweenParts() {
        let keys: Set = [
            ContentKey.pair(query: [1], first: [2], second: [3]), .pair(query: [1, 2], first: [], second: [3]),
            .pair(query: [1], first: [3], second: [2]), .response(query: [1], response: [2, 3]),
        ]
        #expect(keys.count == 4)
    }
}
