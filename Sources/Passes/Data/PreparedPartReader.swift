import Diagnostics
import Foundation
import Preferences

/// Reads rows of a part from their places in the file, which the operating system keeps once for all ranks of a node. Rows
/// that are asked for one after the other are read in runs. The places stand in the index, so that to read data costs a rank
/// neither the HDF5 library's memory nor its time to open a file.
final class PreparedPartReader {
    private let path: String
    private let descriptor: Int32
    private let part: PreparedSet.Part
    /// The rows that were read last.
    private var run = Run()

    /// Rows of a run.
    private static let runLength = 256

    /// - Throws: `RDOError.artefact` when the file cannot be opened.
    init(_ part: PreparedSet.Part, in directory: String) throws {
        self.part = part
        path = directory + "/" + part.file
        descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw RDOError(.artefact, "cannot open (\(String(cString: strerror(errno))))", at: path)
        }
    }

    deinit { close(descriptor) }

    /// - Parameter withTexts: otherwise they are empty.
    func example(_ index: Int, withTexts: Bool) throws -> TokenizedExample {
        try load(index, .responses(texts: withTexts))
        let row = index - run.rows.lowerBound
        let own = run.responses(of: row)
        let scores = Array(run.scores[own])
        guard PreferenceRecord.Kind.allCases.indices.contains(Int(run.kinds[row])) else { throw damaged }
        return TokenizedExample(
            row: Int(run.numbers[row]), kind: PreferenceRecord.Kind.allCases[Int(run.kinds[row])],
            prompt: run.prompts[row], responses: own.map { run.firsts[$0] },
            truncatedResponses: own.map { run.cut[$0] == 1 }, isPromptTruncated: run.promptCut[row] == 1,
            scores: scores.contains(where: \.isNaN) ? nil : scores,
            label: run.labels[row] < 0 ? nil : run.labels[row] == 1,
            weight: run.weights[row].isNaN ? nil : run.weights[row],
            margin: run.margins[row].isNaN ? nil : run.margins[row],
            promptText: withTexts ? String(decoding: run.promptTexts[row], as: UTF8.self) : "",
            responseTexts: own.map { withTexts ? String(decoding: run.texts[$0], as: UTF8.self) : "" })
    }

    func differenceExample(_ index: Int) throws -> DifferenceExample {
        try load(index, .differences)
        let row = index - run.rows.lowerBound
        let own = run.responses(of: row)
        return DifferenceExample(
            row: Int(run.numbers[row]), query: run.prompts[row], asFirst: own.map { run.firsts[$0] },
            asSecond: own.map { run.seconds[$0] }, truncatedResponses: own.map { run.cut[$0] == 1 },
            isPromptTruncated: run.promptCut[row] == 1)
    }

    /// Number of the row over all files.
    func rowNumber(_ index: Int) throws -> Int { Int(try read(.row, index..<index + 1, as: Int64.self)[0]) }

    // MARK: - Runs of rows

    private enum Content: Equatable {
        case responses(texts: Bool)
        case differences
    }

    /// Consecutive rows of the file, column by column.
    private struct Run {
        var rows = 0..<0
        var content = Content.differences
        var numbers: [Int64] = []
        var kinds: [UInt8] = []
        var labels: [Int8] = []
        var weights: [Double] = []
        var margins: [Double] = []
        var promptCut: [UInt8] = []
        var prompts = Lists<Int32>()
        var promptTexts = Lists<UInt8>()
        /// Where each row's responses begin among those of the run.
        var responseStarts: [Int] = []
        var cut: [UInt8] = []
        var scores: [Double] = []
        var firsts = Lists<Int32>()
        var seconds = Lists<Int32>()
        var texts = Lists<UInt8>()

        func responses(of row: Int) -> Range<Int> { responseStarts[row]..<responseStarts[row + 1] }
    }

    /// Lists end to end.
    private struct Lists<Value> {
        var starts: [Int] = []
        var values: [Value] = []

        subscript(index: Int) -> [Value] { Array(values[starts[index]..<starts[index + 1]]) }
    }

    /// Reads the run that holds a row: that row alone, unless it follows on the last run.
    private func load(_ index: Int, _ content: Content) throws {
        if run.rows.contains(index) && run.content == content { return }
        let follows = index == run.rows.upperBound && run.content == content
        let rows = index..<min(part.rows, index + (follows ? Self.runLength : 1))
        var new = Run(rows: rows, content: content)
        new.numbers = try read(.row, rows)
        guard new.numbers.allSatisfy({ (0...1 << 53).contains($0) }) else { throw damaged }
        new.promptCut = try read(.promptCut, rows)
        new.prompts = try tokens(.promptIDs, .promptStart, rows)
        let starts = try starts(.responseStart, rows)
        let responses = starts[0]..<starts[rows.count]
        new.responseStarts = starts.map { $0 - starts[0] }
        new.cut = try read(.responseCut, responses)
        new.firsts = try tokens(.responseIDs, .idStart, responses)
        switch content {
        case .differences: new.seconds = try tokens(.secondIDs, .secondStart, responses)
        case .responses(let texts):
            new.kinds = try read(.kind, rows)
            new.labels = try read(.label, rows)
            new.weights = try read(.weight, rows)
            new.margins = try read(.margin, rows)
            new.scores = try read(.score, responses)
            guard texts else { break }
            new.promptTexts = try lists(.promptTexts, .promptTextStart, rows)
            new.texts = try lists(.responseTexts, .textStart, responses)
        }
        run = new
    }

    private func starts(_ column: PreparedPart.Column, _ range: Range<Int>) throws -> [Int] {
        let starts = try read(column, range.lowerBound..<range.upperBound + 1, as: Int64.self).map { Int($0) }
        guard starts[0] >= 0, zip(starts, starts.dropFirst()).allSatisfy(<=) else { throw damaged }
        return starts
    }

    /// Lists of ids, each of which is a row of a table.
    private func tokens(
        _ column: PreparedPart.Column, _ starts: PreparedPart.Column, _ range: Range<Int>
    ) throws -> Lists<Int32> {
        let ids: Lists<Int32> = try lists(column, starts, range)
        guard ids.values.allSatisfy({ $0 >= 0 && $0 <= part.largestID }) else { throw damaged }
        return ids
    }

    private func lists<Value>(
        _ column: PreparedPart.Column, _ starts: PreparedPart.Column, _ range: Range<Int>
    ) throws -> Lists<Value> {
        let starts = try self.starts(starts, range)
        return Lists(starts: starts.map { $0 - starts[0] }, values: try read(column, starts[0]..<starts[range.count]))
    }

    private func read<T>(_ column: PreparedPart.Column, _ range: Range<Int>, as type: T.Type = T.self) throws -> [T] {
        if range.isEmpty { return [] }
        let (size, count) = (MemoryLayout<T>.stride, range.count)
        // Both the place and the range come from files: within the part, they are no more than it holds.
        guard let place = part.places[column], place >= 0, range.lowerBound >= 0,
            range.upperBound <= (part.bytes - place) / size
        else { throw damaged }
        return try [T](unsafeUninitializedCapacity: count) { buffer, initialized in
            guard pread(descriptor, buffer.baseAddress, count * size, place + range.lowerBound * size) == count * size
            else { throw damaged }
            initialized = count
        }
    }

    private var damaged: RDOError {
        RDOError(
            .artefact, "the prepared data cannot be read, or are damaged", at: path,
            remedy: "remove the directory: it is made again")
    }
}
