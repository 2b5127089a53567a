import Diagnostics
import Foundation

/// What a damaged file makes of the HDF5 library, told in one line.
///
/// The library believes whatever stands under a right checksum: it divides by such numbers and follows such places. Nothing
/// of the process can be trusted after a fault in it, so the process ends there: with the line and the exit code of any
/// other bad artefact, instead of a signal and nothing that names the file.
enum LibraryFaults {
    private static let signals = [SIGSEGV, SIGBUS, SIGFPE, SIGABRT, LibraryTime.signal]

    // The gate's lock guards all of these; the handler only reads them.
    nonisolated(unsafe) private static var isWatching = false
    nonisolated(unsafe) private static var thread = pthread_self()
    nonisolated(unsafe) private static var path = ""
    /// What the handler writes, ready beforehand: nothing can be put together there.
    nonisolated(unsafe) private static var crash = UnsafeMutableBufferPointer<UInt8>(start: nil, count: 0)
    nonisolated(unsafe) private static var endless = UnsafeMutableBufferPointer<UInt8>(start: nil, count: 0)
    /// What the signals did before: Open MPI has handlers of its own, and other threads may be at work.
    nonisolated(unsafe) private static let former = UnsafeMutablePointer<sigaction>.allocate(capacity: signals.count)
    /// For the handler, where a file that refers to itself has used up the thread's own stack.
    nonisolated(unsafe) private static let stack = UnsafeMutableRawPointer.allocate(
        byteCount: stackSize, alignment: 16)
    private static let stackSize = 1 << 16

    /// Runs `body`, library calls on the file at `path`, under the watch; calls may be nested. Only inside `HDF5.alone`.
    static func watched<Result>(at path: String, _ body: () throws -> Result) rethrows -> Result {
        guard !isWatching else { return try body() }
        isWatching = true
        thread = pthread_self()
        prepareLines(path)
        var own = stack_t(ss_sp: stack, ss_flags: 0, ss_size: stackSize)
        var formerStack = stack_t()
        sigaltstack(&own, &formerStack)
        var action = sigaction()
        action.__sigaction_handler.sa_handler = handler
        action.sa_flags = SA_ONSTACK
        for (index, signal) in signals.enumerated() { sigaction(signal, &action, former + index) }
        // Threads of a pool may hear of none.
        var (audible, formerMask) = (sigset_t(), sigset_t())
        sigemptyset(&audible)
        sigaddset(&audible, LibraryTime.signal)
        pthread_sigmask(SIG_UNBLOCK, &audible, &formerMask)
        defer {
            pthread_sigmask(SIG_SETMASK, &formerMask, nil)
            for (index, signal) in signals.enumerated() { sigaction(signal, former + index, nil) }
            sigaltstack(&formerStack, nil)
            isWatching = false
        }
        return try body()
    }

    private static let handler: @convention(c) (Int32) -> Void = { signal in
        let isEndless = signal == LibraryTime.signal
        if isEndless || pthread_equal(pthread_self(), thread) != 0 {
            let line = isEndless ? endless : crash
            _ = write(STDERR_FILENO, line.baseAddress, line.count)
            _exit(RDOError.Kind.artefact.rawValue)
        }
        // Another thread's fault is none of the library's: it is sent again, to whoever was to hear of it.
        for index in 0..<signals.count where signals[index] == signal { sigaction(signal, former + index, nil) }
        raise(signal)
    }

    private static func prepareLines(_ path: String) {
        guard path != self.path || crash.isEmpty else { return }
        prepare(&crash, path, "what it holds makes the HDF5 library crash: it is damaged")
        prepare(&endless, path, "the HDF5 library finds no end in it: it is damaged")
        self.path = path
    }

    private static func prepare(_ line: inout UnsafeMutableBufferPointer<UInt8>, _ path: String, _ what: String) {
        let error = RDOError(.artefact, what, at: path, remedy: "make it again, or take another copy")
        let bytes = Array("rdo: error: \(error)\n".utf8)
        line.deallocate()
        line = .allocate(capacity: bytes.count)
        _ = line.initialize(from: bytes)
    }
}
