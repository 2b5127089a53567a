import Preferences
import Storage
import Transformer

/// What a leaf asks of the model.
package enum LeafOutputs {
    /// Summed log-probability of each response, given as its token predictions.
    case logProbabilities([[Prediction]])
    /// The scalar head at each row.
    case scalars([Int])
}

/// One leaf (micro-batch) as the model sees it.
package struct LeafRequest {
    package var forest: TokenForest
    package var outputs: LeafOutputs

    package init(forest: TokenForest, outputs: LeafOutputs) {
        self.forest = forest
        self.outputs = outputs
    }
}

/// What a loss says about one leaf.
package struct LeafLoss {
    /// dLoss / d(output), one for each output of the request, already divided by the global denominator.
    package var gradients: [Double]
    /// Sums over the leaf's samples, one for each of the task's `sumNames`.
    package var sums: [Double]

    package init(gradients: [Double], sums: [Double]) {
        self.gradients = gradients
        self.sums = sums
    }
}

/// What the training loop must know about an objective: how samples become trees, and how the model's answers become
/// a loss. The loop knows nothing else about it.
///
/// Every method must give the same answer on every rank.
package protocol TrainingTask {
    /// Examples in the data set; sample numbers run endlessly over it.
    var exampleCount: Int { get }
    /// Which row of the data files a sample is, counted from 0 over all files: what messages and traces name.
    func dataRow(of sample: Sample) -> Int
    /// Floating-point operations of the forward pass over one example: leaves are balanced by it.
    func cost(of sample: Sample) -> Double
    /// The number that the summed loss of a global batch is divided by, known before any forward pass.
    func denominator(of samples: [Sample]) -> Double
    /// Token trees and outputs of a leaf; an empty leaf gives an empty request of the same kind.
    func request(_ samples: [Sample]) -> LeafRequest
    /// How many of a request's outputs belong to one sample.
    func outputCount(of sample: Sample) -> Int
    /// - Parameter outputs: log-probability sums or scalars, in the order of the request.
    func loss(_ samples: [Sample], outputs: [Double], denominator: Double) -> LeafLoss
    /// Names of the sums that `loss` returns.
    var sumNames: [String] { get }
    /// Figures for metrics.jsonl from the sums over a global batch of `count` samples. The first is `loss`.
    func metrics(sums: [String: Double], count: Int, denominator: Double) -> [Metric]
    /// What was drawn or planned for a batch beyond its data rows, and the model's answers: with them and the
    /// configuration another trainer can replay the step (`--trace`).
    /// - Parameter outputs: the outputs of each sample.
    func trace(_ samples: [Sample], outputs: [[Double]]) -> [String: Any]
    /// What the batch does with each of its pairs, in the order of the samples: for the ledger.
    /// - Parameter outputs: the outputs of each sample.
    func visits(_ samples: [Sample], outputs: [[Double]], denominator: Double) -> [PairVisit]
    /// Called with the sums of the first step of a run that was not resumed.
    /// - Throws: `RDOError.numerical` when they cannot be right.
    func checkFirstStep(sums: [String: Double], count: Int) throws

    // A loss may need figures of the whole global batch that only a forward pass can give, as KTO's baseline does. Then
    // each batch, and each evaluation, has a first phase: the trees of `preliminaryRequest` of every leaf run forward,
    // `preliminarySums` of their outputs are summed exactly over all leaves, and the losses are those of the task that
    // `prepared` returns.

    /// How many sums the first phase gives; 0 when there is none.
    var preliminarySumCount: Int { get }
    func preliminaryRequest(_ samples: [Sample]) -> LeafRequest
    /// - Parameter outputs: of the leaf's preliminary request, in its order.
    func preliminarySums(_ samples: [Sample], outputs: [Double]) -> [Double]
    /// - Parameter totals: the sums over the global batch.
    func prepared(with totals: [Double]) -> Self
}

extension TrainingTask {
    /// How a batch is cut: into `leaves` leaves, or more where `tokenLimit` asks for it.
    package func plan(_ samples: [Sample], leaves: Int, tokenLimit: Int?) -> BatchPlan {
        let costs = samples.map { cost(of: $0) }
        guard let tokenLimit else { return BatchPlanner.plan(costs: costs, leaves: leaves) }
        let tokens = samples.map { request([$0]).forest.tokens.count }
        return BatchPlanner.plan(costs: costs, leaves: leaves, tokens: tokens, limit: tokenLimit)
    }

    package var preliminarySumCount: Int { 0 }
    package func preliminaryRequest(_ samples: [Sample]) -> LeafRequest {
        LeafRequest(forest: TokenForest(), outputs: .logProbabilities([]))
    }
    package func preliminarySums(_ samples: [Sample], outputs: [Double]) -> [Double] { [] }
    package func prepared(with totals: [Double]) -> Self { self }
    package func checkFirstStep(sums: [String: Double], count: Int) throws {}
    package func visits(_ samples: [Sample], outputs: [[Double]], denominator: Double) -> [PairVisit] { [] }
}

/// One named figure of metrics.jsonl.
package struct Metric: Sendable, Equatable {
    package let name: String
    package let value: Double

    package init(_ name: String, _ value: Double) {
        self.name = name
        self.value = value
    }
}
