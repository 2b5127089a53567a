import Diagnostics
import Foundation
import Synchronization

/// A pair shown to a judge in one order.
struct Question: Sendable {
    let pair: PolicyPair
    let shownFirst: Side
    let messages: [ChatTurn]

    init(_ pair: PolicyPair, shownFirst: Side, to judge: JudgeSettings) {
        (self.pair, self.shownFirst) = (pair, shownFirst)
        let (first, second) = shownFirst == .a ? (pair.a, pair.b) : (pair.b, pair.a)
        messages = JudgePrompt.messages(query: pair.query, first: first, second: second, system: judge.system)
    }
}

/// One judge's questions, shared by the threads that ask them.
final class JudgeWork: Sendable {
    private struct State {
        var next = 0
        var readings: [Reading?]
        var spending = Spending()
        var done = 0
        var ended: RDOError?
    }

    let judge: JudgeSettings
    /// Questions whose first answer the cache had.
    let cached: Int
    private let questions: [Question]
    private let cache: AnswerCache
    private let delivery: Delivery
    private let state: Mutex<State>

    init(
        _ questions: [Question], to judge: JudgeSettings, _ cache: AnswerCache, _ secrets: Secrets,
        isHalted: @escaping @Sendable () -> Bool
    ) {
        (self.questions, self.judge, self.cache) = (questions, judge, cache)
        cached = questions.count { cache[ChatRequest($0.messages, for: judge).key] != nil }
        delivery = Delivery(to: judge, secrets, hasAnswered: cached > 0, isHalted: isHalted)
        state = Mutex(State(readings: [Reading?](repeating: nil, count: questions.count)))
    }

    var count: Int { questions.count }
    var done: Int { state.withLock { $0.done } }
    var ended: RDOError? { state.withLock { $0.ended } }

    /// Of every question, in order.
    var readings: [Reading] {
        zip(questions, state.withLock { $0.readings }).map { question, reading in
            reading ?? Reading(shownFirst: question.shownFirst, missing: .notAsked)
        }
    }

    var spending: Spending {
        var spending = state.withLock { $0.spending }
        spending.cost = judge.cost(input: spending.inputTokens, output: spending.outputTokens)
        (spending.requests, spending.sentAgain) = (delivery.requests, delivery.sentAgain)
        return spending
    }

    /// Asks until no question is left. Run by each of the judge's threads.
    /// - Throws: `RDOError` that concerns all judges: an answer that cannot be kept. A stop just returns.
    func run() throws {
        while let index = take() {
            do { try finish(index, answer(questions[index])) } catch let end as Delivery.Ended {
                state.withLock { $0.ended = $0.ended ?? end.error }
            } catch is Delivery.Stopped { return }
        }
    }

    private func take() -> Int? {
        state.withLock { state in
            guard state.ended == nil, state.next < questions.count else { return nil }
            state.next += 1
            return state.next - 1
        }
    }

    private func finish(_ index: Int, _ reading: Reading) {
        state.withLock { state in
            state.readings[index] = reading
            state.done += 1
        }
    }

    /// Asks, and once more or as often as the settings say where the answer has no line of scores.
    private func answer(_ question: Question) throws -> Reading {
        var messages = question.messages
        var repeats = 0
        while true {
            let request = ChatRequest(messages, for: judge)
            let reply: ChatReply
            if let known = cache[request.key] {
                reply = known
            } else {
                switch try delivery.ask(request) {
                case .missing(let missing, let detail):
                    return Reading(shownFirst: question.shownFirst, missing: missing, detail: detail)
                case .rejected(let detail):
                    return Reading(shownFirst: question.shownFirst, missing: .failed, detail: detail)
                case .reply(let answer):
                    try cache.add(answer, to: request.key, of: judge)
                    reply = answer
                }
            }
            let reading = Self.reading(of: reply, question)
            count(reply, isMalformed: reading.missing == .malformed)
            guard reading.missing == .malformed, repeats < judge.repeats else { return reading }
            repeats += 1
            messages += [
                ChatTurn(role: "assistant", content: reply.text),
                ChatTurn(role: "user", content: JudgePrompt.correction),
            ]
        }
    }

    static func reading(of reply: ChatReply, _ question: Question) -> Reading {
        func missing(_ why: Missing, _ detail: String) -> Reading {
            Reading(shownFirst: question.shownFirst, missing: why, detail: detail)
        }
        if let refusal = reply.refusal, !refusal.isEmpty { return missing(.refused, refusal) }
        if reply.finish == "content_filter" { return missing(.refused, "content filter") }
        if reply.finish == "length" { return missing(.truncated, "the answer reached its limit of tokens") }
        guard reply.text.contains(where: { !$0.isWhitespace }) else { return missing(.refused, "an empty answer") }
        guard let (scores, explanation) = JudgePrompt.scores(in: reply.text) else {
            return missing(.malformed, reply.text)
        }
        return Reading(shownFirst: question.shownFirst, scores: scores, explanation: explanation)
    }

    private func count(_ reply: ChatReply, isMalformed: Bool) {
        state.withLock { state in
            state.spending.answers += 1
            state.spending.malformed += isMalformed ? 1 : 0
            state.spending.inputTokens += reply.inputTokens ?? 0
            state.spending.outputTokens += reply.outputTokens ?? 0
            state.spending.uncounted += reply.inputTokens == nil || reply.outputTokens == nil ? 1 : 0
        }
    }
}
