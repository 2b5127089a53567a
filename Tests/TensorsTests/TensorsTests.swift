import Testing

@testable import Tensors

/// All suites of the module, one test at a time: the active kernels are process-wide.
@Suite(.serialized) enum TensorsTests {}

/// Row lengths below, at and above the block sizes of the kernels.
let lengths = [1, 3, 15, 16, 17, 31, 64, 65, 100, 131]

/// Runs `body` with the kernels of one instruction set.
func using(_ instructionSet: InstructionSet, _ body: () throws -> Void) throws {
    let saved = Kernels.active
    defer { Kernels.active = saved }
    Kernels.active = try #require(Kernels(instructionSet))
    try body()
}

/// Reproducible normal values.
func normals(_ count: Int, stream: UInt64, scale: Double = 1) -> [Float] {
    let random = KeyedRandom(seed: 1, stream: stream)
    return (0..<count).map { Float(scale * random.normal(at: UInt64($0))) }
}

/// A matrix inside a larger buffer at an odd offset; the floats around and between its rows are `guardValue`.
func guardedMatrix(_ rows: Int, _ columns: Int, stream: UInt64, scale: Double = 1) -> Matrix {
    let stride = columns + 5
    let buffer = FloatBuffer(count: 3 + rows * stride)
    buffer.fill(guardValue)
    let matrix = Matrix(buffer, offset: 3, rows: rows, columns: columns, stride: stride)
    let values = normals(rows * columns, stream: stream, scale: scale)
    for row in 0..<rows { for column in 0..<columns { matrix[row, column] = values[row * columns + column] } }
    return matrix
}

private let guardValue: Float = 1234.5

extension Matrix {
    /// Row after row.
    var values: [Double] { (0..<rows).flatMap { row in (0..<columns).map { Double(self[row, $0]) } } }

    var bits: [UInt32] { (0..<rows).flatMap { row in (0..<columns).map { self[row, $0].bitPattern } } }

    /// True when nothing was written outside of the matrix.
    var guardIsIntact: Bool {
        let inside = rows * columns
        return buffer.elements.count { $0 == guardValue } >= buffer.count - inside
            && (0..<offset).allSatisfy { buffer.pointer[$0] == guardValue }
            && (0..<rows).allSatisfy { row in
                (columns..<stride).allSatisfy { self.row(row)[$0] == guardValue }
            }
    }

    func duplicate() -> Matrix {
        let copy = FloatBuffer(count: buffer.count)
        copy.pointer.update(from: buffer.pointer, count: buffer.count)
        return Matrix(copy, offset: offset, rows: rows, columns: columns, stride: stride)
    }
}

/// Largest `|a - b| / (1 + |b|)`; infinite when the counts differ or anything is NaN.
func deviation(_ a: [Double], _ b: [Double]) -> Double {
    guard a.count == b.count else { return .infinity }
    return zip(a, b).reduce(0) { worst, pair in
        let error = abs(pair.0 - pair.1) / (1 + abs(pair.1))
        return error.isNaN ? .infinity : max(worst, error)
    }
}

/// Gradient of `function` at `point` by central differences.
func numericalGradient(at point: [Double], _ function: ([Double]) -> Double) -> [Double] {
    point.indices.map { index in
        let step = 1e-5
        var (above, below) = (point, point)
        above[index] += step
        below[index] -= step
        return (function(above) - function(below)) / (2 * step)
    }
}

func inner(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
