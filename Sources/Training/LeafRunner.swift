import Parallel
import Transformer

/// Runs one leaf: trees in, loss and gradients out.
struct LeafRunner {
    let model: TransformerModel
    let parameters: any ParameterSource

    /// Forward and, when `gradients` is given, backward.
    ///
    /// Collective over the ranks that share the parameters: a rank without samples runs an empty leaf.
    func run(
        _ request: LeafRequest, gradients: (any GradientSink)?, loss: ([Double]) -> LeafLoss
    ) throws -> LeafLoss {
        let pass = try model.forward(request.forest, parameters: parameters, keepingActivations: gradients != nil)
        switch request.outputs {
        case .logProbabilities(let responses):
            let tokens = try model.logProbabilities(of: responses.flatMap { $0 }, in: pass, parameters: parameters)
            let result = loss(Self.sums(tokens.values, over: responses))
            if let gradients {
                let weights = zip(responses, result.gradients).flatMap { predictions, gradient in
                    Array(repeating: Float(gradient), count: predictions.count)
                }
                try model.backward(tokens, weights: weights, pass: pass, parameters: parameters, gradients: gradients)
            }
            return result
        case .scalars(let rows):
            let scalars = try model.scalars(atRows: rows, in: pass, parameters: parameters)
            let result = loss(scalars.map(Double.init))
            if let gradients {
                try model.backward(
                    scalarsAtRows: rows, weights: result.gradients.map(Float.init), pass: pass, parameters: parameters,
                    gradients: gradients)
            }
            return result
        }
    }

    /// Token log-probabilities summed over each response in double precision.
    static func sums(_ values: [Float], over responses: [[Prediction]]) -> [Double] {
        var start = 0
        return responses.map { predictions in
            defer { start += predictions.count }
            return values[start..<(start + predictions.count)].reduce(0.0) { $0 + Double($1) }
        }
    }
}

/// Forward passes outside training: outputs of many requests, with the parameters gathered once.
package struct ForwardRunner {
    private let runner: LeafRunner

    package init(model: TransformerModel, parameters: any ParameterSource) {
        runner = LeafRunner(model: model, parameters: parameters)
    }

    /// Log-probability sums or scalars of `request`, in its order. Collective like `TransformerModel.forward`.
    package func outputs(of request: LeafRequest) throws -> [Double] {
        var outputs: [Double] = []
        _ = try runner.run(request, gradients: nil) {
            outputs = $0
            return LeafLoss(gradients: [], sums: [])
        }
        return outputs
    }
}
