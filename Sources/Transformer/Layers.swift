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

/// `y = x · weight / rms(x)`, row by row.
struct Norm<Element> {
    let weight: Element
    let epsilon: Float
}

extension Norm where Element == Matrix {
    /// - Parameter inverseRMS: of each row, written for the backward pass.
    func forward(_ x: Matrix, inverseRMS: FloatBuffer) -> Matrix {
        let y = Matrix(rows: x.rows, columns: x.columns)
        RMSNorm.forward(x, weight: weight, epsilon: epsilon, into: y, inverseRMS: inverseRMS)
        return y
    }

    /// Learns and carries in one pass over the rows.
    func backward(
        _ yGradient: Matrix, input x: Matrix, inverseRMS: FloatBuffer, addingTo xGradient: Matrix,
        into gradients: Norm<Matrix?>
    ) {
        RMSNorm.backward(
            yGradient, x: x, weight: weight, inverseRMS: inverseRMS, addingTo: xGradient,
            weightGradient: gradients.weight)
    }
}

/// The rows of a `[vocabulary, hidden]` matrix by token.
struct Embedding<Element> {
    let weight: Element
}

extension Embedding where Element == Matrix {
    func forward(_ tokens: [Int32]) -> Matrix {
        let y = Matrix(rows: tokens.count, columns: weight.columns)
        for (row, token) in tokens.enumerated() {
            precondition((0..<weight.rows).contains(Int(token)), "a token id lies outside the vocabulary")
            y.row(row).update(from: weight.row(Int(token)), count: y.columns)
        }
        return y
    }
}

extension Embedding where Element == Matrix? {
    func learn(_ yGradient: Matrix, tokens: [Int32]) {
        guard let weight else { return }
        for (row, token) in tokens.enumerated() {
            Vectors.add(yGradient.row(row), to: weight.row(Int(token)), count: weight.columns)
        }
    }
}
