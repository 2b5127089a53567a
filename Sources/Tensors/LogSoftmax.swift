import CKernels

/// Log-probabilities of target tokens under vocabulary logits `[rows, vocabulary]`.
public enum LogSoftmax {
    /// Per row: `logSumExp = log Σ exp(logits)` and `logProbability = logits[target] - logSumExp`, both rounded once
    /// from double precision.
    public static func forward(
        _ logits: Matrix, targets: [Int32], logSumExp: FloatBuffer, into logProbabilities: FloatBuffer
    ) {
        precondition(targets.count == logits.rows, "LogSoftmax: one target for each row")
        precondition(
            logSumExp.count >= logits.rows && logProbabilities.count >= logits.rows,
            "LogSoftmax: one value for each row")
        for (row, target) in targets.enumerated() {
            let normalizer = Kernels.call.log_sum_exp(logits.row(row), logits.columns)
            logSumExp.pointer[row] = Float(normalizer)
            logProbabilities.pointer[row] = Float(Double(logits.target(target, ofRow: row).pointee) - normalizer)
        }
    }

    /// `log Σ exp` of one row of logits.
    public static func logSumExp(_ row: Matrix) -> Double {
        precondition(row.rows == 1, "LogSoftmax: one row")
        return Kernels.call.log_sum_exp(row.pointer, row.columns)
    }

    /// In place, one row: `exp(scale · x − shift)`.
    public static func exponentials(_ row: Matrix, scale: Float, shift: Float) {
        precondition(row.rows == 1, "LogSoftmax: one row")
        Kernels.call.scaled_exponential(row.pointer, scale, shift, 1, row.columns)
    }

    /// In place: `logits` become `rowScale · (onehot(target) - softmax(logits))`, the gradient of
    /// `Σ rowScale · logProbability`.
    public static func backward(_ logits: Matrix, targets: [Int32], logSumExp: FloatBuffer, rowScales: [Float]) {
        precondition(
            targets.count == logits.rows && rowScales.count == logits.rows && logSumExp.count >= logits.rows,
            "LogSoftmax: one target, scale and normalizer for each row")
        for (row, target) in targets.enumerated() {
            Kernels.call.scaled_exponential(logits.row(row), 1, logSumExp.pointer[row], -rowScales[row], logits.columns)
            logits.target(target, ofRow: row).pointee += rowScales[row]
        }
    }
}

extension Matrix {
    fileprivate func target(_ target: Int32, ofRow row: Int) -> UnsafeMutablePointer<Float> {
        precondition(target >= 0 && target < columns, "LogSoftmax: a target lies outside the vocabulary")
        return self.row(row) + Int(target)
    }
}
