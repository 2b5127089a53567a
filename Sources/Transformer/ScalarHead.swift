import Tensors

extension TransformerModel {
    /// `score.weight · norm(hidden)` at each of `rows`, no bias. Collective like `forward`.
    package func scalars(atRows rows: [Int], in pass: TrunkPass, parameters: any ParameterSource) throws -> [Float] {
        let (norm, weight) = try acquireScalarHead(parameters)
        defer { parameters.release(group: headGroup) }
        let gathered = GatheredRows(rows, of: pass.output, norm: norm, epsilon: configuration.normEpsilon)
        return rows.indices.map { Vectors.dot(gathered.normed.row($0), weight.pointer, count: weight.columns) }
    }

    /// Gradient of `Σ weights_i · scalar_i` through head, final norm and trunk.
    ///
    /// - Parameter weights: dLoss / d(scalar) at each of `rows`.
    package func backward(
        scalarsAtRows rows: [Int], weights: [Float], pass: TrunkPass, parameters: any ParameterSource,
        gradients: any GradientSink
    ) throws {
        precondition(weights.count == rows.count, "one weight for each scalar")
        let (norm, weight) = try acquireScalarHead(parameters)
        // Where the model is adapted, `score.weight` alone is trained.
        let headGradients = gradients.gradients(group: headGroup)
        let (normGradient, weightGradient) = (
            adaptation == nil ? headGradients[0] : nil, headGradients[headGradients.count - 1]
        )
        let gathered = GatheredRows(rows, of: pass.output, norm: norm, epsilon: configuration.normEpsilon)
        let normedGradient = Matrix(rows: rows.count, columns: weight.columns)
        for (index, factor) in weights.enumerated() {
            Vectors.addScaledRow(weight.pointer, scale: factor, to: normedGradient.row(index), count: weight.columns)
            Vectors.addScaledRow(
                gathered.normed.row(index), scale: factor, to: weightGradient.pointer, count: weight.columns)
        }
        let outputGradient = Matrix(rows: pass.output.rows, columns: pass.output.columns)
        gathered.backward(normedGradient, norm: norm, normGradient: normGradient, addingTo: outputGradient)
        parameters.release(group: headGroup)
        try gradients.finish(group: headGroup)
        try backward(pass, outputGradient: outputGradient, parameters: parameters, gradients: gradients)
    }

    private func acquireScalarHead(_ parameters: any ParameterSource) throws -> (norm: Matrix, weight: Matrix) {
        precondition(head == .scalar, "this model has a language-model head")
        let matrices = try parameters.acquire(group: headGroup)
        // The last one: the trained head of an adapted model stands behind the frozen one.
        return (matrices[0], matrices[matrices.count - 1])
    }
}
