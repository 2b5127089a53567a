import Tensors

extension TransformerModel {
    /// `score.weight · norm(hidden)` at each of `rows`, no bias. Collective like `forward`.
    package func scalars(atRows rows: [Int], in pass: TrunkPass, parameters: any ParameterSource) throws -> [Float] {
        let (norm, weight) = try acquireScalarHead(parameters)
        defer { parameters.release(group: .head) }
        let gathered = GatheredRows(rows, of: pass.output, norm: norm)
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
        let headGradients = headLayers(gradients: gradients.gradients(group: .head))
        guard let weightGradient = headGradients.scalar ?? nil else { preconditionFailure("a scalar head is trained") }
        let gathered = GatheredRows(rows, of: pass.output, norm: norm)
        let normedGradient = Matrix(rows: rows.count, columns: weight.columns)
        for (index, factor) in weights.enumerated() {
            Vectors.addScaledRow(weight.pointer, scale: factor, to: normedGradient.row(index), count: weight.columns)
            Vectors.addScaledRow(
                gathered.normed.row(index), scale: factor, to: weightGradient.pointer, count: weight.columns)
        }
        let outputGradient = Matrix(rows: pass.output.rows, columns: pass.output.columns)
        gathered.backward(normedGradient, norm: norm, into: headGradients.norm, addingTo: outputGradient)
        parameters.release(group: .head)
        try gradients.finish(group: .head)
        try backward(pass, outputGradient: outputGradient, parameters: parameters, gradients: gradients)
    }

    private func acquireScalarHead(_ parameters: any ParameterSource) throws -> (norm: Norm<Matrix>, weight: Matrix) {
        let layers = headLayers(try parameters.acquire(group: .head))
        guard let weight = layers.scalar else { preconditionFailure("this model has a language-model head") }
        return (layers.norm, weight)
    }
}
