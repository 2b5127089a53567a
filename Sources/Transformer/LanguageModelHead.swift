import Tensors

/// Log-probabilities of chosen predictions; the vocabulary logits exist for one block of rows at a time.
package struct TokenLogProbabilities {
    package let predictions: [Prediction]
    /// `log p(target | context)` of each prediction.
    package let values: [Float]
    /// `log Σ exp` of each prediction's logits.
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
                let (_, logits) = block.logits(pass.output, norm, vocabulary)
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
        let headGradients = headLayers(gradients: gradients.gradients(group: .head))
        let vocabularyGradient =
            configuration.tiesEmbeddings
            ? embedding(gradients: gradients.gradients(group: .embedding)).weight : headGradients.vocabulary ?? nil
        try withHeadParameters(parameters) { norm, vocabulary in
            for block in HeadBlock.blocks(of: output.predictions, rows: Self.headBlockRows) {
                let (gathered, logits) = block.logits(pass.output, norm, vocabulary)
                let logSumExp = FloatBuffer(count: block.rows.count)
                for (row, index) in block.range.enumerated() { logSumExp.elements[row] = output.logSumExp[index] }
                LogSoftmax.backward(
                    logits, targets: block.targets, logSumExp: logSumExp, rowScales: Array(weights[block.range]))
                if let vocabularyGradient {
                    GEMM.multiply(logits, gathered.normed, into: vocabularyGradient, transposeA: true, accumulate: true)
                }
                let normedGradient = Matrix(rows: block.rows.count, columns: pass.output.columns)
                GEMM.multiply(logits, vocabulary, into: normedGradient)
                gathered.backward(normedGradient, norm: norm, into: headGradients.norm, addingTo: outputGradient)
            }
        }
        try gradients.finish(group: .head)
        try backward(pass, outputGradient: outputGradient, parameters: parameters, gradients: gradients)
    }

    /// Final norm and vocabulary logits of all rows, some rows at a time. Collective like `forward`.
    ///
    /// - Parameters:
    ///   - hidden: `[rows, hidden]`, the residual stream after the last block.
    ///   - items: how many rows follow each other that `body` must see together; no more than 128 rows where they allow.
    ///   - body: gets an item's logits `[rows, vocabulary]`, which it may change.
    package func forEachLogits(
        of hidden: Matrix, items: [Int], parameters: any ParameterSource,
        _ body: (_ item: Int, _ logits: Matrix) throws -> Void
    ) throws {
        precondition(items.reduce(0, +) == hidden.rows, "every row belongs to an item")
        try withHeadParameters(parameters) { norm, vocabulary in
            var (row, item) = (0, 0)
            while item < items.count {
                let first = item
                var count = 0
                repeat {
                    count += items[item]
                    item += 1
                } while item < items.count && count + items[item] <= Self.headBlockRows
                let logits = Matrix(rows: count, columns: vocabulary.rows)
                GEMM.multiply(
                    norm.forward(hidden.rows(row..<row + count)).0, vocabulary, into: logits, transposeB: true)
                var start = 0
                for own in first..<item {
                    try body(own, logits.rows(start..<start + items[own]))
                    start += items[own]
                }
                row += count
            }
        }
    }

    /// Calls `body` with the final norm and the `[vocabulary, hidden]` output matrix.
    private func withHeadParameters(
        _ parameters: any ParameterSource, _ body: (Norm<Matrix>, Matrix) throws -> Void
    ) throws {
        precondition(head == .languageModel, "this model has a scalar head")
        let layers = headLayers(try parameters.acquire(group: .head))
        defer { parameters.release(group: .head) }
        if let vocabulary = layers.vocabulary { return try body(layers.norm, vocabulary) }
        defer { parameters.release(group: .embedding) }
        try body(layers.norm, embedding(parameters.acquire(group: .embedding)).weight)
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

    func logits(_ output: Matrix, _ norm: Norm<Matrix>, _ vocabulary: Matrix) -> (GatheredRows, Matrix) {
        let gathered = GatheredRows(rows, of: output, norm: norm)
        let logits = Matrix(rows: rows.count, columns: vocabulary.rows)
        GEMM.multiply(gathered.normed, vocabulary, into: logits, transposeB: true)
        return (gathered, logits)
    }
}

/// Chosen rows of the trunk's output, through the final norm. A row may be chosen more than once.
struct GatheredRows {
    let rows: [Int]
    let inputs: Matrix
    let normed: Matrix
    let inverseRMS: InverseRMS

    init(_ rows: [Int], of output: Matrix, norm: Norm<Matrix>) {
        self.rows = rows
        inputs = Matrix(rows: rows.count, columns: output.columns)
        for (index, row) in rows.enumerated() { inputs.row(index).update(from: output.row(row), count: output.columns) }
        (normed, inverseRMS) = norm.forward(inputs)
    }

    func backward(
        _ normedGradient: Matrix, norm: Norm<Matrix>, into gradients: Norm<Matrix?>, addingTo outputGradient: Matrix
    ) {
        let inputGradient = Matrix(rows: rows.count, columns: inputs.columns)
        norm.backward(normedGradient, input: inputs, inverseRMS, addingTo: inputGradient, into: gradients)
        for (index, row) in rows.enumerated() {
            Vectors.add(inputGradient.row(index), to: outputGradient.row(row), count: inputs.columns)
        }
    }
}
