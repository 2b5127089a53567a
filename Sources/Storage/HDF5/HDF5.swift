import CHDF5
import Diagnostics
import Foundation

/// The one gate to the HDF5 library.
///
/// The library is not thread-safe, not even for two different files, so every call runs under one lock. The lock makes
/// single operations safe from any thread; it does not make a `HDF5File` shareable: use a file from one thread at a time.
enum HDF5 {
    private static let lock = NSRecursiveLock()

    /// The library closes what is still open when the process exits, and crashes there after a disk was full. All our
    /// files are closed or flushed by then, so it need not.
    private static let withoutExitHandler: Void = { _ = H5dont_atexit() }()

    /// Files that this process writes at the time: what it writes has no limit. Guarded by the lock.
    nonisolated(unsafe) private static var written: Set<String> = []

    static func begin(writing path: String) { alone { _ = written.insert(path) } }
    static func end(writing path: String) { alone { _ = written.remove(path) } }

    /// Runs `body` alone, with the library's own error printing off.
    ///
    /// - Parameter path: the file that it is about, which takes the blame when the library crashes.
    static func alone<Result>(at path: String? = nil, _ body: () throws -> Result) rethrows -> Result {
        lock.lock()
        defer { lock.unlock() }
        withoutExitHandler
        _ = H5Eset_auto2(rdo_h5_error_stack(), nil, nil)
        guard let path else { return try body() }
        return try LibraryFaults.watched(at: path, body)
    }

    /// Runs one library call, whose negative result means failure.
    ///
    /// - Throws: `RDOError(.artefact)` "cannot `purpose`: the library's innermost message" at `path`.
    @discardableResult
    static func call<Result: SignedInteger>(
        _ purpose: @autoclosure () -> String, at path: String, _ body: () -> Result
    ) throws -> Result {
        try alone(at: path) {
            errno = 0
            let result =
                written.contains(path)
                ? body() : LibraryTime.limited(at: path) { LibraryMemory.limited(at: path, body) }
            guard result < 0 else { return result }
            if errno == ENOMEM { LibraryMemory.end(purpose(), at: path) }
            throw RDOError(.artefact, "cannot \(purpose()): \(innermostMessage())", at: path)
        }
    }

    /// Opens an identifier, hands it to `body` and closes it before returning: dataspaces, types and property lists
    /// never outlive the call that needs them (those of virtual datasets must not outlive the file).
    static func with<Result>(
        _ purpose: @autoclosure () -> String, at path: String, open: () -> Int64, close: (Int64) -> Int32,
        _ body: (Int64) throws -> Result
    ) throws -> Result {
        try alone(at: path) {
            let id = try call(purpose(), at: path, open)
            defer { _ = close(id) }
            return try body(id)
        }
    }

    /// The name that `read` gives, asked first for its length, then with room for it and a NUL.
    static func name(
        _ purpose: @autoclosure () -> String, at path: String, _ read: (UnsafeMutablePointer<CChar>?, Int) -> Int
    ) throws -> String {
        let length = try call(purpose(), at: path) { read(nil, 0) }
        var bytes = [CChar](repeating: 0, count: length + 1)
        try call(purpose(), at: path) { read(&bytes, length + 1) }
        return String(decoding: bytes.dropLast().map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }

    /// The deepest entry of the error stack: the cause, where outer entries only say which function passed it on.
    private static func innermostMessage() -> String {
        var message = "unknown HDF5 error"
        withUnsafeMutablePointer(to: &message) { slot in
            _ = H5Ewalk2(
                rdo_h5_error_stack(), H5E_WALK_UPWARD,
                { depth, entry, slot in
                    if depth == 0, let text = entry?.pointee.desc {
                        slot?.assumingMemoryBound(to: String.self).pointee = String(cString: text)
                    }
                    return 0
                }, slot)
        }
        // Where the system said why, that is all a user needs: "…, errno = 28, error message = 'No space left on device', …".
        if let reason = message.firstMatch(of: /error message = '([^']*)'/) { return String(reason.1) }
        return message
    }
}

/// A number that a dataset or an attribute can hold.
package protocol HDF5Number: BitwiseCopyable, Sendable {
    /// The type in the file, always little-endian, and the one in memory.
    static var hdf5Types: (file: Int64, memory: Int64) { get }
}

extension HDF5Number {
    static var isHDF5Float: Bool { Self.self is any BinaryFloatingPoint.Type }
}

extension Float: HDF5Number {
    package static var hdf5Types: (file: Int64, memory: Int64) {
        HDF5.alone { (rdo_h5_file_f32(), rdo_h5_native_f32()) }
    }
}

extension Double: HDF5Number {
    package static var hdf5Types: (file: Int64, memory: Int64) {
        HDF5.alone { (rdo_h5_file_f64(), rdo_h5_native_f64()) }
    }
}

extension Int8: HDF5Number {
    package static var hdf5Types: (file: Int64, memory: Int64) {
        HDF5.alone { (rdo_h5_file_i8(), rdo_h5_native_i8()) }
    }
}

extension Int32: HDF5Number {
    package static var hdf5Types: (file: Int64, memory: Int64) {
        HDF5.alone { (rdo_h5_file_i32(), rdo_h5_native_i32()) }
    }
}

extension Int64: HDF5Number {
    package static var hdf5Types: (file: Int64, memory: Int64) {
        HDF5.alone { (rdo_h5_file_i64(), rdo_h5_native_i64()) }
    }
}

extension UInt8: HDF5Number {
    package static var hdf5Types: (file: Int64, memory: Int64) {
        HDF5.alone { (rdo_h5_file_u8(), rdo_h5_native_u8()) }
    }
}

extension UInt64: HDF5Number {
    package static var hdf5Types: (file: Int64, memory: Int64) {
        HDF5.alone { (rdo_h5_file_u64(), rdo_h5_native_u64()) }
    }
}
