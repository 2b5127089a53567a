import CKernels

/// The gated activation `silu(gate) · up`, `silu(g) = g / (1 + exp(-g))` (Shazeer, 2020). All matrices have one shape.
public enum SwiGLU {
    public static func forward(gate: Matrix, up: Matrix, into out: Matrix) {
        precondition(gate.hasShape(of: up) && gate.hasShape(of: out), "SwiGLU: shapes differ")
        for row in 0..<gate.rows {
            Kernels.call.swiglu_forward(gate.row(row), up.row(row), out.row(row), gate.columns)
        }
    }

    /// Writes both gradients; they may take the place of `gate` and `up`.
    public static func backward(_ dOut: Matrix, gate: Matrix, up: Matrix, gateGradient: Matrix, upGradient: Matrix) {
        precondition(
            gate.hasShape(of: up) && gate.hasShape(of: dOut) && gate.hasShape(of: gateGradient)
                && gate.hasShape(of: upGradient), "SwiGLU: shapes differ")
        for row in 0..<gate.rows {
            Kernels.call.swiglu_backward(
                dOut.row(row), gate.row(row), up.row(row), gateGradient.row(row), upGradient.row(row), gate.columns)
        }
    }
}

/// The gated activation `gelu(gate) · up` (Shazeer, 2020), gelu in its tanh form (Hendrycks and Gimpel, 2016). All
/// matrices have one shape.
public enum GeGLU {
    public static func forward(gate: Matrix, up: Matrix, into out: Matrix) {
        precondition(gate.hasShape(of: up) && gate.hasShape(of: out), "GeGLU: shapes differ")
        for row in 0..<gate.rows {
            Kernels.call.geglu_forward(gate.row(row), up.row(row), out.row(row), gate.columns)
        }
    }

    /// Writes both gradients; they may take the place of `gate` and `up`.
    public static func backward(_ dOut: Matrix, gate: Matrix, up: Matrix, gateGradient: Matrix, upGradient: Matrix) {
        precondition(
            gate.hasShape(of: up) && gate.hasShape(of: dOut) && gate.hasShape(of: gateGradient)
                && gate.hasShape(of: upGradient), "GeGLU: shapes differ")
        for row in 0..<gate.rows {
            Kernels.call.geglu_backward(
                dOut.row(row), gate.row(row), up.row(row), gateGradient.row(row), upGradient.row(row), gate.columns)
        }
    }
}
