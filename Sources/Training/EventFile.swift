import Diagnostics
import Foundation
import Storage

/// The event file of one start of a run, which TensorBoard reads together with those of earlier starts.
///
/// An earlier file may say more than the checkpoint which the run goes on from knows. It is not rewritten, because
/// TensorBoard may be reading it: every file begins with a session start, at which readers forget what the files before it
/// say of this step and later ones.
final class EventFile {
    private let file: AppendedFile
    /// No file of an earlier start is there.
    let isFirst: Bool

    /// - Parameters:
    ///   - directory: made if need be.
    ///   - step: where the run goes on; 0 removes what earlier runs left.
    /// - Throws: `RDOError.usage` when the directory cannot be written.
    init(in directory: String, from step: Int) throws {
        if step == 0 { try Self.discard(directory) }
        do { try Durable.createDirectory(directory) } catch {
            throw RDOError(.usage, "cannot write (\(error))", at: directory, remedy: "choose a writable directory")
        }
        let earlier = try Self.files(in: directory)
        isFirst = earlier.isEmpty
        // Readers take files in the order of their names: two starts within a second must not change places.
        let second = max(Int(Date().timeIntervalSince1970), (earlier.last?.second ?? 0) + 1)
        let name = Self.prefix + String(format: "%010d", second) + ".\(Self.host).\(getpid())" + Self.suffix
        file = try AppendedFile(path: directory + "/" + name)
        try append(.fileVersion("brain.Event:2"), step: step)
        try append(.sessionStart, step: step)
    }

    /// - Parameter line: of metrics.jsonl or evaluation.jsonl: `loss` becomes `train/loss`, `test_loss` `test/loss`, and
    ///   `seconds`, as all that tells how the machine does, `machine/seconds`.
    /// - Throws: `RDOError.usage` when the disk is full or gone.
    func append(_ line: JSONLine, _ distributions: [Distribution] = [], step: Int) throws {
        let scalars = line.numbers.filter { $0.name != Metric.step.name }.map { name, value in
            Event.Figure.scalar(tag: Self.tag(of: name), value)
        }
        let histograms = distributions.map { Event.Figure.histogram(tag: "train/\($0.figure)", of: $0.values) }
        try append(.summary(scalars + histograms), step: step)
    }

    /// Removes the event files of earlier runs, and the directory if nothing else is in it.
    /// - Throws: `RDOError.artefact` when one cannot be removed.
    static func discard(_ directory: String) throws {
        for file in try files(in: directory) { try Durable.remove(file.path) }
        if try Durable.files(in: directory)?.isEmpty == true { try Durable.remove(directory) }
    }

    private func append(_ content: Event.Content, step: Int) throws {
        let event = Event(wallTime: Date().timeIntervalSince1970, step: step, content: content)
        try file.append(TFRecord.bytes(of: event.message.bytes))
    }

    private static func tag(of name: String) -> String {
        if name.hasPrefix(JSONLine.heldOut) { return "test/" + name.dropFirst(JSONLine.heldOut.count) }
        return (Metric.namesOfTheMachine.contains(name) ? "machine/" : "train/") + name
    }

    // MARK: - Names: TensorBoard reads what has `tfevents` in its name, in the order of the names

    private static let prefix = "events.out.tfevents."
    /// Marks files of this program.
    private static let suffix = ".rdo"

    /// The event files of this program, oldest first.
    private static func files(in directory: String) throws -> [(path: String, second: Int)] {
        try (Durable.files(in: directory) ?? []).compactMap { path in
            let name = URL(ofFile: path).lastPathComponent
            guard name.hasPrefix(prefix), name.hasSuffix(suffix) else { return nil }
            return Int(name.dropFirst(prefix.count).prefix { $0 != "." }).map { (path: path, second: $0) }
        }
    }

    private static var host: String {
        var name = [CChar](repeating: 0, count: 256)
        gethostname(&name, name.count - 1)
        return String(decoding: name.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
    }
}
