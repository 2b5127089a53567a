import Coding
import Diagnostics
import Foundation

/// The numbers of a metrics.jsonl or evaluation.jsonl, by column.
struct MetricsTable {
    struct Column {
        let name: String
        /// One for each line; not a number where the line has no finite one.
        var values: [Double]
    }

    let path: String
    /// Of each line, ascending.
    private(set) var steps: [Int] = []
    /// In the order in which lines first name them.
    private(set) var columns: [Column] = []
    /// Digests of the held-out data that lines state, in the order of their first line.
    private(set) var testData: [String] = []
    /// What is wrong with the file.
    private(set) var notes: [String] = []

    private static let newline = UInt8(ascii: "\n")

    /// Nil when there is no such file.
    ///
    /// - Throws: `RDOError.artefact` when it cannot be read, or has lines and none of them is a step's.
    init?(_ path: String) throws {
        guard try InputFile.exists(path) else { return nil }
        let data: Data
        do { data = try Data(contentsOf: URL(ofFile: path), options: .mappedIfSafe) } catch {
            throw RDOError(.artefact, "cannot read (\(error.localizedDescription))", at: path)
        }
        self.path = path
        var places: [String: Int] = [:]
        var unread: [(line: Int, why: String)] = []
        for (index, line) in data.split(separator: Self.newline, omittingEmptySubsequences: false).enumerated()
        where !line.isEmpty {
            do { try append(Array(line), &places) } catch let error as JSONSyntaxError {
                let isCut = line.endIndex == data.endIndex
                unread.append((index + 1, isCut ? "cut off: was the run killed, or does it go on?" : error.what))
            } catch let error as Unusable { unread.append((index + 1, error.why)) }
        }
        if steps.isEmpty, let first = unread.first {
            throw RDOError(.artefact, "no line is a step's; the first is \(first.why)", at: "\(path):\(first.line)")
        }
        notes = unread.prefix(3).map { "\(path):\($0.line): left out, \($0.why)" }
        if unread.count > 3 { notes.append("\(path): \(unread.count - 3) more lines are left out") }
        sortBySteps()
    }

    private struct Unusable: Error { let why: String }

    private mutating func append(_ line: [UInt8], _ places: inout [String: Int]) throws {
        guard case .object(let members) = try JSONParser.parse(line) else { throw Unusable(why: "not an object") }
        guard let step = JSONValue.object(members)["step"]?.integer else { throw Unusable(why: "without a step") }
        for (key, value) in members {
            let name = String(decoding: key, as: UTF8.self)
            if name == "test_data", let digest = value.text, !testData.contains(digest) { testData.append(digest) }
            // rdo writes null for what is not finite.
            let isNull = if case .null = value { true } else { false }
            guard name != "step", isNull || value.double != nil else { continue }
            let place = places[name] ?? columns.count
            if place == columns.count {
                places[name] = place
                columns.append(Column(name: name, values: [Double](repeating: .nan, count: steps.count)))
            }
            if columns[place].values.count == steps.count { columns[place].values.append(value.double ?? .nan) }
        }
        steps.append(step)
        for index in columns.indices where columns[index].values.count < steps.count {
            columns[index].values.append(.nan)
        }
    }

    /// rdo writes steps in order; what others made of the file need not be.
    private mutating func sortBySteps() {
        guard zip(steps, steps.dropFirst()).contains(where: { $0 >= $1 }) else { return }
        notes.append("\(path): the steps are not in order, or stand twice; the page shows them in order")
        let order = steps.indices.sorted { (steps[$0], $0) < (steps[$1], $1) }
        steps = order.map { steps[$0] }
        for index in columns.indices {
            let values = columns[index].values
            columns[index].values = order.map { values[$0] }
        }
    }
}
