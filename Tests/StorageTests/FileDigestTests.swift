import Coding
import Foundation
import Testing

@testable import Storage

@Suite("Digests of files") struct FileDigestTests {
    @Test func filesAreDigestedFromAnOffset() throws {
        let bytes = (0..<100_000).map { UInt8(($0 * 7 + 3) % 256) }
        let scratch = try Scratch()
        try Data([1, 2, 3] + bytes).write(to: URL(fileURLWithPath: scratch.file("a")))
        let (digest, count) = try Digest.of(file: scratch.file("a"), from: 3)
        #expect(digest.hex == Digest.of(bytes).hex)
        #expect(count == 100_000)
        artefactError { _ = try Digest.of(file: scratch.file("b")) }
    }
}
