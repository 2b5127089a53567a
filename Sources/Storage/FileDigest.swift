import Coding
import Diagnostics
import Foundation

extension Digest {
    /// The digest of a file's bytes from `offset` on, and how many they are.
    ///
    /// - Throws: `RDOError(.artefact)` when the file cannot be read.
    package static func of(file path: String, from offset: Int = 0) throws -> (digest: Digest, byteCount: Int) {
        let descriptor = open(path, O_RDONLY)
        guard descriptor >= 0, lseek(descriptor, offset, SEEK_SET) == offset else {
            throw RDOError.system("read", path)
        }
        defer { close(descriptor) }
        let stream = DigestStream()
        var total = 0
        let block = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 64)
        defer { block.deallocate() }
        while true {
            let count = read(descriptor, block.baseAddress, block.count)
            if count < 0 && errno == EINTR { continue }
            guard count >= 0 else { throw RDOError.system("read", path) }
            if count == 0 { return (stream.digest, total) }
            stream.update(UnsafeRawBufferPointer(rebasing: block[..<count]))
            total += count
        }
    }
}
