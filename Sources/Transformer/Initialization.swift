import Tensors

/// Initial values of rows of a parameter: normal with standard deviation `range` for matrices, 1 / (hidden + 1) for a
/// scalar head, so that its first answers are near 0; 1 for norms, 0 for biases. A function of (seed, name, row, column): how rows are split over ranks does not matter.
///
/// - Parameter values: `rows.count * spec.columns` floats, written.
public func initialValues(
    for spec: ParameterSpec, rows: Range<Int>, seed: UInt64, range: Double, into values: UnsafeMutablePointer<Float>
) {
    guard spec.isMatrix else {
        values.update(repeating: spec.name.hasSuffix("norm.weight") ? 1 : 0, count: rows.count)
        return
    }
    // FNV-1a of the name gives each parameter a stream of its own.
    let stream = spec.name.utf8.reduce(0xCBF2_9CE4_8422_2325 as UInt64) { ($0 ^ UInt64($1)) &* 0x100_0000_01B3 }
    let random = KeyedRandom(seed: seed, stream: stream)
    let range = spec.name == "score.weight" ? 1 / Double(spec.columns + 1) : range
    for (offset, index) in (rows.lowerBound * spec.columns..<rows.upperBound * spec.columns).enumerated() {
        values[offset] = Float(range * random.normal(at: UInt64(index)))
    }
}
