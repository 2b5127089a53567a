import Diagnostics
import Foundation

/// The one thread of this process that calls MPI, in the order in which work is handed to it.
///
/// Collectives match across ranks because every rank hands over the same ones in the same order; arithmetic goes on
/// meanwhile on the thread that handed them over. Only one thread ever calls MPI at a time, so `MPI_THREAD_SERIALIZED`
/// is enough.
///
/// `@unchecked Sendable`: all is behind the lock but `exposedSeconds`, which belongs to the thread that waits.
package final class CommunicationThread: @unchecked Sendable {
    package static let shared = CommunicationThread()

    private let condition = NSCondition()
    private var queue: [PendingCommunication] = []
    private var service: (@Sendable () throws -> Void)?
    private var isHalted = false
    /// What communication nobody waits for ended with. After lost peers nothing can be communicated any more.
    private var failure: RDOError?
    private var thread: pthread_t?

    /// Seconds that the rest of the program has waited for communication: what overlap could not hide.
    package private(set) var exposedSeconds = 0.0

    private init() {
        let body: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { _ in
            CommunicationThread.shared.loop()
            return nil
        }
        var thread = pthread_t()
        precondition(pthread_create(&thread, nil, body, nil) == 0, "a process can start a thread")
        condition.withLock { self.thread = thread }
    }

    /// Runs `body` on the communication thread after everything handed over before, and waits for it.
    ///
    /// - Throws: what `body` throws, or what an earlier communication ended with.
    func perform<Result>(_ body: () throws -> Result) throws -> Result {
        if isCurrent { return try body() }
        // This thread waits meanwhile: nothing is touched by both at a time.
        nonisolated(unsafe) var result: Result?
        try withoutActuallyEscaping(body) { body in
            nonisolated(unsafe) let body = body
            try submit { result = try body() }.wait()
        }
        guard let result else { preconditionFailure("work that ended without an error has a result") }
        return result
    }

    /// Hands `body` over without waiting. Whoever needs its effect waits for the returned communication.
    func submit(_ body: @escaping @Sendable () throws -> Void) -> PendingCommunication {
        let pending = PendingCommunication(body)
        condition.withLock {
            queue.append(pending)
            condition.broadcast()
        }
        return pending
    }

    /// `body` is called about every millisecond on the communication thread, between and during communications.
    /// It must neither wait nor start a collective. Nil ends the service; the call returns when it is not running.
    package func serve(_ body: (@Sendable () throws -> Void)?) throws { try perform { service = body } }

    /// Stops calling MPI for good, so that another thread may end it.
    func halt() {
        condition.withLock { isHalted = true }
        if !isCurrent { usleep(20_000) }
    }

    private var isCurrent: Bool {
        condition.withLock { thread.map { pthread_equal($0, pthread_self()) != 0 } ?? false }
    }

    // MARK: - On the thread

    private func loop() {
        while true {
            let next = dequeue()
            do {
                if let next {
                    if let failure, failure.kind == .peers { throw failure }
                    try next.body()
                    finish(next, nil)
                } else {
                    try runService()
                }
            } catch {
                let error = error as? RDOError ?? RDOError(.artefact, error.localizedDescription)
                if error.kind == .peers || next == nil { failure = failure ?? error }
                if let next { finish(next, error) }
            }
        }
    }

    /// The next communication; nil when it is time to serve instead.
    private func dequeue() -> PendingCommunication? {
        condition.lock()
        defer { condition.unlock() }
        while queue.isEmpty || isHalted {
            if service != nil && !isHalted {
                _ = condition.wait(until: Date(timeIntervalSinceNow: 0.001))
                if queue.isEmpty { return nil }
            } else {
                condition.wait()
            }
        }
        return queue.removeFirst()
    }

    /// Called between the tests of a communication that is under way.
    func runService() throws {
        let halted = condition.withLock { isHalted }
        while halted { usleep(1_000_000) }
        try service?()
    }

    // MARK: - Waiting

    fileprivate func wait(for pending: PendingCommunication) throws {
        condition.lock()
        if !pending.isFinished {
            let began = ContinuousClock.now
            while !pending.isFinished { condition.wait() }
            exposedSeconds += began.duration(to: .now) / .seconds(1)
        }
        condition.unlock()
        if let error = pending.error { throw error }
    }

    private func finish(_ pending: PendingCommunication, _ error: RDOError?) {
        pending.body = {}
        condition.withLock {
            pending.error = error
            pending.isFinished = true
            condition.broadcast()
        }
    }
}

/// Communication that was handed over and may still be under way.
///
/// `@unchecked Sendable`: its state is behind the lock of its thread.
package final class PendingCommunication: @unchecked Sendable {
    fileprivate var body: @Sendable () throws -> Void
    fileprivate var isFinished = false
    fileprivate var error: RDOError?

    fileprivate init(_ body: @escaping @Sendable () throws -> Void) { self.body = body }

    /// Returns when it is done; may be called more than once.
    /// - Throws: what it ended with.
    package func wait() throws { try CommunicationThread.shared.wait(for: self) }
}
