import Coding
import Diagnostics
import Foundation
import Settings
import Storage

/// A file of JSON objects, one a line, flushed line by line: metrics.jsonl, evaluation.jsonl and the `--trace` file.
final class JSONLinesFile {
    private let file: AppendedFile

    /// - Parameters:
    ///   - step: when a run is resumed, lines of steps from this one on were written by the interrupted process after its
    ///     last checkpoint and are dropped, so that every step stands once.
    ///   - pass: several passes write to the file; lines of the others stay.
    /// - Throws: `RDOError.usage` when the file cannot be written or is another program's, `.artefact` when one that is
    ///   there cannot be read.
    init(path: String, keepingStepsBefore step: Int, of pass: PassName? = nil) throws {
        // Of a device or a pipe there is nothing to keep.
        if !Self.isStream(path) { try Self.truncate(path, toStepsBefore: step, of: pass) }
        file = try AppendedFile(path: path)
    }

    /// - Throws: `RDOError.usage` when the disk is full or gone.
    func append(_ line: String) throws { try file.append(Array((line + "\n").utf8)) }

    private static func isStream(_ path: String) -> Bool {
        var status = stat()
        guard stat(path, &status) == 0 else { return false }
        return ![S_IFREG, S_IFDIR].contains(status.st_mode & S_IFMT)
    }

    /// Drops the lines of `step` and all later ones; makes an empty file where there is none.
    static func truncate(_ path: String, toStepsBefore step: Int, of pass: PassName? = nil) throws {
        let lines: [(step: Int, pass: String?, data: String?, line: String)]
        do { lines = try Self.lines(of: path) } catch let error as RDOError where error.kind == .artefact {
            throw RDOError(
                .usage, "the file holds something else, which would be lost (\(error.what))", at: path,
                remedy: "name another file")
        }
        // The one line of a run that was killed while it wrote it is no complete JSON.
        if lines.isEmpty, try texts(of: path).contains(where: { !$0.hasPrefix("{") || $0.hasSuffix("}") }) {
            throw RDOError(
                .usage, "the file holds something else, which would be lost", at: path, remedy: "name another file")
        }
        let kept = lines.filter { $0.step < step || $0.pass != pass?.rawValue }.map { $0.line + "\n" }.joined()
        do { try Durable.write(Data(kept.utf8), to: path) } catch {
            throw RDOError(.usage, "cannot write (\(error))", at: path, remedy: "choose a writable directory")
        }
    }

    /// The line of this step about these held-out data, if the file at `path` has one.
    static func line(of step: Int, about data: String?, path: String) throws -> String? {
        try lines(of: path).first { $0.step == step && $0.data == data }?.line
    }

    /// The complete lines of a file, with their steps and passes; a line that a kill cut short is left out.
    private static func lines(of path: String) throws -> [(step: Int, pass: String?, data: String?, line: String)] {
        struct Line: Decodable {
            let step: Int
            let pass: String?
            let test_data: String?
        }
        return try texts(of: path).compactMap { text in
            (try? JSONDecoder().decode(Line.self, from: Data(text.utf8))).map {
                ($0.step, $0.pass, $0.test_data, text)
            }
        }
    }

    /// - Throws: `RDOError.artefact` when the file is there and cannot be read.
    static func texts(of path: String) throws -> [String] {
        guard FileManager.default.fileExists(atPath: path) else { return [] }
        do {
            return try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").map(String.init)
        } catch {
            throw RDOError(.artefact, "cannot read (\(error.localizedDescription))", at: path)
        }
    }
}

/// One line of named numbers, in their order. A name that stands already keeps its place and value; a number that is
/// not finite becomes null.
struct JSONLine: ExpressibleByDictionaryLiteral {
    /// Begins the names of what was found with held-out data.
    static let heldOut = "test_"

    private var members: [(name: String, text: String)] = []
    /// As numbers, in the same order.
    private(set) var numbers: [(name: String, value: Double)] = []

    init(dictionaryLiteral numbers: (Metric, any LineNumber)...) {
        for (metric, number) in numbers { add(metric.name, number) }
    }

    /// The numbers of a line that was written before.
    init(numbersOf line: String) throws {
        guard case .object(let members) = try JSONParser.parse(Array(line.utf8)) else { return }
        for (name, value) in members where value.text == nil {
            add(String(decoding: name, as: UTF8.self), value.double ?? .nan)
        }
    }

    /// - Parameter prefix: stands before every name.
    mutating func append(_ metrics: StepMetrics, prefix: String = "") {
        for case let (metric, value?) in metrics.figures { add(prefix + metric.name, value) }
    }

    /// - Parameter text: needs no escapes.
    mutating func append(_ name: String, text: String) { members.append((name, "\"\(text)\"")) }

    private mutating func add(_ name: String, _ number: any LineNumber) {
        guard !members.contains(where: { $0.name == name }) else { return }
        members.append((name, number.double.isFinite ? "\(number)" : "null"))
        numbers.append((name, number.double))
    }

    var text: String { "{" + members.map { "\"\($0.name)\": \($0.text)" }.joined(separator: ", ") + "}" }
}

/// An integer stands in a line without a point.
protocol LineNumber { var double: Double { get } }

extension Int: LineNumber { var double: Double { Double(self) } }
extension Double: LineNumber { var double: Double { self } }
