import COpenBLAS

/// The linear algebra library behind `GEMM`.
public enum BLAS {
    /// Sets how many threads a product may use in this process.
    public static func configure(threads: Int) {
        precondition(threads >= 1, "a process computes with at least one thread")
        openblas_set_num_threads(Int32(threads))
    }

    public static var threads: Int { Int(openblas_get_num_threads()) }

    /// OpenBLAS's name of the processor type it chose its kernels for. Results depend on it in the last bits.
    public static var coreName: String { String(cString: openblas_get_corename()) }
}

/// Matrix products.
public enum GEMM {
    /// `c = alpha · op(a) · op(b)`, plus the old `c` when `accumulate`; `op` transposes on request.
    ///
    /// Shapes: `op(a)` is `[m, k]`, `op(b)` is `[k, n]`, `c` is `[m, n]`. Any of them may be strided or empty. `c` must
    /// not overlap `a` or `b`.
    public static func multiply(
        _ a: Matrix, _ b: Matrix, into c: Matrix, transposeA: Bool = false, transposeB: Bool = false, alpha: Float = 1,
        accumulate: Bool = false
    ) {
        let (m, inner) = transposeA ? (a.columns, a.rows) : (a.rows, a.columns)
        let (innerOfB, n) = transposeB ? (b.columns, b.rows) : (b.rows, b.columns)
        precondition(inner == innerOfB, "a product needs equal inner dimensions")
        precondition(c.rows == m && c.columns == n, "a product needs room for its rows and columns")
        guard m > 0 && n > 0 else { return }
        guard inner > 0 else {
            if !accumulate { c.fill(0) }
            return
        }
        cblas_sgemm(
            CblasRowMajor, transposeA ? CblasTrans : CblasNoTrans, transposeB ? CblasTrans : CblasNoTrans,
            blasint(m), blasint(n), blasint(inner), alpha, a.pointer, blasint(a.stride), b.pointer, blasint(b.stride),
            accumulate ? 1 : 0, c.pointer, blasint(c.stride))
    }
}
