import Tensors

/// Log-probabilities of chosen predictions; the vocabulary logits exist for one block of rows at a time.
package struct TokenLogProbabilities {
    package let predictions: [Prediction]
    /// `log p(target | context)` of each prediction.
    package let values: [Float]
    /// Of each prediction's logits.
    let logSumExp: [Float]
}

extension TransformerModel {
    /// Rows of logits held at once: `[128, vocabulary]` floats.
    private static let headBlockRows = 128

    /// Final norm and vocabulary logits at the predicting rows only. Collective like `forward`.
    package func logProbabilities(
        of predictions: [Prediction], in pass: TrunkPass, parameters: any ParameterSource
    ) throws -> TokenLogProbabilities {
        var values: [Float] = []
        var logSumExps: [Float] = []
        try withHeadParameters(parameters) { norm, vocabulary in
            for block in HeadBlock.blocks(of: predictions, rows: Self.headBlockRows) {
                let gathered = GatheredRows(block.rows, of: pass.output, norm: norm, epsilon: configuration.normEpsilon)
                let logits = Matrix(rows: block.rows.count, columns: vocabulary.rows)
                GEMM.multiply(gathered.normed, vocabulary, into: logits, transposeB: true)
                let logSumExp = FloatBuffer(count: block.rows.count)
                let logProbability = FloatBuffer(count: block.rows.count)
                LogSoftmax.forward(logits, targets: block.targets, logSumExp: logSumExp, into: logProbability)
                values += logProbability.elements
                logSumExps += logSumExp.elements
            }
        }
        return TokenLogProbabilities(predictions: predictions, values: values, logSumExp: logSumExps)
    }

    /// Gradient of `Σ weight_i · log p_i` through head, final norm and trunk. Logits are computed a second time, block
    /// by block, rather than kept.
    ///
    /// - Parameter weights: dLoss / d(log p) of each prediction.
    package func backward(
        _ output: TokenLogProbabilities, weights: [Float], pass: TrunkPass, parameters: any ParameterSource,
        gradients: any GradientSink
    ) throws {
        precondition(weights.count == output.predictions.count, "one weight for each prediction")
        let outputGradient = Matrix(rows: pass.output.rows, columns: pass.output.columns)
        // Both are nil where the model is adapted: its head is frozen.
        let headGradients = gradients.gradients(group: headGroup)
        let vocabularyGradient =
            configuration.tiesEmbeddings ? gradients.gradients(group: 0).first : headGradients.dropFirst().first
        try withHeadParameters(parameters) { norm, vocabulary in
            for block in HeadBlock.blocks(of: output.predictions, rows: Self.headBlockRows) {
                let gathered = GatheredRows(block.rows, of: pass.output, norm: norm, epsilon: configuration.normEpsilon)
                let logits = Matrix(rows: block.rows.count, columns: vocabulary.rows)
                GEMM.multiply(gathered.normed, vocabulary, into: logits, transposeB: true)
                let logSumExp = FloatBuffer(count: block.rows.count)
                for (row, index) in block.range.enumerated() { logSumExp.elements[row] = output.logSumExp[index] }
                LogSoftmax.backward(
                    logits, targets: block.targets, logSumExp: logSumExp, rowScales: Array(weights[block.range]))
                if let vocabularyGradient {
                    GEMM.multiply(logits, gathered.normed, into: vocabularyGradient, transposeA: true, accumulate: true)
                }
                let normedGradient = Matrix(rows: block.rows.count, columns: pass.output.columns)
                GEMM.multiply(logits, vocabulary, into: normedGradient)
                gathered.backward(
                    normedGradient, norm: norm, normGradient: headGradients.first, addingTo: outputGradient)
            }
        }
        try gradients.finish(group: headGroup)
        try backward(pass, outputGradient: outputGradient, parameters: parameters, gradients: gradients)
    }

    /// Calls `body` with the final norm's weight and the `[vocabulary, hidden]` output matrix.
    private func withHeadParameters(_ parameters: any ParameterSource, _ body: (Matrix, Matrix) throws -> Void) throws {
        precondition(head == .languageModel, "this model has a scalar head")
        let headParameters = try parameters.acquire(group: headGroup)
        if configuration.tiesEmbeddings {
            try body(headParameters[0], parameters.acquire(group: 0)[0])
            parameters.release(group: 0)
        } else {
            try body(headParameters[0], headParameters[1])
        }
        parameters.release(group: headGroup)
    }
}

/// A run of predictions whose logits are formed together.
private struct HeadBlock {
    let range: Range<Int>
    let rows: [Int]
    let targets: [Int32]

    static func blocks(of predictions: [Prediction], rows: Int) -> [HeadBlock] {
        stride(from: 0, to: predictions.count, by: rows).map { start in
            let range = start..<min(start + rows, predictions.count)
            return HeadBlock(
                range: range, rows: predictions[range].map(\.row), targets: predictions[range].map(\.target))
        }
    }
}

/// Chosen rows of the trunk's output, through the final norm. A row may be chosen more than once.
struct GatheredRows {
    let rows: [Int]
    let inputs: Matrix
    let normed: Matrix
    let inverseRMS: FloatBuffer

    init(_ rows: [Int], of output: Matrix, norm: Matrix, epsilon: Float) {
        self.rows = rows
        inputs = Matrix(rows: rows.count, columns: output.columns)
        for (index, row) in rows.enumerated() { inputs.row(index).update(from: output.row(row), count: output.columns) }
        normed = Matrix(rows: rows.count, columns: output.columns)
        inverseRMS = FloatBuffer(count: rows.count)
        RMSNorm.forward(inputs, weight: norm, epsilon: epsilon, into: normed, inverseRMS: inverseRMS)
    }

    func backward(_ normedGradient: Matrix, norm: Matrix, normGradient: Matrix?, addingTo outputGradient: Matrix) {
        let inputGradient = Matrix(rows: rows.count, columns: inputs.columns)
        RMSNorm.backward(
            normedGradient, x: inputs, weight: norm, inverseRMS: inverseRMS, addingTo: inputGradient,
            weightGradient: normGradient)
        for (index, row) in rows.enumerated() {
            Vectors.add(inputGradient.row(index), to: outputGradient.row(row), count: inputs.columns)
        }
    }
}
