/// Token trees, and what is asked of the model at them.
package struct ForestRequest {
    package enum Outputs {
        /// Summed log-probability of each response, given as its token predictions.
        case logProbabilities([[Prediction]])
        /// The scalar head at each row.
        case scalars([Int])
    }

    package let forest: TokenForest
    package let outputs: Outputs

    package init(forest: TokenForest, outputs: Outputs) { (self.forest, self.outputs) = (forest, outputs) }

    /// Rows at which the head runs.
    package var headRows: Int {
        switch outputs {
        case .logProbabilities(let responses): responses.reduce(0) { $0 + $1.count }
        case .scalars(let rows): rows.count
        }
    }
}

extension TransformerModel {
    /// Log-probability sums or scalars of `request`, in its order.
    ///
    /// Collective over the ranks that share `parameters`: a rank without work asks nothing of an empty forest.
    /// - Throws: what `parameters` throws.
    package func outputs(of request: ForestRequest, parameters: any ParameterSource) throws -> [Double] {
        let pass = try forward(request.forest, parameters: parameters, keepingActivations: false)
        switch request.outputs {
        case .logProbabilities(let responses):
            let tokens = try logProbabilities(of: responses.flatMap { $0 }, in: pass, parameters: parameters)
            return Self.sums(tokens.values, over: responses)
        case .scalars(let rows):
            return try scalars(atRows: rows, in: pass, parameters: parameters).map(Double.init)
        }
    }

    /// Forward and backward. Collective like `outputs`.
    ///
    /// - Parameter slopes: dLoss / d(output) of each output, from the outputs.
    /// - Throws: what `parameters` and `gradients` throw.
    package func learn(
        _ request: ForestRequest, parameters: any ParameterSource, gradients: any GradientSink,
        slopes: ([Double]) -> [Double]
    ) throws {
        let pass = try forward(request.forest, parameters: parameters, keepingActivations: true)
        switch request.outputs {
        case .logProbabilities(let responses):
            let tokens = try logProbabilities(of: responses.flatMap { $0 }, in: pass, parameters: parameters)
            let slopes = slopes(Self.sums(tokens.values, over: responses))
            let weights = zip(responses, slopes).flatMap { predictions, slope in
                Array(repeating: Float(slope), count: predictions.count)
            }
            try backward(tokens, weights: weights, pass: pass, parameters: parameters, gradients: gradients)
        case .scalars(let rows):
            let scalars = try scalars(atRows: rows, in: pass, parameters: parameters)
            let slopes = slopes(scalars.map(Double.init))
            try backward(
                scalarsAtRows: rows, weights: slopes.map(Float.init), pass: pass, parameters: parameters,
                gradients: gradients)
        }
    }

    /// Token log-probabilities summed over each response in double precision.
    private static func sums(_ values: [Float], over responses: [[Prediction]]) -> [Double] {
        var start = 0
        return responses.map { predictions in
            defer { start += predictions.count }
            return values[start..<(start + predictions.count)].reduce(0.0) { $0 + Double($1) }
        }
    }
}
