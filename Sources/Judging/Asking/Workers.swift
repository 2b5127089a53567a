import Foundation
import Synchronization

/// Threads that somebody waits for.
final class Workers: Sendable {
    private let running = Mutex(0)

    var count: Int { running.withLock { $0 } }

    func start(_ body: @escaping @Sendable () -> Void) {
        running.withLock { $0 += 1 }
        let thread = Thread {
            // A server that closes a connection while it is written to must not end the process.
            var pipe = sigset_t()
            sigemptyset(&pipe)
            sigaddset(&pipe, SIGPIPE)
            pthread_sigmask(SIG_BLOCK, &pipe, nil)
            body()
            self.running.withLock { $0 -= 1 }
        }
        thread.start()
    }
}
