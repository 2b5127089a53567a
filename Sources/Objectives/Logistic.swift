import Foundation

/// `log σ(x)` without overflow or cancellation for any finite `x`.
func logSigmoid(_ x: Double) -> Double { min(x, 0) - log1p(exp(-abs(x))) }

/// `σ(x)` without overflow for any finite `x`.
func sigmoid(_ x: Double) -> Double {
    let decayed = exp(-abs(x))
    return x >= 0 ? 1 / (1 + decayed) : decayed / (1 + decayed)
}
