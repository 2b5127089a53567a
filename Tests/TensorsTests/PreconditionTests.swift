import Testing

@testable import Tensors

/// Mistakes of the caller end the process, with optimisation too.
@Suite("Tensors: preconditions") struct PreconditionTests {
    @Test func productsNeedEqualInnerDimensions() async {
        await #expect(processExitsWith: .failure) {
            GEMM.multiply(Matrix(rows: 2, columns: 3), Matrix(rows: 4, columns: 2), into: Matrix(rows: 2, columns: 2))
        }
    }

    @Test func aMatrixLiesInsideItsBuffer() async {
        await #expect(processExitsWith: .failure) {
            _ = Matrix(FloatBuffer(count: 5), rows: 2, columns: 3)
        }
    }
}
