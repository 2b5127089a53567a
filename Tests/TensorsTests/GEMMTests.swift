import Testing

@testable import Tensors

extension TensorsTests {
    @Suite struct GEMMTests {
        @Test(arguments: [false, true], [false, true])
        func equalsTripleLoop(transposeA: Bool, transposeB: Bool) {
            for (m, k, n) in [(1, 1, 1), (3, 5, 7), (17, 33, 9), (1, 64, 40), (40, 2, 1)] {
                for (alpha, accumulate) in [(Float(1), false), (0.5, true)] {
                    let a = transposeA ? guardedMatrix(k, m, stream: 1) : guardedMatrix(m, k, stream: 1)
                    let b = transposeB ? guardedMatrix(n, k, stream: 2) : guardedMatrix(k, n, stream: 2)
                    let c = guardedMatrix(m, n, stream: 3)
                    var expected: [Double] = []
                    for row in 0..<m {
                        for column in 0..<n {
                            var sum = 0.0
                            for index in 0..<k {
                                let left = transposeA ? a[index, row] : a[row, index]
                                let right = transposeB ? b[column, index] : b[index, column]
                                sum += Double(left) * Double(right)
                            }
                            expected.append(Double(alpha) * sum + (accumulate ? Double(c[row, column]) : 0))
                        }
                    }
                    GEMM.multiply(
                        a, b, into: c, transposeA: transposeA, transposeB: transposeB, alpha: alpha,
                        accumulate: accumulate)
                    #expect(deviation(c.values, expected) < 1e-5)
                    #expect(c.guardIsIntact)
                }
            }
        }

        @Test func emptyProducts() {
            let c = guardedMatrix(2, 3, stream: 1)
            let before = c.bits
            let (a, b) = (Matrix(rows: 2, columns: 0), Matrix(rows: 0, columns: 3))
            GEMM.multiply(a, b, into: c, accumulate: true)
            #expect(c.bits == before)
            GEMM.multiply(a, b, into: c)
            #expect(c.values == Array(repeating: 0, count: 6))
            GEMM.multiply(Matrix(rows: 0, columns: 4), Matrix(rows: 4, columns: 3), into: Matrix(rows: 0, columns: 3))
        }

        @Test func threadsAndCore() {
            let before = BLAS.threads
            BLAS.configure(threads: 1)
            #expect(BLAS.threads == 1)
            BLAS.configure(threads: before)
            #expect(!BLAS.coreName.isEmpty)
        }
    }
}
