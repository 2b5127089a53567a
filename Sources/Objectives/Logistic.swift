import Foundation

/// `log σ(x)` without overflow or cancellation for any finite `x`.
package func logSigmoid(_ x: Double) -> Double { min(x, 0) - log1p(exp(-abs(x))) }

/// `σ(x)` without overflow for any finite `x`.
package func sigmoid(_ x: Double) -> Double {
    let decayed = exp(-abs(x))
    return x >= 0 ? 1 / (1 + decayed) : decayed / (1 + decayed)
}

/// `σ(x)`, `1 − σ(x)` and `σ'(x)`, each without cancellation.
struct Sigmoid {
    let value: Double
    let complement: Double
    var slope: Double { value * complement }

    init(_ x: Double) { (value, complement) = (sigmoid(x), sigmoid(-x)) }
}

/// The log-odds `log(e^p / (1 − e^p))` of a log-probability, and their derivative `1 / (1 − e^p)`.
struct LogOdds {
    /// Certainty has no finite odds: log-probabilities count as at most this, about the rounding error of the model's.
    static let greatestLogProbability = -1e-7

    let value: Double
    let slope: Double

    init(_ logProbability: Double) {
        let p = min(logProbability, Self.greatestLogProbability)
        let complement = -expm1(p)
        value = p - log(complement)
        slope = 1 / complement
    }
}
