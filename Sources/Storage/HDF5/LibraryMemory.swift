import Diagnostics
import Foundation

/// How much memory the HDF5 library may take for one call.
///
/// It makes room for as much as a file says, before it looks whether that much is there: some bytes can ask for gigabytes.
/// While a call runs, the process may grow only by what a file of that size can need; beyond that the library's own
/// allocations fail. It does not recover from that (calls on other files crash later), so the process ends then.
enum LibraryMemory {
    /// Bytes: the library's own caches, and chunks, which may be compressed.
    private static func allowance(_ path: String) -> UInt64 {
        var status = stat()
        let size = stat(path, &status) == 0 ? UInt64(max(0, status.st_size)) : 0
        return 512 << 20 + min(size, 1 << 50) * 32
    }

    /// Runs one library call on the file at `path`. Only inside `HDF5.alone`: the limit is the process's.
    static func limited<Result>(at path: String, _ body: () -> Result) -> Result {
        var former = rlimit()
        guard let inUse, getrlimit(resource, &former) == 0 else { return body() }
        var limit = former
        limit.rlim_cur = min(former.rlim_cur, rlim_t(inUse + allowance(path)))
        guard setrlimit(resource, &limit) == 0 else { return body() }
        defer { setrlimit(resource, &former) }
        return body()
    }

    /// Ends the process after a call that failed for want of memory.
    static func end(_ purpose: String, at path: String) -> Never {
        RDOError.end(
            with: RDOError(
                .artefact, "cannot \(purpose): the HDF5 library asks for more memory than a file of its size can need",
                at: path, remedy: "the file is damaged, or has very large chunks (h5repack writes smaller ones)"))
    }

    private static let resource = __rlimit_resource_t(RLIMIT_DATA.rawValue)

    /// Bytes of the process's own writable memory; nil where the system does not say. Asked before every call, so nothing is
    /// allocated for it.
    private static var inUse: UInt64? {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 128) { text in
            guard statm >= 0 else { return nil }
            let count = pread(statm, text.baseAddress, text.count, 0)
            // "size resident shared text lib data dt", in pages.
            var (word, pages) = (0, UInt64(0))
            for character in text.prefix(max(0, count)) {
                if character == UInt8(ascii: " ") {
                    word += 1
                } else if word == 5 {
                    pages = pages * 10 + UInt64(character - UInt8(ascii: "0"))
                }
            }
            return word == 6 ? pages * pageSize : nil
        }
    }

    private static let pageSize = UInt64(getpagesize())
    private static let statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC)
}
