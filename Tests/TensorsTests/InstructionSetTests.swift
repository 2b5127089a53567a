import Diagnostics
import Foundation
import Testing

@testable import Tensors

extension TensorsTests {
    @Suite struct InstructionSetTests {
        /// Results of kernels of every kind, on rows with tails.
        private func results(_ instructionSet: InstructionSet) throws -> [Matrix] {
            var results: [Matrix] = []
            try using(instructionSet) {
                let (rows, columns) = (5, 147)
                let (x, weight) = (guardedMatrix(rows, columns, stream: 1), guardedMatrix(1, columns, stream: 2))
                let (y, out, inverse) = (x.duplicate(), x.duplicate(), FloatBuffer(count: rows))
                RMSNorm.forward(x, weight: weight, epsilon: 1e-6, into: y, inverseRMS: inverse)
                GatedActivation.swiglu.forward(gate: x, up: y, into: out)
                let (dx, dWeight) = (x.duplicate(), weight.duplicate())
                RMSNorm.backward(out, x: x, weight: weight, inverseRMS: inverse, addingTo: dx, weightGradient: dWeight)
                let (dGate, dUp) = (x.duplicate(), x.duplicate())
                GatedActivation.swiglu.backward(x, gate: y, up: out, gateGradient: dGate, upGradient: dUp)
                let (probabilities, normalizers) = (x.duplicate(), FloatBuffer(count: rows))
                CausalSoftmax.forward(
                    probabilities, scale: 0.3, visibleToFirst: 100, logSumExp: normalizers.pointer, logSumExpStride: 1)
                let dots = Matrix(rows: 1, columns: rows)
                for row in 0..<rows { dots[0, row] = Vectors.dot(x.row(row), y.row(row), count: columns) }
                let (product, dGeGate, dGeUp) = (x.duplicate(), x.duplicate(), x.duplicate())
                GatedActivation.geglu.forward(gate: x, up: y, into: product)
                GatedActivation.geglu.backward(x, gate: y, up: out, gateGradient: dGeGate, upGradient: dGeUp)
                results = [y, out, dx, dWeight, dGate, dUp, probabilities, dots, product, dGeGate, dGeUp]
                results.append(Matrix(normalizers, rows: 1, columns: rows))
            }
            return results
        }

        @Test func allInstructionSetsAgree() throws {
            let baseline = try results(.baseline)
            for instructionSet in InstructionSet.available {
                for (a, b) in zip(try results(instructionSet), baseline) {
                    #expect(deviation(a.values, b.values) < 5e-6)
                }
            }
        }

        @Test func vectorInstructionSetsGiveTheSameBits() throws {
            let fused = InstructionSet.available.filter { $0 != .baseline }
            guard fused.count == 2 else { return print("skipped: this processor lacks AVX2 or AVX-512") }
            for (a, b) in zip(try results(fused[0]), try results(fused[1])) { #expect(a.bits == b.bits) }
        }

        /// An element alone, computed as a row of one, has the bits it has inside a row.
        @Test(arguments: InstructionSet.available)
        func elementWiseBitsDoNotDependOnPlace(_ instructionSet: InstructionSet) throws {
            try using(instructionSet) {
                let columns = 77
                let (gate, up) = (guardedMatrix(1, columns, stream: 1, scale: 4), guardedMatrix(1, columns, stream: 2))
                func computed(_ range: Range<Int>) -> [UInt32] {
                    let (gate, up) = (gate.columns(range), up.columns(range))
                    let outputs = (0..<4).map { _ in Matrix(rows: 1, columns: range.count) }
                    GatedActivation.swiglu.forward(gate: gate, up: up, into: outputs[0])
                    GatedActivation.swiglu.backward(
                        up, gate: gate, up: up, gateGradient: outputs[1], upGradient: outputs[2])
                    Vectors.addScaledRow(gate.pointer, scale: 0.7, to: outputs[3].pointer, count: range.count)
                    let exponential = gate.duplicate()
                    var shift: Float = 0.1
                    CausalSoftmax.recompute(
                        exponential, scale: 0.9, visibleToFirst: range.count, logSumExp: &shift, logSumExpStride: 1)
                    return (outputs + [exponential]).flatMap(\.bits)
                }
                let whole = computed(0..<columns)
                for column in 0..<columns {
                    let alone = computed(column..<(column + 1))
                    #expect(alone == (0..<5).map { whole[$0 * columns + column] })
                }
            }
        }

        @Test func environmentVariable() throws {
            let saved = ProcessInfo.processInfo.environment["RDO_ISA"]
            defer { if let saved { setenv("RDO_ISA", saved, 1) } else { unsetenv("RDO_ISA") } }
            setenv("RDO_ISA", "baseline", 1)
            #expect(InstructionSet.preferred == .baseline)
            try InstructionSet.validateEnvironment()
            unsetenv("RDO_ISA")
            #expect(InstructionSet.preferred == InstructionSet.available.last)
            try InstructionSet.validateEnvironment()
            setenv("RDO_ISA", "avx1024", 1)
            #expect(throws: RDOError.self) { try InstructionSet.validateEnvironment() }
        }
    }
}
