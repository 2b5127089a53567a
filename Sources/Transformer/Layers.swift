import Tensors

/// A linear map `y = x Wᵀ + b`, `W` as `[out, in]` like in Hugging Face files, with its low-rank term where the model is
/// adapted. `Element` is `Matrix` for the parameters and `Matrix?` for their gradients, nil where one is not trained.
struct Linear<Element> {
    var weight: Element
    var bias: Element?
    var adapter: LowRankTerm<Element>?
}

extension Linear where Element == Matrix {
    /// - Parameter accumulate: adds to `y`.
    func forward(_ x: Matrix, into y: Matrix, accumulate: Bool = false) {
        GEMM.multiply(x, weight, into: y, transposeB: true, accumulate: accumulate)
        adapter?.forward(x, addingTo: y)
        if let bias { Vectors.addBias(bias, to: y) }
    }

    func forward(_ x: Matrix) -> Matrix {
        let y = Matrix(rows: x.rows, columns: weight.rows)
        forward(x, into: y)
        return y
    }

    /// Adds what the gradient at the output says about the trained parameters.
    func learn(_ yGradient: Matrix, input x: Matrix, into gradients: Linear<Matrix?>) {
        if let weight = gradients.weight {
            GEMM.multiply(yGradient, x, into: weight, transposeA: true, accumulate: true)
        }
        if let gradients = gradients.adapter { adapter?.learn(yGradient, input: x, into: gradients) }
        if case let bias?? = gradients.bias { Vectors.addColumnSums(of: yGradient, to: bias) }
    }

    /// The gradient at the input from that at the output.
    func carry(_ yGradient: Matrix, into xGradient: Matrix, accumulate: Bool = false) {
        GEMM.multiply(yGradient, weight, into: xGradient, accumulate: accumulate)
        adapter?.carry(yGradient, addingTo: xGradient)
    }
}

/// The low-rank term of a linear map: `scale (x Aᵀ) Bᵀ`.
struct LowRankTerm<Element> {
    /// `[rank, in]`
    let a: Element
    /// `[out, rank]`
    let b: Element
    let scale: Float
}

extension LowRankTerm where Element == Matrix {
    func forward(_ x: Matrix, addingTo y: Matrix) {
        GEMM.multiply(narrow(x), b, into: y, transposeB: true, alpha: scale, accumulate: true)
    }

    func learn(_ yGradient: Matrix, input x: Matrix, into gradients: LowRankTerm<Matrix?>) {
        guard let a = gradients.a, let b = gradients.b else { return }
        GEMM.multiply(yGradient, narrow(x), into: b, transposeA: true, alpha: scale, accumulate: true)
        GEMM.multiply(narrowGradient(yGradient), x, into: a, transposeA: true, accumulate: true)
    }

    func carry(_ yGradient: Matrix, addingTo xGradient: Matrix) {
        GEMM.multiply(narrowGradient(yGradient), a, into: xGradient, accumulate: true)
    }

    /// `x Aᵀ`, `[tokens, rank]`: so small that it is formed again rather than kept.
    private func narrow(_ x: Matrix) -> Matrix {
        let narrow = Matrix(rows: x.rows, columns: a.rows)
        GEMM.multiply(x, a, into: narrow, transposeB: true)
        return narrow
    }

    private func narrowGradient(_ yGradient: Matrix) -> Matrix {
        let gradient = Matrix(rows: yGradient.rows, columns: a.rows)
        GEMM.multiply(yGradient, b, into: gradient, alpha: scale)
        return gradient
    }
}

/// `y = x · weight / rms(x)`, row by row; where `x` is wider than the weight, piece by piece of each row.
struct Norm<Element> {
    let weight: Element
    let epsilon: Float
    /// Multiplies by 1 + weight.
    let isCentered: Bool
}

/// `1 / rms` of every row, for each piece of the rows: what a norm's backward pass needs of its forward pass.
typealias InverseRMS = [FloatBuffer]

extension Norm where Element == Matrix {
    private var factor: Matrix {
        guard isCentered else { return weight }
        let factor = Matrix(rows: 1, columns: weight.columns)
        for column in 0..<weight.columns { factor[0, column] = 1 + weight[0, column] }
        return factor
    }

    private func pieces(_ x: Matrix) -> [Range<Int>] {
        stride(from: 0, to: x.columns, by: weight.columns).map { $0..<($0 + weight.columns) }
    }

    func forward(_ x: Matrix, into y: Matrix) -> InverseRMS {
        let factor = factor
        return pieces(x).map { columns in
            let inverseRMS = FloatBuffer(count: x.rows)
            RMSNorm.forward(
                x.columns(columns), weight: factor, epsilon: epsilon, into: y.columns(columns), inverseRMS: inverseRMS)
            return inverseRMS
        }
    }

    func forward(_ x: Matrix) -> (Matrix, InverseRMS) {
        let y = Matrix(rows: x.rows, columns: x.columns)
        return (y, forward(x, into: y))
    }

    /// Learns and carries in one pass over the rows.
    func backward(
        _ yGradient: Matrix, input x: Matrix, _ inverseRMS: InverseRMS, addingTo xGradient: Matrix,
        into gradients: Norm<Matrix?>?
    ) {
        let factor = factor
        for (columns, inverseRMS) in zip(pieces(x), inverseRMS) {
            RMSNorm.backward(
                yGradient.columns(columns), x: x.columns(columns), weight: factor, inverseRMS: inverseRMS,
                addingTo: xGradient.columns(columns), weightGradient: gradients?.weight)
        }
    }
}

/// The rows of a `[vocabulary, hidden]` matrix by token.
struct Embedding<Element> {
    let weight: Element
    /// What rows are multiplied by; nil leaves them as they are.
    let scale: Float?
}

extension Embedding where Element == Matrix {
    func forward(_ tokens: [Int32]) -> Matrix {
        let y = Matrix(rows: tokens.count, columns: weight.columns)
        for (row, token) in tokens.enumerated() {
            precondition((0..<weight.rows).contains(Int(token)), "a token id lies outside the vocabulary")
            y.row(row).update(from: weight.row(Int(token)), count: y.columns)
        }
        if let scale { Vectors.scale(y, by: scale) }
        return y
    }
}

extension Embedding where Element == Matrix? {
    func learn(_ yGradient: Matrix, tokens: [Int32]) {
        guard let weight else { return }
        for (row, token) in tokens.enumerated() {
            if let scale {
                Vectors.addScaledRow(
                    yGradient.row(row), scale: scale, to: weight.row(Int(token)), count: weight.columns)
            } else {
                Vectors.add(yGradient.row(row), to: weight.row(Int(token)), count: weight.columns)
            }
        }
    }
}
