import Coding
import Columns
import Diagnostics

/// What a training step did with one pair of responses, or in KTO with one response.
package struct PairVisit: Sendable, Equatable {
    /// Row of the data files, counted from 0 over all of them.
    package var row: Int
    /// Names the pair as a coefficient file does, or a labelled response as a reference file does.
    package var key: ContentKey
    /// Index of the better response in its row; nil for an undesirable response of KTO.
    package var better: Int?
    /// Index of the worse response in its row; nil for a desirable response of KTO.
    package var worse: Int?
    /// The weight `f(R)^α` of the loss; 1 without coefficients.
    package var coefficient: Double
    /// How far the policy was on the right side, before the step's update: positive is right.
    package var margin: Double
    /// The loss, times the coefficient, before the batch's denominator.
    package var loss: Double
    /// Mean of |dLoss / d log π(y∣x)| over the responses, as applied: coefficient and denominator included, before
    /// clipping.
    package var gradientScale: Double

    package init(
        row: Int, key: ContentKey, better: Int?, worse: Int?, coefficient: Double, margin: Double, loss: Double,
        gradientScale: Double
    ) {
        (self.row, self.key, self.better, self.worse) = (row, key, better, worse)
        (self.coefficient, self.margin, self.loss) = (coefficient, margin, loss)
        self.gradientScale = gradientScale
    }
}

/// Every visit of a training pass to every pair (`rdo.ledger/1`), in the order of steps and of each step's batch.
package struct LedgerFile: Sendable {
    package static let schema = "rdo.ledger/1"

    package let path: String
    package let header: ArtefactHeader
    /// The training pass; nil when the file does not say.
    package let pass: String?
    /// False when another program made the file: then nothing but the checksums of its datasets, if any, guards it.
    package let isSealed: Bool
    /// The step of each visit, ascending.
    package let steps: [Int]
    package let visits: [PairVisit]

    package var count: Int { visits.count }

    /// Reads a file.
    ///
    /// - Throws: `RDOError(.artefact)` when the file is no HDF5 file, is damaged, has another schema, lacks a dataset,
    ///   has columns of different lengths or steps out of order.
    package static func read(_ path: String) throws -> LedgerFile { try LedgerFile(path) }

    private init(_ path: String) throws {
        self.path = path
        let file: HDF5File
        (file, header, isSealed) = try SealedFile.open(path, schemas: [LedgerFile.schema])
        pass = try file.text("pass")
        let rows = try LedgerRow.read(from: file)
        guard zip(rows, rows.dropFirst()).allSatisfy({ $0.step <= $1.step }) else {
            throw RDOError(.artefact, "/visits/step is not in ascending order", at: path)
        }
        // They are subtracted and added.
        for (name, numbers) in [("step", rows.lazy.map(\.step)), ("row", rows.lazy.map(\.row))] {
            guard let number = numbers.first(where: { !(0...1 << 53).contains($0) }) else { continue }
            throw RDOError(.artefact, "/visits/\(name) holds the impossible number \(number)", at: path)
        }
        steps = rows.map { Int($0.step) }
        visits = rows.map(\.visit)
    }
}

/// A visit as it lies in the columns of `/visits`, -1 for an absent response: 72 bytes.
struct LedgerRow: BitwiseCopyable {
    let step: Int64
    let row: Int64
    let key: ContentKey
    let better: Int32
    let worse: Int32
    let coefficient: Double
    let margin: Double
    let loss: Double
    let gradientScale: Double
}

extension LedgerRow {
    init(_ visit: PairVisit, step: Int) {
        self.init(
            step: Int64(step), row: Int64(visit.row), key: visit.key, better: Int32(visit.better ?? -1),
            worse: Int32(visit.worse ?? -1), coefficient: visit.coefficient, margin: visit.margin, loss: visit.loss,
            gradientScale: visit.gradientScale)
    }

    var visit: PairVisit {
        PairVisit(
            row: Int(row), key: key, better: better < 0 ? nil : Int(better), worse: worse < 0 ? nil : Int(worse),
            coefficient: coefficient, margin: margin, loss: loss, gradientScale: gradientScale)
    }

    static func read(from file: HDF5File) throws -> ScratchColumn<LedgerRow> {
        let keys = try file.readKeys("/visits/key")
        func read<T: HDF5Number>(_ name: String, _ type: T.Type = Double.self) throws -> ScratchColumn<T> {
            try file.readList("/visits/" + name, type, count: keys.count, like: "/visits/key")
        }
        let (steps, rows) = (try read("step", Int64.self), try read("row", Int64.self))
        let (better, worse) = (try read("better", Int32.self), try read("worse", Int32.self))
        let (coefficients, margins) = (try read("coefficient"), try read("margin"))
        let (losses, gradientScales) = (try read("loss"), try read("gradient_scale"))
        return try ScratchColumn(
            keys.indices.lazy.map {
                LedgerRow(
                    step: steps[$0], row: rows[$0], key: keys[$0], better: better[$0], worse: worse[$0],
                    coefficient: coefficients[$0], margin: margins[$0], loss: losses[$0],
                    gradientScale: gradientScales[$0])
            })
    }

    static func write(_ rows: ScratchColumn<LedgerRow>, to file: HDF5File) throws {
        try file.write(rows.lazy.map(\.step), to: "/visits/step")
        try file.write(rows.lazy.map(\.row), to: "/visits/row")
        try file.write(rows.lazy.map(\.key), to: "/visits/key")
        try file.write(rows.lazy.map(\.better), to: "/visits/better")
        try file.write(rows.lazy.map(\.worse), to: "/visits/worse")
        try file.write(rows.lazy.map(\.coefficient), to: "/visits/coefficient")
        try file.write(rows.lazy.map(\.margin), to: "/visits/margin")
        try file.write(rows.lazy.map(\.loss), to: "/visits/loss")
        try file.write(rows.lazy.map(\.gradientScale), to: "/visits/gradient_scale")
    }
}
