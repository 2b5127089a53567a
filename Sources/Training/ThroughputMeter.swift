import Foundation
import Tensors

/// The machine's own peak beside the model's floating-point work, for `mfu` in metrics.jsonl.
package struct ThroughputMeter {
    /// Floating-point operations a second of one square GEMM on this rank.
    package let peak: Double

    /// What so many operations are expected to take before any were measured: a model reaches a third of a GEMM's speed.
    package func expectedSeconds(operations: Double) -> Double { 3 * operations / peak }

    /// Times a 384³ product for some milliseconds.
    package init() {
        let size = 384
        let (a, b, c) = (
            Matrix(rows: size, columns: size), Matrix(rows: size, columns: size), Matrix(rows: size, columns: size)
        )
        var best = Duration.seconds(1)
        for _ in 0..<8 { best = min(best, ContinuousClock().measure { GEMM.multiply(a, b, into: c) }) }
        peak = 2 * pow(Double(size), 3) / (best / .seconds(1))
    }
}
