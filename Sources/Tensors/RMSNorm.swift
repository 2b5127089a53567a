import CKernels

/// Root mean square layer normalization (Zhang and Sennrich, 2019): `y = x · weight / sqrt(mean(x²) + epsilon)`.
public enum RMSNorm {
    /// - Parameters:
    ///   - x, y: `[rows, hidden]`; `weight`: `[1, hidden]`.
    ///   - inverseRMS: `1 / sqrt(mean(x²) + epsilon)` of each row, for the backward pass.
    public static func forward(_ x: Matrix, weight: Matrix, epsilon: Float, into y: Matrix, inverseRMS: FloatBuffer) {
        precondition(x.hasShape(of: y) && weight.isRowVector(of: x.columns), "RMSNorm: shapes differ")
        precondition(inverseRMS.count >= x.rows, "RMSNorm: one inverse RMS for each row")
        for row in 0..<x.rows {
            inverseRMS.pointer[row] = Kernels.call.rms_norm_forward(
                x.row(row), weight.pointer, epsilon, y.row(row), x.columns)
        }
    }

    /// Adds the gradient of `x` to `dx` and, when wanted, the gradient of `weight` to `weightGradient` (`[1, hidden]`).
    public static func backward(
        _ dy: Matrix, x: Matrix, weight: Matrix, inverseRMS: FloatBuffer, addingTo dx: Matrix, weightGradient: Matrix?
    ) {
        precondition(
            x.hasShape(of: dy) && x.hasShape(of: dx) && weight.isRowVector(of: x.columns), "RMSNorm: shapes differ")
        precondition(weightGradient?.isRowVector(of: x.columns) ?? true, "RMSNorm: shapes differ")
        precondition(inverseRMS.count >= x.rows, "RMSNorm: one inverse RMS for each row")
        for row in 0..<x.rows {
            Kernels.call.rms_norm_backward(
                dy.row(row), x.row(row), weight.pointer, inverseRMS.pointer[row], dx.row(row), weightGradient?.pointer,
                x.columns)
        }
    }
}

extension Matrix {
    func hasShape(of other: Matrix) -> Bool { rows == other.rows && columns == other.columns }

    func isRowVector(of count: Int) -> Bool { rows == 1 && columns == count }
}
