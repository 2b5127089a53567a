import COpenMPI
import Coding
import Diagnostics
import Foundation
import Synchronization

/// Waits for nonblocking MPI requests without occupying a processor: arithmetic of this and other ranks runs on the same
/// cores, and Open MPI's own waiting never sleeps.
enum Requests {
    /// Seconds after which ranks that do not answer count as lost.
    fileprivate static let patience = Mutex(1800.0)

    /// Runs on the communication thread.
    /// - Throws: `RDOError.peers` when a rank of this node is gone, or nobody answers for `patience` seconds.
    static func finish(_ call: String, _ requests: inout [MPI_Request?]) throws {
        var isDone: Int32 = 0
        var tests = 0
        let began = ContinuousClock.now
        var lastLook = began
        while true {
            try check(MPI_Testall(Int32(requests.count), &requests, &isDone, rdo_mpi_statuses_ignore()), call)
            if isDone != 0 { return }
            tests += 1
            // A peer that is about to answer does so within microseconds; one that computes does not for long.
            if tests < 200 {
                if tests % 8 == 0 { sched_yield() }
                continue
            }
            try CommunicationThread.shared.runService()
            usleep(tests < 400 ? 50 : 300)
            let now = ContinuousClock.now
            // A launcher that ends the survivors of a death asks first and kills a second later.
            let pause: Duration = StopSignal.isRequested() ? .milliseconds(50) : .milliseconds(500)
            guard lastLook.duration(to: now) > pause else { continue }
            lastLook = now
            try Neighbours.requireAlive()
            let waited = began.duration(to: now) / .seconds(1)
            if waited > patience.withLock({ $0 }) {
                throw RDOError(
                    .peers, "no answer from other ranks for \(Int(waited)) s (\(call))", at: "parallel.timeout",
                    remedy: "look for a rank or node that died or hangs; then run the same command again to continue")
            }
        }
    }

    /// Starts one request and waits for it.
    static func run(_ call: String, _ start: (inout MPI_Request?) -> Int32) throws {
        var requests: [MPI_Request?] = [rdo_mpi_request_null()]
        try check(start(&requests[0]), call)
        try finish(call, &requests)
    }
}

extension Communicator {
    /// How long ranks wait for each other before the others count as lost.
    package func setPatience(seconds: Double) { Requests.patience.withLock { $0 = seconds } }

    /// Makes it at least as long, where work turned out to take longer: a rank that has none waits for those that do.
    package func extendPatience(seconds: Double) { Requests.patience.withLock { $0 = max($0, seconds) } }

    /// Collective. Runs `body` without that limit, where ranks wait for the files of others: how long that takes depends
    /// on their size. A death on this node is noticed all the same, one on another by the launcher.
    package func withoutTimeout<Result>(_ body: () throws -> Result) rethrows -> Result {
        let patience = Requests.patience.withLock { $0 }
        setPatience(seconds: .infinity)
        defer { setPatience(seconds: patience) }
        return try body()
    }
}

/// The processes of this node's ranks: the operating system knows at once when one of them died, MPI often never.
enum Neighbours {
    struct Process: Equatable {
        let rank: Int
        let node: String
        let id: pid_t
        /// Process identifiers mean something only within one namespace.
        let namespace: String
    }

    nonisolated(unsafe) private static var processes: [Process] = []

    /// Collective over the world.
    static func learn(_ world: Communicator) throws {
        let own = Process(
            rank: world.rank, node: ProcessInfo.processInfo.hostName, id: getpid(),
            namespace: (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/ns/pid")) ?? "")
        var message = ByteWriter()
        message.write(own.node)
        message.write(Int(own.id))
        message.write(own.namespace)
        let all = try world.allGather(message.bytes).enumerated().map { rank, bytes in
            var bytes = ByteReader(bytes)
            return Process(
                rank: rank, node: try bytes.readString(), id: pid_t(try bytes.readInt()),
                namespace: try bytes.readString())
        }
        let neighbours = all.filter {
            $0.node == own.node && $0.namespace == own.namespace && !own.namespace.isEmpty && $0.rank != own.rank
        }
        processes = neighbours.filter { isAlive($0.id) }
    }

    /// - Throws: `RDOError.peers` naming a rank that is gone.
    static func requireAlive() throws {
        guard let lost = processes.first(where: { !isAlive($0.id) }) else { return }
        throw RDOError(
            .peers, "rank \(lost.rank) is gone (process \(lost.id) on \(lost.node))",
            remedy: "find out why it died; then run the same command again to continue")
    }

    /// How many ranks below `rank` are not known to be gone.
    static func survivors(below rank: Int) -> Int { rank - processes.count { $0.rank < rank && !isAlive($0.id) } }

    private static func isAlive(_ id: pid_t) -> Bool {
        guard kill(id, 0) == 0 || errno == EPERM else { return false }
        // A killed process stays listed until its launcher has read its status.
        guard let status = try? String(contentsOfFile: "/proc/\(id)/stat", encoding: .utf8),
            let end = status.lastIndex(of: ")")
        else { return true }
        return !status[status.index(after: end)...].hasPrefix(" Z")
    }
}
