import Parallel
import Settings
import Tensors
import Transformer

/// AdamW over the own rows of every parameter (Loshchilov and Hutter 2019, algorithm 2): decoupled decay on matrices
/// only, epsilon outside the bias-corrected root. The moments exist for the own rows alone.
///
/// `@unchecked Sendable`: a group is updated once a step, by the communication thread or after it is done with it.
package final class ShardedAdamW: @unchecked Sendable {
    /// Packed like the own slices of the parameters, one buffer a group.
    package let firstMoments: [FloatBuffer]
    package let secondMoments: [FloatBuffer]
    private let parameters: ShardedParameters
    private let settings: TrainingSettings
    private let rates: LearningRates

    package init(_ parameters: ShardedParameters, _ settings: TrainingSettings, rates: LearningRates) {
        (self.parameters, self.settings, self.rates) = (parameters, settings, rates)
        firstMoments = parameters.makePackedBuffers()
        secondMoments = parameters.makePackedBuffers()
    }

    /// Bytes of both moments.
    package var allocatedBytes: Int {
        (firstMoments + secondMoments).reduce(0) { $0 + $1.count } * MemoryLayout<Float>.stride
    }

    /// Updates a group's own rows in place.
    ///
    /// - Parameters:
    ///   - gradient: packed own rows of the group.
    ///   - scale: the clipping factor.
    ///   - step: counted from 0; the bias correction counts updates from 1.
    package func update(group: Int, gradient: FloatBuffer, scale: Double, step: Int) {
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
                    learningRate: Float(rates.rate(step: step, of: spec)),
                    weightDecay: spec.isMatrix ? Float(settings.weightDecay) : 0, step: step + 1,
                    gradientScale: Float(scale)))
        }
    }
}
