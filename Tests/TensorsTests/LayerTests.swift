import Foundation
import Testing

@testable import Tensors

extension TensorsTests {
    @Suite struct RMSNormTests {
        private let epsilon = 1e-5

        private func reference(_ x: [Double], _ weight: [Double]) -> [Double] {
            let columns = weight.count
            return stride(from: 0, to: x.count, by: columns).flatMap { start in
                let row = x[start..<(start + columns)]
                let rms = (row.reduce(0) { $0 + $1 * $1 } / Double(columns) + epsilon).squareRoot()
                return zip(row, weight).map { $0 / rms * $1 }
            }
        }

        @Test(arguments: InstructionSet.available)
        func forward(_ instructionSet: InstructionSet) throws {
            try using(instructionSet) {
                for columns in lengths + [4096] {
                    let x = guardedMatrix(3, columns, stream: 1, scale: 3)
                    let weight = guardedMatrix(1, columns, stream: 2)
                    let y = guardedMatrix(3, columns, stream: 3)
                    let inverseRMS = FloatBuffer(count: 3)
                    RMSNorm.forward(x, weight: weight, epsilon: Float(epsilon), into: y, inverseRMS: inverseRMS)
                    #expect(deviation(y.values, reference(x.values, weight.values)) < 2e-6)
                    #expect(y.guardIsIntact)
                    let meanSquare = Vectors.sumOfSquares(x.row(2), count: columns) / Double(columns)
                    let expected = 1 / (meanSquare + epsilon).squareRoot()
                    #expect(abs(Double(inverseRMS.pointer[2]) / expected - 1) < 1e-6)
                }
            }
        }

        @Test(arguments: InstructionSet.available)
        func backward(_ instructionSet: InstructionSet) throws {
            try using(instructionSet) {
                for columns in lengths {
                    let x = guardedMatrix(3, columns, stream: 1)
                    let weight = guardedMatrix(1, columns, stream: 2)
                    let dy = guardedMatrix(3, columns, stream: 3)
                    let y = Matrix(rows: 3, columns: columns)
                    let inverseRMS = FloatBuffer(count: 3)
                    RMSNorm.forward(x, weight: weight, epsilon: Float(epsilon), into: y, inverseRMS: inverseRMS)
                    let (dx, dWeight) = (guardedMatrix(3, columns, stream: 4), guardedMatrix(1, columns, stream: 5))
                    let (dxBefore, dWeightBefore) = (dx.values, dWeight.values)
                    RMSNorm.backward(
                        dy, x: x, weight: weight, inverseRMS: inverseRMS, addingTo: dx, weightGradient: dWeight)
                    let dxExpected = numericalGradient(at: x.values) {
                        inner(reference($0, weight.values), dy.values)
                    }
                    let dWeightExpected = numericalGradient(at: weight.values) {
                        inner(reference(x.values, $0), dy.values)
                    }
                    #expect(deviation(zip(dx.values, dxBefore).map { $0 - $1 }, dxExpected) < 2e-5)
                    #expect(deviation(zip(dWeight.values, dWeightBefore).map { $0 - $1 }, dWeightExpected) < 1e-5)
                    #expect(dx.guardIsIntact && dWeight.guardIsIntact)

                    let alone = Matrix(rows: 3, columns: columns)
                    RMSNorm.backward(
                        dy, x: x, weight: weight, inverseRMS: inverseRMS, addingTo: alone, weightGradient: nil)
                    #expect(deviation(alone.values, dxExpected) < 2e-5)
                }
            }
        }
    }

    @Suite struct RotaryTests {
        @Test(arguments: InstructionSet.available, [2, 6, 32, 64, 66])
        func rotatesHalvesAndBack(_ instructionSet: InstructionSet, headSize: Int) throws {
            try using(instructionSet) {
                let (tokens, heads, half) = (4, 3, headSize / 2)
                let x = guardedMatrix(tokens, heads * headSize, stream: 1)
                let before = x.values
                let (cosines, sines) = (guardedMatrix(tokens, half, stream: 2), guardedMatrix(tokens, half, stream: 2))
                for token in 0..<tokens {
                    for column in 0..<half {
                        let angle = Float(token) * Float(column + 1) * 0.37
                        (cosines[token, column], sines[token, column]) = (cos(angle), sin(angle))
                    }
                }
                var expected = before
                for token in 0..<tokens {
                    for head in 0..<heads {
                        for i in 0..<half {
                            let first = (token * heads + head) * headSize + i
                            let (c, s) = (Double(cosines[token, i]), Double(sines[token, i]))
                            expected[first] = before[first] * c - before[first + half] * s
                            expected[first + half] = before[first + half] * c + before[first] * s
                        }
                    }
                }
                Rotary.apply(to: x, headSize: headSize, cosines: cosines, sines: sines, inverse: false)
                #expect(deviation(x.values, expected) < 1e-6)
                Rotary.apply(to: x, headSize: headSize, cosines: cosines, sines: sines, inverse: true)
                #expect(deviation(x.values, before) < 1e-6)
                #expect(x.guardIsIntact)
            }
        }
    }

    @Suite struct GatedActivationTests {
        private func reference(_ activation: GatedActivation, _ gate: [Double], _ up: [Double]) -> [Double] {
            zip(gate, up).map { g, u in
                switch activation {
                case .swiglu: g / (1 + exp(-g)) * u
                case .geglu: 0.5 * g * (1 + tanh((2 / Double.pi).squareRoot() * (g + 0.044715 * g * g * g))) * u
                }
            }
        }

        @Test(arguments: InstructionSet.available, GatedActivation.allCases)
        func forwardAndBackward(_ instructionSet: InstructionSet, _ activation: GatedActivation) throws {
            try using(instructionSet) {
                for columns in lengths {
                    let gate = guardedMatrix(2, columns, stream: 1, scale: 3)
                    let up = guardedMatrix(2, columns, stream: 2)
                    let out = guardedMatrix(2, columns, stream: 3)
                    activation.forward(gate: gate, up: up, into: out)
                    #expect(deviation(out.values, reference(activation, gate.values, up.values)) < 1e-6)

                    let dOut = guardedMatrix(2, columns, stream: 4)
                    let gateExpected = numericalGradient(at: gate.values) {
                        inner(reference(activation, $0, up.values), dOut.values)
                    }
                    let upExpected = numericalGradient(at: up.values) {
                        inner(reference(activation, gate.values, $0), dOut.values)
                    }
                    // In place: the gradients replace the inputs.
                    activation.backward(dOut, gate: gate, up: up, gateGradient: gate, upGradient: up)
                    #expect(deviation(gate.values, gateExpected) < 2e-6)
                    #expect(deviation(up.values, upExpected) < 2e-6)
                    #expect(out.guardIsIntact && gate.guardIsIntact && up.guardIsIntact)
                }
            }
        }

        @Test(arguments: InstructionSet.available, GatedActivation.allCases)
        func largeGatesStayFinite(_ instructionSet: InstructionSet, _ activation: GatedActivation) throws {
            try using(instructionSet) {
                let gate = Matrix(rows: 1, columns: 4)
                for (column, value) in [Float(-1000), -90, 90, 1000].enumerated() { gate[0, column] = value }
                let ones = Matrix(rows: 1, columns: 4)
                ones.fill(1)
                let (out, dGate, dUp) = (gate.duplicate(), gate.duplicate(), gate.duplicate())
                activation.forward(gate: gate, up: ones, into: out)
                activation.backward(ones, gate: gate, up: ones, gateGradient: dGate, upGradient: dUp)
                #expect(deviation(out.values, [0, 0, 90, 1000]) < 1e-6)
                #expect(deviation(dGate.values, [0, 0, 1, 1]) < 1e-6)
                #expect(deviation(dUp.values, [0, 0, 90, 1000]) < 1e-6)
            }
        }
    }
}
