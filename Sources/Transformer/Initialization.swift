import Tensors

/// Initial values of rows of a parameter: a function of (seed, name, row, column), so that how rows are split over ranks
/// does not matter.
///
/// An adapter's A is uniform in ±1/√columns and its B zero, so that the adapted model starts as its base. Other
/// matrices are normal with standard deviation `range`, a scalar head with 1 / (hidden + 1) instead, so that its first
/// answers are near 0; norms are 1, biases 0.
///
/// - Parameter values: `rows.count * spec.columns` floats, written.
package func initialValues(
    for spec: ParameterSpec, rows: Range<Int>, seed: UInt64, range: Double, into values: UnsafeMutablePointer<Float>
) {
    guard spec.isMatrix else {
        values.update(repeating: spec.role == .norm ? 1 : 0, count: rows.count)
        return
    }
    let elements = rows.lowerBound * spec.columns..<rows.upperBound * spec.columns
    // FNV-1a of the name gives each parameter a stream of its own.
    let stream = spec.name.utf8.reduce(0xCBF2_9CE4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
    let random = KeyedRandom(seed: seed, stream: stream)
    switch spec.role {
    case .adapterB: values.update(repeating: 0, count: elements.count)
    case .adapterA:
        let bound = 1 / Double(spec.columns).squareRoot()
        for (offset, index) in elements.enumerated() {
            values[offset] = Float(bound * (2 * random.uniform(at: UInt64(index)) - 1))
        }
    default:
        let range = spec.role == .scalarHead ? 1 / Double(spec.columns + 1) : range
        for (offset, index) in elements.enumerated() {
            values[offset] = Float(range * random.normal(at: UInt64(index)))
        }
    }
}
