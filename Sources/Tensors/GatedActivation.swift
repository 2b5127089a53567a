import CKernels

/// The gated activation `f(gate) · up` of an MLP (Shazeer, 2020), by the name of `f` in Hugging Face files. All matrices
/// have one shape.
public enum GatedActivation: String, Sendable, CaseIterable {
    /// `f(g) = g / (1 + exp(-g))`, silu.
    case swiglu = "silu"
    /// gelu in its tanh form (Hendrycks and Gimpel, 2016).
    case geglu = "gelu_pytorch_tanh"

    /// `out` may be `gate`.
    public func forward(gate: Matrix, up: Matrix, into out: Matrix) {
        precondition(gate.hasShape(of: up) && gate.hasShape(of: out), "gated activation: shapes differ")
        let kernel = self == .swiglu ? Kernels.call.swiglu_forward : Kernels.call.geglu_forward
        for row in 0..<gate.rows { kernel(gate.row(row), up.row(row), out.row(row), gate.columns) }
    }

    /// Writes both gradients; they may take the place of `gate` and `up`.
    public func backward(_ dOut: Matrix, gate: Matrix, up: Matrix, gateGradient: Matrix, upGradient: Matrix) {
        let others = [up, dOut, gateGradient, upGradient]
        precondition(others.allSatisfy(gate.hasShape), "gated activation: shapes differ")
        let kernel = self == .swiglu ? Kernels.call.swiglu_backward : Kernels.call.geglu_backward
        for row in 0..<gate.rows {
            kernel(dOut.row(row), gate.row(row), up.row(row), gateGradient.row(row), upGradient.row(row), gate.columns)
        }
    }
}
