import Testing

@testable import Tensors

extension TensorsTests {
    @Suite struct VectorsTests {
        @Test(arguments: InstructionSet.available)
        func sumsAndProducts(_ instructionSet: InstructionSet) throws {
            try using(instructionSet) {
                for columns in lengths {
                    let (a, b) = (guardedMatrix(3, columns, stream: 1), guardedMatrix(3, columns, stream: 2))
                    let bias = guardedMatrix(1, columns, stream: 3)

                    let added = b.duplicate()
                    Vectors.add(a, to: added)
                    #expect(deviation(added.values, zip(a.values, b.values).map { $0 + $1 }) < 1e-7)

                    let summed = guardedMatrix(1, columns, stream: 4)
                    Vectors.sum(a.pointer, b.pointer, into: summed.pointer, count: columns)
                    #expect(summed.bits == added.rows(0..<1).bits)

                    let scaled = a.duplicate()
                    Vectors.scale(scaled, by: -2.5)
                    #expect(deviation(scaled.values, a.values.map { -2.5 * $0 }) < 1e-7)

                    let biased = a.duplicate()
                    Vectors.addBias(bias, to: biased)
                    let expected = a.values.enumerated().map { $1 + bias.values[$0 % columns] }
                    #expect(deviation(biased.values, expected) < 1e-7)

                    let columnSums = bias.duplicate()
                    Vectors.addColumnSums(of: a, to: columnSums)
                    let sums = (0..<columns).map { column in
                        bias.values[column] + (0..<3).reduce(0) { $0 + Double(a[$1, column]) }
                    }
                    #expect(deviation(columnSums.values, sums) < 1e-6)

                    let row = bias.duplicate()
                    Vectors.addScaledRow(a.pointer, scale: 0.3, to: row.pointer, count: columns)
                    let rowExpected = (0..<columns).map { bias.values[$0] + Double(Float(0.3)) * a.values[$0] }
                    #expect(deviation(row.values, rowExpected) < 1e-6)

                    for result in [added, summed, scaled, biased, columnSums, row] { #expect(result.guardIsIntact) }
                }
            }
        }

        @Test(arguments: InstructionSet.available)
        func reductions(_ instructionSet: InstructionSet) throws {
            try using(instructionSet) {
                for count in lengths + [0, 10_007] {
                    let (a, b) = (normals(count, stream: 1), normals(count, stream: 2))
                    let dot = inner(a.map(Double.init), b.map(Double.init))
                    #expect(
                        abs(Double(Vectors.dot(a, b, count: count)) - dot) < 1e-5 * (1 + Double(count).squareRoot()))
                    let squares = inner(a.map(Double.init), a.map(Double.init))
                    #expect(abs(Vectors.sumOfSquares(a, count: count) - squares) <= 1e-12 * squares)
                }
            }
        }

        @Test(arguments: InstructionSet.available)
        func reductionsIgnoreAlignment(_ instructionSet: InstructionSet) throws {
            try using(instructionSet) {
                let count = 1001
                let buffer = FloatBuffer(count: count + 32)
                let values = normals(count, stream: 1)
                var results: Set<[UInt64]> = []
                for offset in 0..<17 {
                    let start = buffer.pointer + offset
                    start.update(from: values, count: count)
                    results.insert([
                        UInt64(Vectors.dot(start, start, count: count).bitPattern),
                        Vectors.sumOfSquares(start, count: count).bitPattern,
                    ])
                }
                #expect(results.count == 1)
            }
        }

        @Test func emptyMatrices() {
            let empty = Matrix(rows: 0, columns: 8)
            let row = Matrix(rows: 1, columns: 8)
            let none = FloatBuffer(count: 0)
            Vectors.add(empty, to: empty)
            Vectors.scale(empty, by: 2)
            Vectors.addBias(row, to: empty)
            Vectors.addColumnSums(of: empty, to: row)
            RMSNorm.forward(empty, weight: row, epsilon: 1, into: empty, inverseRMS: none)
            RMSNorm.backward(empty, x: empty, weight: row, inverseRMS: none, addingTo: empty, weightGradient: row)
            GatedActivation.swiglu.forward(gate: empty, up: empty, into: empty)
            LogSoftmax.forward(empty, targets: [], logSumExp: none, into: none)
            CausalSoftmax.forward(
                empty, scale: 1, visibleToFirst: 1, logSumExp: none.pointer, logSumExpStride: 1)
            let angles = Matrix(rows: 0, columns: 2)
            Rotary.apply(to: empty, headSize: 4, cosines: angles, sines: angles, inverse: false)
            #expect(row.values == Array(repeating: 0, count: 8))
        }
    }
}
