import CKernels
import Foundation

/// Hyper-parameters of one optimizer step.
public struct AdamWParameters: Sendable, Equatable {
    public var beta1: Float
    public var beta2: Float
    public var epsilon: Float
    public var learningRate: Float
    /// 0 for parameters that do not decay.
    public var weightDecay: Float
    /// Counts from 1.
    public var step: Int
    /// Gradients are multiplied by this first: clipping, or 1.
    public var gradientScale: Float

    public init(
        beta1: Float, beta2: Float, epsilon: Float, learningRate: Float, weightDecay: Float, step: Int,
        gradientScale: Float
    ) {
        (self.beta1, self.beta2, self.epsilon, self.learningRate) = (beta1, beta2, epsilon, learningRate)
        (self.weightDecay, self.step, self.gradientScale) = (weightDecay, step, gradientScale)
    }
}

/// AdamW with decoupled weight decay (Loshchilov and Hutter, 2019), epsilon outside the bias-corrected root.
public enum AdamW {
    /// Updates parameters and both moments in place: with `g = gradientScale · gradient`,
    ///
    ///     m = beta1 m + (1 - beta1) g          m̂ = m / (1 - beta1^step)
    ///     v = beta2 v + (1 - beta2) g²         v̂ = v / (1 - beta2^step)
    ///     p = p - learningRate (weightDecay p + m̂ / (√v̂ + epsilon))
    ///
    /// An element's bits do not depend on how the parameters are cut into slices.
    public static func step(
        parameters: UnsafeMutablePointer<Float>, gradients: UnsafePointer<Float>,
        firstMoment: UnsafeMutablePointer<Float>, secondMoment: UnsafeMutablePointer<Float>, count: Int,
        _ p: AdamWParameters
    ) {
        precondition(p.step >= 1, "optimizer steps count from 1")
        let correction1 = 1 - pow(Double(p.beta1), Double(p.step))
        let correction2 = 1 - pow(Double(p.beta2), Double(p.step))
        var constants = rdo_adamw(
            beta1: p.beta1, one_minus_beta1: 1 - p.beta1, beta2: p.beta2, one_minus_beta2: 1 - p.beta2,
            step_size: Float(Double(p.learningRate) / correction1),
            root_correction: Float(1 / correction2.squareRoot()),
            epsilon: p.epsilon, decay: p.learningRate * p.weightDecay, gradient_scale: p.gradientScale)
        Kernels.call.adamw(parameters, gradients, firstMoment, secondMoment, count, &constants)
    }
}
