import Preferences
import Storage
import Transformer

/// What the training loop must know about an objective: how samples become trees, and how the model's answers become a
/// loss. The loop knows nothing else about it.
///
/// Every method must give the same answer on every rank.
package protocol TrainingTask {
    /// What is summed over a batch, for its metrics.
    associatedtype Figure: StepFigure

    /// Examples in the data set; sample numbers run endlessly over it.
    var exampleCount: Int { get }
    /// Which row of the data files a sample is, counted from 0 over all files: what messages and traces name.
    func dataRow(of sample: Sample) -> Int
    /// Floating-point operations of the forward pass over one example: leaves are balanced by it.
    func cost(of sample: Sample) -> Double
    /// The number that the summed loss of a global batch is divided by, known before any forward pass; by default the
    /// samples.
    func denominator(of samples: [Sample]) -> Double
    /// Token trees and outputs of a leaf; an empty leaf gives an empty request of the same kind.
    func request(_ samples: [Sample]) -> ForestRequest
    /// How many of a request's outputs belong to one sample.
    func outputCount(of sample: Sample) -> Int
    /// - Parameter outputs: log-probability sums or scalars, in the order of the request.
    func loss(_ samples: [Sample], outputs: [Double], denominator: Double) -> LeafLoss<Figure>
    /// What metrics.jsonl says of a global batch of `count` samples.
    func metrics(_ sums: FigureSums<Figure>, count: Int, denominator: Double) -> StepMetrics
    /// What was drawn or planned for a batch beyond its data rows, and the model's answers: with them and the
    /// configuration another trainer can replay the step (`--trace`).
    /// - Parameter outputs: the outputs of each sample.
    func trace(_ samples: [Sample], outputs: [[Double]]) -> TraceRecord
    /// What the batch does with each of its pairs, in the order of the samples: for the ledger.
    /// - Parameter outputs: the outputs of each sample.
    func visits(_ samples: [Sample], outputs: [[Double]], denominator: Double) -> [PairVisit]
    /// Figures of each of the batch's pairs, to show how they spread; by default those of its visits.
    func distributions(_ samples: [Sample], outputs: [[Double]], visits: [PairVisit]) -> [Distribution]
    /// Called with the sums of the first step of a run that was not resumed.
    /// - Throws: `RDOError.numerical` when they cannot be right.
    func checkFirstStep(_ sums: FigureSums<Figure>, count: Int) throws
    /// What a batch, or an evaluation, needs before its losses; nil when nothing.
    var preparation: Preparation<Self>? { get }
}

extension TrainingTask {
    /// How a batch is cut: into `leaves` leaves, or more where `tokenLimit` asks for it.
    package func plan(_ samples: [Sample], leaves: Int, tokenLimit: Int?) -> BatchPlan {
        let costs = samples.map { cost(of: $0) }
        guard let tokenLimit else { return BatchPlanner.plan(costs: costs, leaves: leaves) }
        let tokens = samples.map { request([$0]).forest.tokens.count }
        return BatchPlanner.plan(costs: costs, leaves: leaves, tokens: tokens, limit: tokenLimit)
    }

    package func denominator(of samples: [Sample]) -> Double { Double(samples.count) }
    package var preparation: Preparation<Self>? { nil }
    package func checkFirstStep(_ sums: FigureSums<Figure>, count: Int) throws {}
    package func visits(_ samples: [Sample], outputs: [[Double]], denominator: Double) -> [PairVisit] { [] }

    package func distributions(_ samples: [Sample], outputs: [[Double]], visits: [PairVisit]) -> [Distribution] {
        visits.isEmpty ? [] : [(.coefficients, visits.map(\.coefficient)), (.margins, visits.map(\.margin))]
    }
}

/// One figure of every pair of a batch, for a histogram; docs/watching.md says what each is.
package typealias Distribution = (figure: PairFigure, values: [Double])

package enum PairFigure: String, Sendable { case coefficients, margins, differences }

/// A first phase for losses that need figures of the whole global batch which only a forward pass can give, as KTO's
/// baseline: the trees of `request` of every leaf run forward, `sums` of their outputs, which are in the request's
/// order, are added exactly over all leaves, and the losses are those of the task that `complete` makes of the totals.
package typealias Preparation<Task> = (
    sumCount: Int, request: ([Sample]) -> ForestRequest,
    sums: (_ samples: [Sample], _ outputs: [Double]) -> [Double], complete: (_ totals: [Double]) -> Task
)

/// The names of the sums over a batch: `enum Figure: Int, StepFigure { case loss, … }`.
package protocol StepFigure: CaseIterable, RawRepresentable, Sendable where RawValue == Int {}

/// One sum for each figure, zero at first.
package struct FigureSums<Figure: StepFigure>: Sendable, Equatable {
    /// In the order of the cases.
    private(set) var values = [Double](repeating: 0, count: Figure.allCases.count)

    package init() {}

    init(_ values: ArraySlice<Double>) {
        precondition(values.count == Figure.allCases.count, "one sum for each figure")
        self.values = Array(values)
    }

    package subscript(figure: Figure) -> Double {
        get { values[figure.rawValue] }
        set { values[figure.rawValue] = newValue }
    }
}

/// What a loss says about one leaf.
package struct LeafLoss<Figure: StepFigure> {
    /// dLoss / d(output), one for each output of the request, already divided by the global denominator.
    package let gradients: [Double]
    /// Over the leaf's samples.
    package let sums: FigureSums<Figure>

    package init(gradients: [Double], sums: FigureSums<Figure>) { (self.gradients, self.sums) = (gradients, sums) }
}
