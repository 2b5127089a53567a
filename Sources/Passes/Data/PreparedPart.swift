import Coding
import Diagnostics
import Foundation
import Preferences
import Storage

/// Some thousand consecutive rows of a prepared data set in one HDF5 file (`rdo.data/2`, docs/files.md): contiguous columns,
/// so that any row is read from its place without the library and without the others.
enum PreparedPart {
    static let schema = "rdo.data/2"
    /// Rows of a part at most.
    static let rowLimit = 8192

    /// The columns, by their names in the file.
    enum Column: String, CaseIterable, Codable, CodingKeyRepresentable {
        case row = "/rows/row"
        case kind = "/rows/kind"
        case label = "/rows/label"
        case weight = "/rows/weight"
        case margin = "/rows/margin"
        case promptCut = "/rows/prompt_truncated"
        /// n + 1 places in `/prompts/ids`.
        case promptStart = "/rows/prompt_start"
        /// n + 1 places among the responses.
        case responseStart = "/rows/response_start"
        case promptTextStart = "/rows/prompt_text_start"
        case promptIDs = "/prompts/ids"
        case promptTexts = "/prompts/text"
        case responseCut = "/responses/truncated"
        case score = "/responses/score"
        /// m + 1 places in `/responses/ids`.
        case idStart = "/responses/start"
        case secondStart = "/responses/second_start"
        case textStart = "/responses/text_start"
        case responseIDs = "/responses/ids"
        /// A difference model's `; Response 2: y`.
        case secondIDs = "/responses/second_ids"
        case responseTexts = "/responses/text"
    }

    /// Collects rows, then writes them.
    struct Builder {
        private(set) var count = 0
        private var rows: [Int64] = []
        private var kinds: [UInt8] = []
        private var labels: [Int8] = []
        private var weights: [Double] = []
        private var margins: [Double] = []
        private var promptCut: [UInt8] = []
        private var promptStart: [Int64] = [0]
        private var responseStart: [Int64] = [0]
        private var promptTextStart: [Int64] = [0]
        private var prompts: [Int32] = []
        private var promptTexts: [UInt8] = []
        private var responseCut: [UInt8] = []
        private var scores: [Double] = []
        private var idStart: [Int64] = [0]
        private var secondStart: [Int64] = [0]
        private var textStart: [Int64] = [0]
        private var ids: [Int32] = []
        private var seconds: [Int32] = []
        private var texts: [UInt8] = []

        mutating func append(_ example: TokenizedExample) {
            addRow(example.row, example.prompt, cut: example.isPromptTruncated)
            kinds.append(UInt8(PreferenceRecord.Kind.allCases.firstIndex(of: example.kind) ?? 0))
            labels.append(example.label.map { $0 ? 1 : 0 } ?? -1)
            weights.append(example.weight ?? .nan)
            margins.append(example.margin ?? .nan)
            promptTexts += example.promptText.utf8
            promptTextStart.append(Int64(promptTexts.count))
            for index in example.responses.indices {
                addResponse(example.responses[index], cut: example.truncatedResponses[index])
                scores.append(example.scores?[index] ?? .nan)
                texts += example.responseTexts[index].utf8
                textStart.append(Int64(texts.count))
            }
            responseStart.append(Int64(responseCut.count))
        }

        mutating func append(_ example: DifferenceExample) {
            addRow(example.row, example.query, cut: example.isPromptTruncated)
            for index in example.asFirst.indices {
                addResponse(example.asFirst[index], cut: example.truncatedResponses[index])
                seconds += example.asSecond[index]
                secondStart.append(Int64(seconds.count))
            }
            responseStart.append(Int64(responseCut.count))
        }

        private mutating func addRow(_ row: Int, _ prompt: [Int32], cut: Bool) {
            count += 1
            rows.append(Int64(row))
            prompts += prompt
            promptStart.append(Int64(prompts.count))
            promptCut.append(cut ? 1 : 0)
        }

        private mutating func addResponse(_ own: [Int32], cut: Bool) {
            ids += own
            idStart.append(Int64(ids.count))
            responseCut.append(cut ? 1 : 0)
        }

        /// Of all tokens; -1 where there are none.
        var largestID: Int32 { max(prompts.max() ?? -1, ids.max() ?? -1, seconds.max() ?? -1) }

        /// - Returns: where each column begins in the file, in bytes.
        /// - Throws: `RDOError.artefact` when the file cannot be written.
        func write(to path: String, header: ArtefactHeader) throws -> [Column: Int] {
            var places: [Column: Int] = [:]
            let file = try HDF5File(creating: path)
            try header.write(to: file)
            func add<T: HDF5Number>(_ column: Column, _ values: [T]) throws {
                let dataset = try file.createDataset(
                    column.rawValue, of: T.self, shape: [values.count], layout: .contiguous)
                try dataset.write(values)
                places[column] = dataset.fileOffset()
            }
            try add(.row, rows)
            try add(.promptCut, promptCut)
            try add(.promptStart, promptStart)
            try add(.responseStart, responseStart)
            try add(.promptIDs, prompts)
            try add(.responseCut, responseCut)
            try add(.idStart, idStart)
            try add(.responseIDs, ids)
            if seconds.isEmpty {
                try add(.kind, kinds)
                try add(.label, labels)
                try add(.weight, weights)
                try add(.margin, margins)
                try add(.promptTextStart, promptTextStart)
                try add(.promptTexts, promptTexts)
                try add(.score, scores)
                try add(.textStart, textStart)
                try add(.responseTexts, texts)
            } else {
                try add(.secondStart, secondStart)
                try add(.secondIDs, seconds)
            }
            try file.close()
            try Durable.sync(path)
            return places
        }
    }
}
