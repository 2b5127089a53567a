import Foundation

/// How much memory the HDF5 library may take for one call.
///
/// It makes room for as much as a file says, before it looks whether that much is there: some bytes can ask for gigabytes.
/// While a call runs, the process may grow only by what a file of that size can need; beyond that the library's own
/// allocations fail, and with them the call.
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

    private static let resource = __rlimit_resource_t(RLIMIT_DATA.rawValue)

    /// Bytes of the process's own writable memory; nil where the system does not say.
    private static var inUse: UInt64? {
        // "size resident shared text lib data dt", in pages.
        guard statm >= 0 else { return nil }
        var bytes = [UInt8](repeating: 0, count: 128)
        let count = pread(statm, &bytes, bytes.count, 0)
        let words = bytes.prefix(max(0, count)).split(separator: UInt8(ascii: " "))
        guard words.count == 7, let pages = UInt64(String(decoding: words[5], as: UTF8.self)) else { return nil }
        return pages * UInt64(getpagesize())
    }

    private static let statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC)
}
