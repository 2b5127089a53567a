import Foundation

/// Asks the program to stop at the next safe unit of work: SIGINT, SIGTERM, SIGUSR1 or the end of a Slurm job's time.
///
/// One rank's flag means nothing alone: passes combine the flags of all ranks, so that all stop at the same unit.
package enum StopSignal {
    /// Set from a signal handler, where only a plain store to a `sig_atomic_t` is allowed.
    nonisolated(unsafe) private static var received: sig_atomic_t = 0

    /// Installs the handlers. A second SIGINT ends the program at once, for a user who does not want to wait.
    package static func install() {
        // A parent may have started us with these blocked.
        var signals = sigset_t()
        sigemptyset(&signals)
        for number in [SIGINT, SIGTERM, SIGUSR1] { sigaddset(&signals, number) }
        pthread_sigmask(SIG_UNBLOCK, &signals, nil)
        for number in [SIGINT, SIGTERM, SIGUSR1] {
            signal(number) { number in
                if number == SIGINT && StopSignal.received != 0 { _exit(128 + SIGINT) }
                StopSignal.received = 1
            }
        }
    }

    /// - Parameter reserve: seconds that the next unit of work and a save may take: when the job ends before that
    ///   (`SLURM_JOB_END_TIME`, seconds since 1970), it is time to stop.
    package static func isRequested(reserve: TimeInterval = 0) -> Bool {
        if received != 0 { return true }
        guard let end = jobEnd else { return false }
        return Date().timeIntervalSince1970 + reserve > end
    }

    private static let jobEnd = ProcessInfo.processInfo.environment["SLURM_JOB_END_TIME"].flatMap(TimeInterval.init)
}
