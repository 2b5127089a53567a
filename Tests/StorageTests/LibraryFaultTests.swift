import Foundation
import TestSupport
import Testing

@testable import Diagnostics
@testable import Storage

/// Numbers under right checksums that the HDF5 library believes.
@Suite("Faults inside the HDF5 library") struct LibraryFaultTests {
    /// A file with so many attributes that they have an index of their own, whose header `change` may change.
    ///
    /// - Parameter change: of the header "BTHD" without its checksum: at 6 the bytes of a node, at 10 those of a record
    ///   (HDF5 file format 3.0, III.A.2).
    static func withIndex(_ path: String, _ change: (inout [UInt8]) -> Void) throws {
        let file = try HDF5File(creating: path)
        for index in 0..<12 { try file.setAttribute("number \(index)", .integer(Int64(index))) }
        try file.close()
        var bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
        let signature = try #require(Data(bytes).range(of: Data("BTHD".utf8))?.lowerBound)
        let length = 34
        var header = Array(bytes[signature..<signature + length])
        #expect(Checksum.of(header) == bytes[signature + length..<signature + length + 4].reversed().number)
        change(&header)
        let checksum = Checksum.of(header)
        bytes.replaceSubrange(signature..<signature + length, with: header)
        for byte in 0..<4 { bytes[signature + length + byte] = UInt8(truncatingIfNeeded: checksum >> (8 * byte)) }
        try Data(bytes).write(to: URL(fileURLWithPath: path))
    }

    @Test func unchangedFilesAreRead() throws {
        let scratch = try Scratch()
        let path = scratch.file("whole.h5")
        try Self.withIndex(path) { _ in }
        #expect(try HDF5File(opening: path).integer("number 7") == 7)
    }

    /// Two gigabytes for a node, of a file of some kilobytes.
    @Test func memoryWithoutMeasure() async throws {
        let result = try await #require(processExitsWith: .exitCode(4), observing: [\.standardErrorContent]) {
            let scratch = try Scratch()
            let path = scratch.file("large.h5")
            try LibraryFaultTests.withIndex(path) { $0.replaceSubrange(6..<10, with: [0, 0, 0, 0x7F]) }
            _ = try HDF5File(opening: path).integer("number 7")
        }
        let text = String(decoding: result.standardErrorContent, as: UTF8.self)
        #expect(
            text.contains(
                "large.h5: cannot look for attribute number 7: the HDF5 library asks for more memory than a file of its "
                    + "size can need; "))
    }

    /// The limit is for the length of a call.
    @Test func memoryForOthers() throws {
        let scratch = try Scratch()
        let path = scratch.file("small.h5")
        var limits = (before: rlimit(), during: rlimit(), after: rlimit())
        let data = __rlimit_resource_t(RLIMIT_DATA.rawValue)
        getrlimit(data, &limits.before)
        LibraryMemory.limited(at: path) { _ = getrlimit(data, &limits.during) }
        getrlimit(data, &limits.after)
        #expect(limits.during.rlim_cur > 512 << 20 && limits.during.rlim_cur < limits.before.rlim_cur)
        #expect(limits.after.rlim_cur == limits.before.rlim_cur && limits.after.rlim_max == limits.before.rlim_max)
    }

    /// The library divides by the length of a record.
    @Test func divisionByZero() async throws {
        let result = try await #require(processExitsWith: .exitCode(4), observing: [\.standardErrorContent]) {
            let scratch = try Scratch()
            let path = scratch.file("zero\u{1B}.h5")
            try LibraryFaultTests.withIndex(path) { $0.replaceSubrange(10..<12, with: [0, 0]) }
            _ = try HDF5File(opening: path).integer("number 7")
        }
        let lines = String(decoding: result.standardErrorContent, as: UTF8.self).split(separator: "\n")
        let line = try #require(lines.first { $0.contains("rdo: error: ") })
        #expect(
            line.hasSuffix(
                "zero\\u{1B}.h5: what it holds makes the HDF5 library crash: it is damaged; make it again, or take another copy"
            ))
    }

    /// What refers to itself is followed until the stack is used up.
    @Test func endlessRecursion() async throws {
        let result = try await #require(processExitsWith: .exitCode(4), observing: [\.standardErrorContent]) {
            HDF5.alone(at: "endless.h5") { _ = Self.deep(1) }
        }
        #expect(String(decoding: result.standardErrorContent, as: UTF8.self).contains("rdo: error: endless.h5: "))
    }

    @inline(never) private static func deep(_ level: Int) -> Int {
        withUnsafeTemporaryAllocation(of: Int.self, capacity: 512) { room in
            room.initialize(repeating: level)
            return level < .max ? deep(level + 1) + room[level & 511] : 0
        }
    }

    /// A circle is followed for some seconds.
    @Test(.timeLimit(.minutes(1))) func endlessCalls() async throws {
        let result = try await #require(processExitsWith: .exitCode(4), observing: [\.standardErrorContent]) {
            try HDF5.call("go round", at: "circle.h5") { getpid() > 0 ? Self.circle() : 0 }
        }
        #expect(
            String(decoding: result.standardErrorContent, as: UTF8.self).contains(
                "rdo: error: circle.h5: the HDF5 library finds no end in it: it is damaged; make it again, or take another "
                    + "copy\n"))
    }

    private static func circle() -> Int {
        while getpid() > 0 {}
        return 0
    }

    /// The file is not blamed for what happens elsewhere.
    @Test func faultsOfOthers() async throws {
        let after = try await #require(processExitsWith: .signal(SIGFPE), observing: [\.standardErrorContent]) {
            HDF5.alone(at: "innocent.h5") {}
            raise(SIGFPE)
        }
        let beside = try await #require(processExitsWith: .signal(SIGSEGV), observing: [\.standardErrorContent]) {
            HDF5.alone(at: "innocent.h5") {
                let thread = Thread { raise(SIGSEGV) }
                thread.start()
                sleep(10)
            }
        }
        for result in [after, beside] {
            #expect(!String(decoding: result.standardErrorContent, as: UTF8.self).contains("innocent.h5"))
        }
    }
}

/// The library's own checksum of metadata, which it has no header for.
private enum Checksum {
    private typealias Function = @convention(c) (UnsafeRawPointer?, Int, UInt32) -> UInt32

    static func of(_ bytes: [UInt8]) -> UInt32 {
        guard let symbol = dlsym(nil, "H5_checksum_lookup3") else { preconditionFailure("the library has it") }
        return unsafeBitCast(symbol, to: Function.self)(bytes, bytes.count, 0)
    }
}

extension Sequence<UInt8> {
    /// Of digits, the greatest first.
    fileprivate var number: UInt32 { reduce(0) { $0 << 8 | UInt32($1) } }
}
