import Coding
import Columns
import Diagnostics

/// What an evaluation computed with one model (`rdo.measurements/1`): a figure of every response, or the difference of every
/// two responses in both orders, found by their keys.
package struct MeasurementFile {
    package static let schema = "rdo.measurements/1"

    package enum Measure: String, Sendable {
        /// Σ log π over a response's tokens.
        case logprob
        /// A reward model's score of a response.
        case reward
        /// d(x, first, second) and d(x, second, first).
        case difference

        /// Figures of an item.
        package var figures: Int { columns.count }
        private var group: String { self == .difference ? "/pairs/" : "/responses/" }
        var key: String { group + "key" }
        var tokenCount: String { group + "token_count" }
        var columns: [String] {
            (self == .difference ? ["difference", "difference_reversed"] : [rawValue]).map { group + $0 }
        }
    }

    package let header: ArtefactHeader
    package let provenance: Provenance
    package let isSealed: Bool
    package let measure: Measure
    package let keys: ScratchColumn<ContentKey>
    /// By figure.
    private let columns: [ScratchColumn<Double>]
    private let rows: KeyIndex

    /// - Throws: `RDOError(.artefact)` when the file is no HDF5 file, is damaged, has another schema or measure, lacks a dataset
    ///   or holds a value that is not finite.
    package static func read(_ path: String) throws -> MeasurementFile { try MeasurementFile(path) }

    private init(_ path: String) throws {
        let file: HDF5File
        (file, header, isSealed) = try SealedFile.open(path, schemas: [Self.schema])
        provenance = try Provenance(of: file)
        guard let measure = try file.text("measure").flatMap(Measure.init) else {
            throw RDOError(
                .artefact, "the root attribute measure is none of logprob, reward and difference", at: path)
        }
        let keys = try file.readKeys(measure.key)
        columns = try measure.columns.map {
            try file.readList($0, Double.self, count: keys.count, like: measure.key)
        }
        for (name, column) in zip(measure.columns, columns) { try requireFinite(column, name, at: path) }
        rows = try index(of: keys, measure.key, values: columns, at: path)
        (self.measure, self.keys) = (measure, keys)
    }

    /// The figures of an item; nil when the file has none.
    package subscript(key: ContentKey) -> [Double]? { rows[key].map { row in columns.map { $0[row] } } }
}

/// Writes a measurement file.
package final class MeasurementWriter: ChunkedWriter<Double> {
    private let measure: MeasurementFile.Measure
    private let tokenCounts: Rows<Int32>

    /// See `ChunkedWriter`; the measure counts too.
    ///
    /// - Parameters:
    ///   - keys: of responses or of ordered pairs.
    ///   - tokenCounts: of each response, or of both of a pair, as the model reads them.
    package init(
        path: String, header: ArtefactHeader, measure: MeasurementFile.Measure, provenance: Provenance,
        keys: Rows<ContentKey>, tokenCounts: Rows<Int32>, chunkRows: Int
    ) throws {
        precondition(keys.count == tokenCounts.count, "one token count per item")
        (self.measure, self.tokenCounts) = (measure, tokenCounts)
        try super.init(
            path: path, header: header, kind: MeasurementFile.schema + measure.rawValue, provenance: provenance,
            keys: keys, columns: measure.columns, chunkRows: chunkRows)
    }

    /// Stores the figures of whole chunks of items and returns when they are on the disk.
    ///
    /// - Parameter values: as many as the measure has for each item, those of an item together.
    /// - Throws: `RDOError(.numerical)` when a value is not finite.
    package func write(rows: Range<Int>, values: [Double]) throws {
        let columns = (0..<measure.figures).map { figure in
            stride(from: figure, to: values.count, by: measure.figures).map { values[$0] }
        }
        try write(rows: rows, columns, finite: columns.flatMap { $0 }, "the \(measure.rawValue) of item")
    }

    /// See `ChunkedWriter.finish(_:)`.
    package func finish() throws {
        try finish { file, columns in
            try file.setAttribute("measure", .text(measure.rawValue))
            try provenance.write(to: file)
            try file.write(keys, to: measure.key)
            try file.write(tokenCounts, to: measure.tokenCount)
            for (name, column) in zip(measure.columns, columns) { try file.write(column, to: name) }
        }
    }
}
