import Diagnostics
import Foundation
import Passes
import Storage
import Synchronization

/// `rdo judge A B --config FILE --out DIR`: asks all judges about all pairs, and says what they say.
package final class JudgeRun: Sendable {
    private let pairs: PolicyPairs
    private let settings: JudgingSettings
    private let directory: String
    private let works: [JudgeWork]
    private let halt: Halt
    private let log: Log

    /// Why everything stops but for a signal.
    private final class Halt: Sendable {
        private let state = Mutex<RDOError?>(nil)
        var failure: RDOError? { state.withLock { $0 } }
        var isRequested: Bool { StopSignal.isRequested() || failure != nil }
        func stop(_ error: any Error) {
            let error = error as? RDOError ?? RDOError(.artefact, "\(error)")
            state.withLock { $0 = $0 ?? error }
        }
    }

    /// Reads and checks everything; asks nothing.
    ///
    /// - Parameters:
    ///   - arguments: the command line, which must not hold a key.
    ///   - isDryRun: leaves the directory as it is, and wants no keys.
    /// - Throws: `RDOError` for files that cannot be used and keys that are missing or lie open.
    package init(
        _ first: String, _ second: String, configuration: String, directory: String, limit: Int?,
        environment: [String: String], arguments: [String], isDryRun: Bool, log: Log
    ) throws {
        let text = try JudgingSettings.text(of: configuration)
        settings = try JudgingSettings.load(text, source: configuration)
        let secrets = try Secrets(
            of: isDryRun ? [] : settings.judges, environment: environment, configuration: (configuration, text),
            arguments: arguments)
        pairs = try PolicyPairs(first, second, limit: limit, seed: settings.seed)
        try JudgementFiles.require(directory)
        if !isDryRun {
            try Durable.createDirectory(directory)
            if let note = try OutputLock.take(directory) { log.warning(note) }
        }
        let cache = try AnswerCache(in: directory, isReadOnly: isDryRun)
        if let note = cache.note { log.warning(note) }
        let halt = Halt()
        (self.directory, self.halt, self.log) = (directory, halt, log)
        let (asked, seed, bothOrders) = (
            pairs.pairs.filter { !$0.isIdentical }, settings.seed, settings.bothOrders
        )
        works = settings.judges.map { judge in
            let questions = asked.flatMap { pair -> [Question] in
                let side: Side = Draw.coin(.order, seed: seed, pair.key, salt: judge.name) ? .a : .b
                return (bothOrders ? [side, side.other] : [side]).map {
                    Question(pair, shownFirst: $0, to: judge)
                }
            }
            return JudgeWork(questions, to: judge, cache, secrets) { halt.isRequested }
        }
        pairs.notes.forEach { log.warning($0) }
        for judge in settings.judges where judge.sendsKeyInTheOpen {
            log.warning("judge \(judge.name): http sends the key unencrypted; use https")
        }
    }

    /// What would be asked, one line for each judge.
    package var plan: String {
        works.map { work in
            let (count, cached) = (work.count, work.cached)
            return
                "\(work.judge.name): \(count) questions, \(cached) answered in \(directory), \(count - cached) to ask\n"
        }.joined()
    }

    /// Asks what the cache does not answer, writes verdicts.jsonl and result.json and returns the tables.
    ///
    /// - Returns: why a judge was given up, too; the files then hold what the others say.
    /// - Throws: `RDOError.stopped` when a signal came: all answers are kept; what keeps answers from being kept.
    package func run() throws -> (judgement: Judgement, failure: RDOError?) {
        try askAll()
        let readings = works.map(\.readings)
        let perPair = settings.bothOrders ? 2 : 1
        var place = 0
        let judged = pairs.pairs.map { pair -> JudgedPair in
            if pair.isIdentical { return JudgedPair(pair: pair, opinions: []) }
            defer { place += perPair }
            return JudgedPair(
                pair: pair,
                opinions: zip(works, readings).map { work, readings in
                    Opinion(judge: work.judge.name, readings: Array(readings[place..<place + perPair]))
                })
        }
        let judgement = Judgement(
            judged, names: works.map(\.judge.name), coverage: pairs.coverage, seed: settings.seed
        ).adding(spending: works.map(\.spending), ended: works.map { $0.ended?.description })
        try JudgementFiles.write(judged, judgement, to: directory)
        let failure = works.lazy.compactMap { work in
            work.ended.map {
                RDOError($0.kind, "judge \(work.judge.name): \($0.what)", at: $0.place, remedy: $0.remedy)
            }
        }.first
        return (judgement, failure)
    }

    private func askAll() throws {
        let known = works.reduce(0) { $0 + $1.cached }
        let total = works.reduce(0) { $0 + $1.count }
        if known > 0 { log.info("\(known) of \(total) questions are answered in \(directory)") }
        let progress = Progress("judge", total: total, start: known, log: log)
        let workers = Workers()
        for work in works {
            for _ in 0..<min(work.judge.concurrency, work.count) {
                workers.start { [halt] in do { try work.run() } catch { halt.stop(error) } }
            }
        }
        // What the cache answers is done at once, and no measure of speed.
        var shown = known
        while workers.count > 0 {
            usleep(20_000)
            let done = max(known, works.reduce(0) { $0 + $1.done })
            if done != shown { progress.update(done) }
            shown = done
        }
        if let failure = halt.failure { throw failure }
        let done = works.reduce(0) { $0 + $1.done }
        let isComplete = works.allSatisfy { $0.ended != nil || $0.done == $0.count }
        guard isComplete else {
            throw RDOError(
                .stopped, "stopped with \(done) of \(total) questions answered; every answer is in \(directory)",
                remedy: "run the same command again")
        }
    }
}
