import Configuration
import Parallel
import Tensors
import Transformer

/// AdamW over the own rows of every parameter (Loshchilov and Hutter 2019, algorithm 2): decoupled decay on matrices
/// only, epsilon outside the bias-corrected root. The moments exist for the own rows alone.
package final class ShardedAdamW {
    /// Packed like the own slices of the parameters, one buffer a group.
    package let firstMoments: [FloatBuffer]
    package let secondMoments: [FloatBuffer]
    private let settings: TrainingSettings
    /// Peak rate of each parameter relative to the body's.
    private let rateRatios: [Double]

    /// - Parameter headLearningRate: peak rate of `score.weight`; nil means the body's.
    package init(_ parameters: ShardedParameters, _ settings: TrainingSettings, headLearningRate: Double?) {
        self.settings = settings
        firstMoments = parameters.makePackedBuffers()
        secondMoments = parameters.makePackedBuffers()
        rateRatios = parameters.layout.specs.map { spec in
            guard spec.name == "score.weight", let headLearningRate else { return 1 }
            return headLearningRate / settings.learningRate
        }
    }

    /// Bytes of both moments.
    package var allocatedBytes: Int {
        (firstMoments + secondMoments).reduce(0) { $0 + $1.count } * MemoryLayout<Float>.stride
    }

    /// Updates a group's own rows in place.
    ///
    /// - Parameters:
    ///   - gradient: packed own rows of the group.
    ///   - gradientScale: the clipping factor.
    ///   - learningRate: the body's rate at this step.
    ///   - update: counted from 1, for the bias correction.
    package func step(
        _ parameters: ShardedParameters, group: Int, gradient: FloatBuffer, gradientScale: Double,
        learningRate: Double, update: Int
    ) {
        for index in parameters.layout.groups[group] {
            let spec = parameters.layout.specs[index]
            let slice = parameters.slice(index)
            guard slice.rows > 0 else { continue }
            AdamW.step(
                parameters: slice.pointer, gradients: gradient.pointer + slice.offset,
                firstMoment: firstMoments[group].pointer + slice.offset,
                secondMoment: secondMoments[group].pointer + slice.offset, count: slice.rows * slice.columns,
                AdamWParameters(
                    beta1: Float(settings.beta1), beta2: Float(settings.beta2), epsilon: Float(settings.epsilon),
                    learningRate: Float(learningRate * rateRatios[index]),
                    weightDecay: spec.isMatrix ? Float(settings.weightDecay) : 0, step: update,
                    gradientScale: Float(gradientScale)))
        }
    }
}
