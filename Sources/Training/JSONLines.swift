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
    /// - Throws: `RDOError.usage` when the file cannot be read or written, is damaged or another program's.
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
        var kept: [UInt8] = []
        do {
            try forEachLine(of: path, as: Step.self) { line, bytes in
                if line.step < step || line.pass != pass?.rawValue { kept += bytes + [UInt8(ascii: "\n")] }
            }
        } catch let error as RDOError where error.kind == .artefact {
            throw RDOError(
                .usage, "the file holds something else, which would be lost (\(error.what))", at: error.place ?? path,
                remedy: "name another file")
        }
        do { try Durable.write(Data(kept), to: path) } catch {
            throw RDOError(.usage, "cannot write (\(error))", at: path, remedy: "choose a writable directory")
        }
    }

    /// What every line says.
    private struct Step: Decodable {
        let step: Int
        let pass: String?
        let test_data: String?
    }

    /// The line of this step about these held-out data, if the file at `path` has one.
    /// - Throws: as `forEachLine`.
    static func line(of step: Int, about data: String?, path: String) throws -> String? {
        var found: String?
        try forEachLine(of: path, as: Step.self) { line, bytes in
            if found == nil, line.step == step, line.test_data == data {
                found = String(decoding: bytes, as: UTF8.self)
            }
        }
        return found
    }

    /// Hands over the lines of a file, none where there is no file. A last line that a kill cut short is left out: when the
    /// run goes on, `init` drops it, so it never stands within the file.
    ///
    /// - Throws: `RDOError.artefact` when the file cannot be read; with the line's number when another line is not of `type`.
    static func forEachLine<Line: Decodable>(
        of path: String, as type: Line.Type, _ decoder: JSONDecoder = JSONDecoder(),
        _ body: (Line, _ bytes: [UInt8]) throws -> Void
    ) throws {
        try InputFile.forEachLine(of: path) { line in
            guard !line.bytes.isEmpty else { return }
            if let value = try? decoder.decode(type, from: Data(line.bytes)) { return try body(value, line.bytes) }
            if !isCutShort(line) {
                throw RDOError(.artefact, "the line is damaged, or another program's", at: "\(path):\(line.number)")
            }
        }
    }

    /// Whether a line is the beginning of an object, or after others what a power failure leaves of one.
    private static func isCutShort(_ line: InputFile.Line) -> Bool {
        guard !line.isWhole, line.number > 1 || line.bytes.first == UInt8(ascii: "{") else { return false }
        return (try? JSONParser.parse(line.bytes)) == nil
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
