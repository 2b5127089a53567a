import Foundation
import Tensors
import Transformer

/// Floating-point work of the model and the machine's own peak, for `mfu` in metrics.jsonl.
public struct ThroughputMeter {
    private let configuration: ModelConfiguration
    /// Floating-point operations a second of one square GEMM on this rank.
    public let peak: Double

    /// Times a 384³ product for some milliseconds.
    public init(_ configuration: ModelConfiguration) {
        self.configuration = configuration
        let size = 384
        let (a, b, c) = (
            Matrix(rows: size, columns: size), Matrix(rows: size, columns: size), Matrix(rows: size, columns: size)
        )
        var best = Duration.seconds(1)
        for _ in 0..<8 {
            best = min(best, ContinuousClock().measure { GEMM.multiply(a, b, into: c) })
        }
        peak = 2 * pow(Double(size), 3) / (best / .seconds(1))
    }

    /// Forward and backward operations of a leaf: 2 for each weight, token and direction three times over (forward,
    /// gradient of inputs, gradient of weights), and the products of attention and head alike.
    public func trainingOperations(_ request: LeafRequest) -> Double {
        let c = configuration
        let attention = TreeAttentionShape(request.forest).pairs * Double(4 * c.headCount * c.headSize * c.layerCount)
        var head = 0.0
        if case .logProbabilities(let responses) = request.outputs {
            head = Double(responses.reduce(0) { $0 + $1.count }) * Double(2 * c.hiddenSize * c.vocabularySize)
        }
        let blockWeights =
            c.hiddenSize * c.headSize * (2 * c.headCount + 2 * c.keyValueHeadCount)
            + 3 * c.hiddenSize * c.intermediateSize
        let body = Double(request.forest.tokens.count) * Double(2 * blockWeights * c.layerCount)
        return 3 * (attention + head + body)
    }
}

/// How many query-key pairs the trees of a forest have.
private struct TreeAttentionShape {
    let pairs: Double

    init(_ forest: TokenForest) {
        pairs = forest.segments.reduce(0) { sum, segment in
            let count = Double(segment.rows.count)
            return sum + count * Double(segment.position) + count * (count + 1) / 2
        }
    }
}
