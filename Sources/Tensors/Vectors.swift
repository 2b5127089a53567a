import CKernels

/// Sums and products of plain vectors and rows.
public enum Vectors {
    /// `destination += source`, of the same shape.
    public static func add(_ source: Matrix, to destination: Matrix) {
        precondition(source.hasShape(of: destination), "sum of different shapes")
        for row in 0..<source.rows { add(source.row(row), to: destination.row(row), count: source.columns) }
    }

    /// `destination += source`.
    public static func add(_ source: UnsafePointer<Float>, to destination: UnsafeMutablePointer<Float>, count: Int) {
        Kernels.call.add(destination, source, destination, count)
    }

    /// `destination = a + b`; the destination may be `a` or `b`.
    public static func sum(
        _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, into destination: UnsafeMutablePointer<Float>, count: Int
    ) {
        Kernels.call.add(a, b, destination, count)
    }

    /// `m *= factor`.
    public static func scale(_ m: Matrix, by factor: Float) {
        for row in 0..<m.rows { Kernels.call.scale(m.row(row), factor, m.columns) }
    }

    /// Adds `bias` (`[1, columns]`) to each row.
    public static func addBias(_ bias: Matrix, to m: Matrix) {
        precondition(bias.isRowVector(of: m.columns), "a bias has one value for each column")
        for row in 0..<m.rows { add(bias.pointer, to: m.row(row), count: m.columns) }
    }

    /// Adds the sum of the rows to `gradient` (`[1, columns]`): the backward pass of `addBias`.
    public static func addColumnSums(of m: Matrix, to gradient: Matrix) {
        precondition(gradient.isRowVector(of: m.columns), "a bias has one value for each column")
        for row in 0..<m.rows { add(m.row(row), to: gradient.pointer, count: m.columns) }
    }

    /// `destination += scale · source`.
    public static func addScaledRow(
        _ source: UnsafePointer<Float>, scale: Float, to destination: UnsafeMutablePointer<Float>, count: Int
    ) {
        Kernels.call.add_scaled(source, scale, destination, count)
    }

    public static func dot(_ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, count: Int) -> Float {
        Kernels.call.dot(a, b, count)
    }

    /// Squares and sum in double precision. The same bits on every instruction set.
    public static func sumOfSquares(_ p: UnsafePointer<Float>, count: Int) -> Double {
        Kernels.call.sum_of_squares(p, count)
    }
}
