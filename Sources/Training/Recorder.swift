import Diagnostics
import Foundation
import Parallel
import Preferences
import Storage

/// What a run writes about itself while it trains: metrics.jsonl and evaluation.jsonl, the same for TensorBoard, the trace
/// and the ledger. Rank 0 writes; every method is collective.
final class Recorder<Task: TrainingTask> {
    private let run: TrainingRun
    private let world: Communicator
    private let log: Log
    private let metrics: JSONLinesFile?
    private let events: EventFile?
    private let trace: JSONLinesFile?
    private let ledger: LedgerWriter?

    /// Opens the files and drops what an interrupted process wrote after the checkpoint of step `start`.
    /// - Throws: `RDOError` when one cannot be written.
    init(_ run: TrainingRun, from start: Int, to end: Int, world: Communicator, log: Log) throws {
        (self.run, self.world, self.log) = (run, world, log)
        metrics = try world.onRankZero {
            try JSONLinesFile(path: run.directory + "/metrics.jsonl", keepingStepsBefore: start)
        }
        trace = try world.onRankZero {
            try run.tracePath.map { try JSONLinesFile(path: $0, keepingStepsBefore: start, of: run.identity.pass) }
        }.flatMap { $0 }
        ledger = try world.onRankZero {
            try Self.openLedger(run, from: start, to: end, worldSize: world.size, log)
        }.flatMap { $0 }
        // The evaluation of the checkpoint's own step stays.
        try world.onRankZero {
            try JSONLinesFile.truncate(Self.evaluationPath(run), toStepsBefore: start == 0 ? 0 : start + 1)
        }
        events = try world.onRankZero { try Self.openEvents(run, from: start, log) }.flatMap { $0 }
    }

    /// Whether steps must gather the outputs of all samples.
    var wantsOutputs: Bool { run.tracePath != nil || run.keepsLedger || run.writesEvents }

    /// - Parameter figures: what metrics.jsonl says of a step of any pass; the pass's own figures follow.
    func record(_ step: Int, _ figures: JSONLine, _ samples: [Sample], _ batch: BatchRunner.Result<Task>) throws {
        try world.onRankZero {
            let task = batch.task
            try trace?.append(traceLine(step, samples, batch))
            var line = figures
            line.append(batch.metrics)
            let isSeen = ledger != nil || events != nil
            let visits =
                isSeen ? task.visits(samples, outputs: batch.outputs, denominator: batch.denominator) : []
            try ledger?.append(visits, step: step)
            let distributions =
                events == nil ? [] : task.distributions(samples, outputs: batch.outputs, visits: visits)
            try show(line, distributions, in: metrics, step: step)
        }
    }

    /// Writes a line in every form.
    private func show(
        _ line: JSONLine, _ distributions: [Distribution] = [], in file: JSONLinesFile?, step: Int
    ) throws {
        try file?.append(line.text)
        try events?.append(line, distributions, step: step)
    }

    /// What was drawn for a step, and rows of the data files.
    private func traceLine(_ step: Int, _ samples: [Sample], _ batch: BatchRunner.Result<Task>) throws -> String {
        var record = batch.task.trace(samples, outputs: batch.outputs)
        record[.pass] = run.identity.pass.rawValue
        record[.step] = step
        record[.rows] = samples.map { batch.task.dataRow(of: $0) }
        record[.epochs] = samples.map(\.epoch)
        return try record.line
    }

    /// Before a checkpoint, so that whoever continues from it finds every earlier step in the ledger.
    func flushLedger() throws { try world.onRankZero { try ledger?.flush() } }

    func isEvaluated(step: Int) throws -> Bool {
        try world.isTrueOnRankZero {
            try JSONLinesFile.line(of: step, about: run.evaluationDigest, path: Self.evaluationPath(run)) != nil
        }
    }

    func record(evaluation: StepMetrics, step: Int, examples: Int, seconds: Double) throws {
        try world.onRankZero {
            let file = try JSONLinesFile(path: Self.evaluationPath(run), keepingStepsBefore: step)
            var line: JSONLine = [.step: step, .testExamples: Double(examples)]
            line.append(evaluation, prefix: JSONLine.heldOut)
            if let digest = run.evaluationDigest { line.append("test_data", text: digest) }
            try show(line, in: file, step: step)
            log.info(
                "step \(step), \(examples) held-out examples: \(evaluation.summary) "
                    + String(format: "(%.1f s)", seconds))
        }
    }

    private static func evaluationPath(_ run: TrainingRun) -> String { run.directory + "/evaluation.jsonl" }

    /// The run's event file, when it writes one. Without one, those of an earlier run go with its checkpoints and metrics.
    private static func openEvents(_ run: TrainingRun, from start: Int, _ log: Log) throws -> EventFile? {
        let directory = run.directory + "/tensorboard"
        guard run.writesEvents else {
            if start == 0 { try EventFile.discard(directory) }
            return nil
        }
        let events = try EventFile(in: directory, from: start)
        if start > 0, events.isFirst { log.warning("TensorBoard's curves begin at step \(start): \(directory)") }
        // What evaluation.jsonl keeps of this step, readers forgot at the session's start.
        if let line = try JSONLinesFile.line(of: start, about: run.evaluationDigest, path: evaluationPath(run)) {
            try events.append(JSONLine(numbersOf: line), step: start)
        }
        return events
    }

    /// The run's ledger, when it keeps one and has steps to make. Without one, that of an earlier run goes with its
    /// checkpoints and metrics.
    private static func openLedger(
        _ run: TrainingRun, from start: Int, to end: Int, worldSize: Int, _ log: Log
    ) throws -> LedgerWriter? {
        let path = run.directory + "/ledger.h5"
        guard run.keepsLedger else {
            if start == 0 { try LedgerWriter.discard(path) }
            return nil
        }
        guard start < end else { return nil }
        let header = ArtefactHeader(
            schema: LedgerFile.schema, software: Version.software, config: run.configurationText, worldSize: worldSize)
        let ledger = try LedgerWriter(
            path: path, header: header, pass: run.identity.pass.rawValue, keepingStepsBefore: start)
        if start > 0, ledger.count == 0 { log.warning("the ledger begins at step \(start): \(path)") }
        return ledger
    }
}
