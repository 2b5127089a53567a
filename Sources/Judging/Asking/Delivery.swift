import Diagnostics
import Foundation
import Synchronization

/// Brings questions to one judge's server, as often as it takes and no oftener.
///
/// 429, 500, 502, 503, 504 and their like, time-outs, lost connections and answers that are no chat completion are
/// tried again after a wait that doubles and has a random part (so that parallel requests do not return together), and
/// that is as long as the server's `Retry-After` asks. 400, 413 and 422 concern the question alone. Anything else, such as
/// a wrong key or address, would be the same for every question: the judge is given up.
final class Delivery: Sendable {
    /// What became of one question.
    enum Result {
        case reply(ChatReply)
        case missing(Missing, detail: String)
        /// The server works, and does not take this question.
        case rejected(detail: String)

        /// Nil for an answer.
        fileprivate var detail: String? {
            switch self {
            case .reply: nil
            case .missing(_, let detail), .rejected(let detail): detail
            }
        }
    }

    /// The judge is given up.
    struct Ended: Error { let error: RDOError }
    /// The whole command stops.
    struct Stopped: Error {}

    private struct State {
        /// The server asked everybody to wait until then.
        var pausedUntil: ContinuousClock.Instant?
        var hasAnswered: Bool
        /// Questions in a row that got no answer; those rejected count as long as no other got one.
        var failures = 0
        /// The judge is given up: whoever still waits for it need not.
        var isOver = false
        var requests = 0
        var sentAgain: [String: Int] = [:]
    }

    /// So many questions in a row without an answer give a judge up.
    private static let mostFailures = 3
    /// Seconds: a server that asks for a longer wait does not answer today.
    private static let patience = 600.0
    private static let longestBackoff = 60.0

    private let judge: JudgeSettings
    private let secrets: Secrets
    private let isHalted: @Sendable () -> Bool
    private let state: Mutex<State>

    /// - Parameters:
    ///   - hasAnswered: the judge has answered such questions before.
    ///   - isHalted: asked often; true stops at once.
    init(to judge: JudgeSettings, _ secrets: Secrets, hasAnswered: Bool, isHalted: @escaping @Sendable () -> Bool) {
        (self.judge, self.secrets, self.isHalted) = (judge, secrets, isHalted)
        state = Mutex(State(hasAnswered: hasAnswered))
    }

    var requests: Int { state.withLock { $0.requests } }
    var sentAgain: [String: Int] { state.withLock { $0.sentAgain } }

    /// - Throws: `Ended`, `Stopped`.
    func ask(_ request: ChatRequest) throws -> Result {
        do { return try counted(attempts(request)) } catch let end as Ended {
            state.withLock { $0.isOver = true }
            throw end
        }
    }

    private func counted(_ result: Result) throws -> Result {
        let (failures, detail) = state.withLock { state in
            switch result {
            case .reply: (state.hasAnswered, state.failures) = (true, 0)
            case .missing: state.failures += 1
            case .rejected: if !state.hasAnswered { state.failures += 1 }
            }
            return (state.failures, result.detail)
        }
        if let detail, failures >= Self.mostFailures {
            throw Ended(
                error: RDOError(
                    .peers, "\(failures) questions in a row got no answer; the last: \(detail)", at: judge.endpoint,
                    remedy: "see to the server, then run the same command again: what was answered is kept"))
        }
        return result
    }

    /// Why a request is sent again, or was in vain.
    private struct Problem {
        /// As `sentAgain` calls it.
        let name: String
        let missing: Missing
        let detail: String
        var wait: Double?
    }

    private func attempts(_ request: ChatRequest) throws -> Result {
        var attempt = 0
        while true {
            try waitForPause()
            let problem: Problem
            switch try send(request) {
            case .success(let result): return result
            case .failure(let found): problem = found.problem
            }
            guard attempt < judge.retries else { return .missing(problem.missing, detail: problem.detail) }
            state.withLock { $0.sentAgain[problem.name, default: 0] += 1 }
            let backoff = min(Self.longestBackoff, judge.backoff * pow(2, Double(attempt)))
            try wait(for: backoff * Double.random(in: 0.5...1))
            attempt += 1
        }
    }

    private struct Failed: Error { let problem: Problem }

    private func send(_ request: ChatRequest) throws -> Swift.Result<Result, Failed> {
        func failed(_ name: String, _ missing: Missing, _ detail: String) -> Swift.Result<Result, Failed> {
            .failure(Failed(problem: Problem(name: name, missing: missing, detail: detail)))
        }
        state.withLock { $0.requests += 1 }
        let reply: HTTPReply
        do {
            reply = try HTTPClient.post(
                judge.endpoint,
                headers: ["Content-Type: application/json", "Accept: application/json", "Expect:"]
                    + (secrets.authorization(of: judge).map { [$0] } ?? []),
                body: request.body, timeout: judge.timeout)
        } catch {
            switch error {
            case .stopped: throw Stopped()
            case .timeout: return failed("timeout", .failed, "no answer within \(judge.timeout) s")
            case .truncated: return failed("truncated", .truncated, "the answer broke off")
            case .tooLong: return failed("not_json", .notJSON, "the answer is too long for one of a judge")
            case .connection(let why): return failed("connection", .failed, why)
            case .permanent(let why):
                throw Ended(error: RDOError(.usage, why, at: judge.endpoint, remedy: "correct url or the server"))
            }
        }
        return try read(reply, failed)
    }

    private func read(
        _ reply: HTTPReply, _ failed: (String, Missing, String) -> Swift.Result<Result, Failed>
    ) throws -> Swift.Result<Result, Failed> {
        let status = String(reply.status)
        lazy var said = ServerMessage.text(reply.body, secrets)
        switch reply.status {
        case 200..<300:
            do { return .success(.reply(try ChatReply(reply.body, secrets))) } catch {
                return failed("not_json", .notJSON, error.why)
            }
        case 408, 429, 500, 502...504, 520...599:
            if let wait = reply.retryAfter { try pause(wait) }
            return failed(status, .failed, "the server answered \(status): \(said)")
        case 400, 413, 422: return .success(.rejected(detail: "the server answered \(status): \(said)"))
        case 300..<400:
            throw Ended(
                error: RDOError(
                    .usage, "the server answered \(status), a redirect, which is not followed", at: judge.endpoint,
                    remedy: "name the server itself in url"))
        default:
            let remedy = [401, 403].contains(reply.status) ? "see to the key" : "see to url and model"
            throw Ended(
                error: RDOError(.usage, "the server answered \(status): \(said)", at: judge.endpoint, remedy: remedy))
        }
    }

    // MARK: - Waiting

    private func pause(_ seconds: Double) throws {
        guard seconds <= Self.patience else {
            throw Ended(
                error: RDOError(
                    .peers, "the server asks to wait \(Int(seconds)) s", at: judge.endpoint,
                    remedy: "run the same command again then: what was answered is kept"))
        }
        let end = ContinuousClock.now + .seconds(seconds)
        state.withLock { $0.pausedUntil = max($0.pausedUntil ?? end, end) }
    }

    private func waitForPause() throws {
        while let end = state.withLock({ $0.pausedUntil }), ContinuousClock.now < end { try wait(for: 0.02) }
        try checkStop()
    }

    private func checkStop() throws {
        if isHalted() || state.withLock({ $0.isOver }) { throw Stopped() }
    }

    /// In short pieces, so that a stop signal is noticed.
    private func wait(for seconds: Double) throws {
        let end = ContinuousClock.now + .seconds(seconds)
        while ContinuousClock.now < end {
            try checkStop()
            usleep(UInt32(min(0.05, max(0.001, ContinuousClock.now.duration(to: end) / .seconds(1))) * 1e6))
        }
    }
}
