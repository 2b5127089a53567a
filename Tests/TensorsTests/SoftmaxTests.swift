import Foundation
import Testing

@testable import Tensors

private func logSumExp(_ x: ArraySlice<Double>) -> Double {
    let highest = x.max() ?? 0
    return highest + log(x.reduce(0) { $0 + exp($1 - highest) })
}

extension TensorsTests {
    @Suite struct CausalSoftmaxTests {
        private let scale = 0.125

        /// Row-major probabilities, zero beyond the visible columns.
        private func reference(_ scores: [Double], columns: Int, visibleToFirst: Int, window: Int = .max) -> [Double] {
            scores.indices.map { index in
                let (row, column) = index.quotientAndRemainder(dividingBy: columns)
                let visible = min(visibleToFirst + row, columns)
                let first = max(0, visible - window)
                guard (first..<visible).contains(column) else { return 0 }
                let seen = scores[(row * columns + first)..<(row * columns + visible)].map { scale * $0 }
                return exp(scale * scores[index] - logSumExp(seen[...]))
            }
        }

        @Test(arguments: InstructionSet.available)
        func forwardRecomputeBackward(_ instructionSet: InstructionSet) throws {
            try using(instructionSet) {
                for (rows, visibleToFirst) in [(1, 1), (5, 1), (4, 14), (3, 16), (7, 61), (2, 130)] {
                    let columns = visibleToFirst + rows - 1
                    let scores = guardedMatrix(rows, columns, stream: 1, scale: 20)
                    let again = scores.duplicate()
                    let input = scores.values
                    let expected = reference(input, columns: columns, visibleToFirst: visibleToFirst)
                    let normalizers = guardedMatrix(rows, 3, stream: 2)
                    CausalSoftmax.forward(
                        scores, scale: Float(scale), visibleToFirst: visibleToFirst, logSumExp: normalizers.pointer + 1,
                        logSumExpStride: normalizers.stride)
                    #expect(deviation(scores.values, expected) < 1e-6)
                    for row in 0..<rows {
                        let seen = input[(row * columns)..<(row * columns + visibleToFirst + row)].map { scale * $0 }
                        #expect(abs(Double(normalizers[row, 1]) - logSumExp(seen[...])) < 2e-6)
                    }
                    CausalSoftmax.recompute(
                        again, scale: Float(scale), visibleToFirst: visibleToFirst, logSumExp: normalizers.pointer + 1,
                        logSumExpStride: normalizers.stride)
                    #expect(deviation(again.values, expected) < 2e-6)

                    let gradient = guardedMatrix(rows, columns, stream: 3)
                    let upstream = gradient.values
                    let rowDots = (0..<rows).map { row in
                        Vectors.dot(scores.row(row), gradient.row(row), count: columns)
                    }
                    let gradientExpected = numericalGradient(at: input) {
                        inner(reference($0, columns: columns, visibleToFirst: visibleToFirst), upstream)
                    }
                    CausalSoftmax.backward(
                        scores, dProbabilities: gradient, rowDots: rowDots, rowDotsStride: 1, scale: Float(scale),
                        visibleToFirst: visibleToFirst)
                    #expect(deviation(gradient.values, gradientExpected) < 1e-6)
                    #expect(scores.guardIsIntact && again.guardIsIntact && gradient.guardIsIntact)
                    #expect(normalizers.guardIsIntact)
                }
            }
        }

        @Test(arguments: [1, 3, 8, 100])
        func aWindowHidesWhatIsFarBack(_ window: Int) {
            let (rows, visibleToFirst) = (6, 5)
            let columns = visibleToFirst + rows - 1
            let scores = guardedMatrix(rows, columns, stream: 1, scale: 20)
            let (input, again) = (scores.values, scores.duplicate())
            func expected(_ scores: [Double]) -> [Double] {
                reference(scores, columns: columns, visibleToFirst: visibleToFirst, window: window)
            }
            let normalizers = FloatBuffer(count: rows)
            CausalSoftmax.forward(
                scores, scale: Float(scale), visibleToFirst: visibleToFirst, window: window,
                logSumExp: normalizers.pointer, logSumExpStride: 1)
            #expect(deviation(scores.values, expected(input)) < 1e-6)
            CausalSoftmax.recompute(
                again, scale: Float(scale), visibleToFirst: visibleToFirst, window: window,
                logSumExp: normalizers.pointer, logSumExpStride: 1)
            #expect(deviation(again.values, expected(input)) < 2e-6)
            let gradient = guardedMatrix(rows, columns, stream: 3)
            let upstream = gradient.values
            let rowDots = (0..<rows).map { Vectors.dot(scores.row($0), gradient.row($0), count: columns) }
            CausalSoftmax.backward(
                scores, dProbabilities: gradient, rowDots: rowDots, rowDotsStride: 1, scale: Float(scale),
                visibleToFirst: visibleToFirst, window: window)
            let slopes = numericalGradient(at: input) { inner(expected($0), upstream) }
            #expect(deviation(gradient.values, slopes) < 1e-6)
        }

        @Test(arguments: InstructionSet.available)
        func hiddenColumnsMayHoldAnything(_ instructionSet: InstructionSet) throws {
            try using(instructionSet) {
                let scores = Matrix(rows: 2, columns: 3)
                scores.fill(.nan)
                scores[0, 0] = 2
                (scores[1, 0], scores[1, 1]) = (300, 300)
                var normalizers: [Float] = [0, 0]
                CausalSoftmax.forward(
                    scores, scale: 1, visibleToFirst: 1, logSumExp: &normalizers, logSumExpStride: 1)
                #expect(scores.values == [1, 0, 0, 0.5, 0.5, 0])
                #expect(abs(normalizers[1] - 300 - logf(2)) < 1e-4)
            }
        }

        /// `recompute` with scale 1 and normalizer 0 is the bare exponential.
        @Test(arguments: InstructionSet.available)
        func exponentialIsAccurate(_ instructionSet: InstructionSet) throws {
            try using(instructionSet) {
                let count = 1_000_003
                let x = Matrix(rows: 1, columns: count)
                let (lowest, highest) = (-87.3365, 88.7228)
                for column in 0..<count {
                    x[0, column] = Float(lowest + (highest - lowest) * Double(column) / Double(count - 1))
                }
                let input = x.values
                var zero: Float = 0
                CausalSoftmax.recompute(
                    x, scale: 1, visibleToFirst: count, logSumExp: &zero, logSumExpStride: 1)
                let worst = zip(x.values, input).reduce(0) { max($0, abs($1.0 / exp($1.1) - 1)) }
                #expect(worst < 2e-7)

                let edges: [(Float, Float)] = [
                    (-.infinity, 0), (-1e30, 0), (-104, 0), (0, 1), (-0.0, 1), (.leastNonzeroMagnitude, 1),
                    (88.73, .infinity),
                    (1e30, .infinity), (.infinity, .infinity),
                ]
                for (argument, expected) in edges {
                    let edge = Matrix(rows: 1, columns: 1)
                    edge[0, 0] = argument
                    CausalSoftmax.recompute(edge, scale: 1, visibleToFirst: 1, logSumExp: &zero, logSumExpStride: 1)
                    #expect(edge[0, 0] == expected, "exp(\(argument))")
                }
                let notANumber = Matrix(rows: 1, columns: 1)
                notANumber.fill(.nan)
                CausalSoftmax.recompute(
                    notANumber, scale: 1, visibleToFirst: 1, logSumExp: &zero, logSumExpStride: 1)
                #expect(notANumber[0, 0].isNaN)
            }
        }
    }

    @Suite struct LogSoftmaxTests {
        @Test(arguments: InstructionSet.available)
        func forwardAndBackward(_ instructionSet: InstructionSet) throws {
            try using(instructionSet) {
                for columns in lengths + [1024, 1025, 2500] {
                    let logits = guardedMatrix(3, columns, stream: 1, scale: 5)
                    let input = logits.values
                    let targets = [0, columns / 2, columns - 1].map(Int32.init)
                    let rowScales: [Float] = [1, -0.25, 0]
                    func logProbability(_ x: [Double], _ row: Int) -> Double {
                        x[row * columns + Int(targets[row])] - logSumExp(x[(row * columns)..<((row + 1) * columns)])
                    }
                    let (normalizers, values) = (FloatBuffer(count: 3), FloatBuffer(count: 3))
                    LogSoftmax.forward(logits, targets: targets, logSumExp: normalizers, into: values)
                    for row in 0..<3 {
                        #expect(abs(Double(values.pointer[row]) - logProbability(input, row)) < 2e-6)
                        let expected = logSumExp(input[(row * columns)..<((row + 1) * columns)])
                        #expect(abs(Double(normalizers.pointer[row]) - expected) < 2e-6)
                    }
                    let backward = logits.duplicate()
                    LogSoftmax.backward(backward, targets: targets, logSumExp: normalizers, rowScales: rowScales)
                    #expect(backward.guardIsIntact)
                    guard columns <= 131 else { continue }
                    let expected = numericalGradient(at: input) { x in
                        (0..<3).reduce(0) { $0 + Double(rowScales[$1]) * logProbability(x, $1) }
                    }
                    #expect(deviation(backward.values, expected) < 2e-6)
                }
            }
        }

        @Test(arguments: InstructionSet.available)
        func manyColumnsStayAccurate(_ instructionSet: InstructionSet) throws {
            try using(instructionSet) {
                let columns = 128_256
                let logits = Matrix(rows: 1, columns: columns)
                for (column, value) in normals(columns, stream: 1).enumerated() { logits[0, column] = value + 70 }
                let (normalizer, value) = (FloatBuffer(count: 1), FloatBuffer(count: 1))
                LogSoftmax.forward(logits, targets: [77], logSumExp: normalizer, into: value)
                let expected = Double(logits[0, 77]) - logSumExp(logits.values[...])
                #expect(abs(Double(value.pointer[0]) - expected) < 1e-6)
            }
        }
    }
}
