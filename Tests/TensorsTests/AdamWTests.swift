import Foundation
import Testing

@testable import Tensors

/// Parameters and optimizer state of one tensor.
private struct State: Equatable {
    var parameters: [Float]
    var first: [Float]
    var second: [Float]

    init(count: Int) {
        parameters = normals(count, stream: 1)
        first = Array(repeating: 0, count: count)
        second = Array(repeating: 0, count: count)
    }

    mutating func step(_ gradients: [Float], slices: [Range<Int>], _ hyper: AdamWParameters) {
        parameters.withUnsafeMutableBufferPointer { p in
            first.withUnsafeMutableBufferPointer { m in
                second.withUnsafeMutableBufferPointer { v in
                    gradients.withUnsafeBufferPointer { g in
                        guard let p = p.baseAddress, let g = g.baseAddress, let m = m.baseAddress,
                            let v = v.baseAddress
                        else { return }
                        for slice in slices {
                            let start = slice.lowerBound
                            AdamW.step(
                                parameters: p + start, gradients: g + start, firstMoment: m + start,
                                secondMoment: v + start, count: slice.count, hyper)
                        }
                    }
                }
            }
        }
    }
}

private func hyperParameters(step: Int) -> AdamWParameters {
    AdamWParameters(
        beta1: 0.9, beta2: 0.999, epsilon: 1e-8, learningRate: 1e-2, weightDecay: 0.1, step: step, gradientScale: 0.7)
}

extension TensorsTests {
    @Suite struct AdamWTests {
        @Test(arguments: InstructionSet.available)
        func equalsDoublePrecision(_ instructionSet: InstructionSet) throws {
            try using(instructionSet) {
                for count in lengths {
                    var state = State(count: count)
                    var p = state.parameters.map(Double.init)
                    var (m, v) = (p.map { _ in 0.0 }, p.map { _ in 0.0 })
                    for step in 1...20 {
                        let hyper = hyperParameters(step: step)
                        let gradients = normals(count, stream: UInt64(step + 1))
                        state.step(gradients, slices: [0..<count], hyper)
                        let (beta1, beta2) = (Double(hyper.beta1), Double(hyper.beta2))
                        let rate = Double(hyper.learningRate)
                        for i in 0..<count {
                            let g = Double(gradients[i]) * Double(hyper.gradientScale)
                            m[i] = beta1 * m[i] + (1 - beta1) * g
                            v[i] = beta2 * v[i] + (1 - beta2) * g * g
                            p[i] -= rate * Double(hyper.weightDecay) * p[i]
                            p[i] -=
                                rate * (m[i] / (1 - pow(beta1, Double(step))))
                                / ((v[i] / (1 - pow(beta2, Double(step)))).squareRoot() + Double(hyper.epsilon))
                        }
                    }
                    #expect(deviation(state.parameters.map(Double.init), p) < 2e-6)
                    #expect(deviation(state.first.map(Double.init), m) < 1e-6)
                    #expect(deviation(state.second.map(Double.init), v) < 1e-6)
                }
            }
        }

        /// A rank that owns other slices must compute the same weights.
        @Test(arguments: InstructionSet.available)
        func bitsDoNotDependOnSlices(_ instructionSet: InstructionSet) throws {
            try using(instructionSet) {
                let count = 1003
                func trained(_ cuts: [Int]) -> State {
                    let bounds = [0] + cuts + [count]
                    let slices = zip(bounds, bounds.dropFirst()).map { $0..<$1 }
                    var state = State(count: count)
                    for step in 1...5 {
                        state.step(
                            normals(count, stream: UInt64(step + 1)), slices: slices, hyperParameters(step: step))
                    }
                    return state
                }
                let whole = trained([])
                for cuts in [[1], [16], [333, 667], Array(1..<count), [15, 31, 500, 501]] {
                    #expect(trained(cuts) == whole)
                }
            }
        }

        @Test func zeroGradientAndNoDecayChangeNothing() {
            var state = State(count: 20)
            var hyper = hyperParameters(step: 1)
            hyper.weightDecay = 0
            state.step(Array(repeating: 0, count: 20), slices: [0..<20], hyper)
            #expect(state == State(count: 20))
        }
    }
}
