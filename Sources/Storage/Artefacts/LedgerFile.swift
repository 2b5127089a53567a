import Coding
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
        self.row = row
        self.key = key
        self.better = better
        self.worse = worse
        self.coefficient = coefficient
        self.margin = margin
        self.loss = loss
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
        let columns = try LedgerColumns(of: file)
        guard zip(columns.step, columns.step.dropFirst()).allSatisfy({ $0 <= $1 }) else {
            throw RDOError(.artefact, "/visits/step is not in ascending order", at: path)
        }
        steps = columns.step.map { Int($0) }
        visits = columns.visits
    }
}

/// The columns of `/visits` as they lie in the file.
struct LedgerColumns {
    private(set) var step: [Int64] = []
    private var row: [Int64] = []
    private var key: [ContentKey] = []
    private var better: [Int32] = []
    private var worse: [Int32] = []
    private var coefficient: [Double] = []
    private var margin: [Double] = []
    private var loss: [Double] = []
    private var gradientScale: [Double] = []

    init() {}

    init(of file: HDF5File) throws {
        key = try file.readKeys("/visits/key")
        func read<T: HDF5Number>(_ name: String, _ type: T.Type) throws -> [T] {
            try file.readList("/visits/" + name, type, count: key.count, like: "/visits/key")
        }
        step = try read("step", Int64.self)
        row = try read("row", Int64.self)
        better = try read("better", Int32.self)
        worse = try read("worse", Int32.self)
        coefficient = try read("coefficient", Double.self)
        margin = try read("margin", Double.self)
        loss = try read("loss", Double.self)
        gradientScale = try read("gradient_scale", Double.self)
    }

    var count: Int { step.count }

    mutating func append(_ visit: PairVisit, step: Int) {
        self.step.append(Int64(step))
        row.append(Int64(visit.row))
        key.append(visit.key)
        better.append(Int32(visit.better ?? -1))
        worse.append(Int32(visit.worse ?? -1))
        coefficient.append(visit.coefficient)
        margin.append(visit.margin)
        loss.append(visit.loss)
        gradientScale.append(visit.gradientScale)
    }

    /// Drops the visits of this step and all later ones.
    mutating func drop(fromStep step: Int) {
        let dropped = self.step.count - (self.step.firstIndex { $0 >= Int64(step) } ?? self.step.count)
        self.step.removeLast(dropped)
        row.removeLast(dropped)
        key.removeLast(dropped)
        better.removeLast(dropped)
        worse.removeLast(dropped)
        coefficient.removeLast(dropped)
        margin.removeLast(dropped)
        loss.removeLast(dropped)
        gradientScale.removeLast(dropped)
    }

    func write(to file: HDF5File) throws {
        try file.write(step, to: "/visits/step")
        try file.write(row, to: "/visits/row")
        try file.write(key, to: "/visits/key")
        try file.write(better, to: "/visits/better")
        try file.write(worse, to: "/visits/worse")
        try file.write(coefficient, to: "/visits/coefficient")
        try file.write(margin, to: "/visits/margin")
        try file.write(loss, to: "/visits/loss")
        try file.write(gradientScale, to: "/visits/gradient_scale")
    }

    var visits: [PairVisit] {
        func index(_ stored: Int32) -> Int? { stored < 0 ? nil : Int(stored) }
        return step.indices.map {
            PairVisit(
                row: Int(row[$0]), key: key[$0], better: index(better[$0]), worse: index(worse[$0]),
                coefficient: coefficient[$0], margin: margin[$0], loss: loss[$0], gradientScale: gradientScale[$0])
        }
    }
}
