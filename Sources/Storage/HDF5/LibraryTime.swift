import Diagnostics
import Foundation

/// How much processor time the HDF5 library may take for one call.
///
/// It follows what a file says, also in a circle. After more time than a file of that size can need the process ends with
/// the line that `LibraryFaults` keeps ready.
enum LibraryTime {
    static let signal = SIGVTALRM

    /// Milliseconds. A file may be compressed to a thousandth.
    private static func allowance(_ path: String) -> Int {
        var status = stat()
        let size = stat(path, &status) == 0 ? max(0, status.st_size) : 0
        return 4000 + Int(size) >> 10
    }

    /// Runs one library call on the file at `path`. Only inside `LibraryFaults.watched`.
    static func limited<Result>(at path: String, _ body: () -> Result) -> Result {
        guard let timer = timerOfThisThread() else { return body() }
        let time = allowance(path)
        var interval = itimerspec()
        interval.it_value = timespec(tv_sec: time / 1000, tv_nsec: time % 1000 * 1_000_000)
        timer_settime(timer.name, 0, &interval, nil)
        defer {
            interval.it_value = timespec()
            timer_settime(timer.name, 0, &interval, nil)
        }
        return body()
    }

    /// The system's name of a timer, which may be 0, and so no pointer.
    private struct Timer {
        var name: timer_t?
        let thread = pthread_self()
    }

    // The gate's lock guards it. A timer counts the time of the thread that made it.
    nonisolated(unsafe) private static var current: Timer?

    private static func timerOfThisThread() -> Timer? {
        if let current, pthread_equal(current.thread, pthread_self()) != 0 { return current }
        if let current { timer_delete(current.name) }
        current = nil
        var event = sigevent()
        event.sigev_notify = Int32(SIGEV_SIGNAL)
        event.sigev_signo = signal
        var timer = Timer()
        guard timer_create(CLOCK_THREAD_CPUTIME_ID, &event, &timer.name) == 0 else { return nil }
        current = timer
        return timer
    }
}
