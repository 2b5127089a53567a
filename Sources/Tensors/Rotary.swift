import CKernels

/// Rotary position embedding (Su et al., 2021) in the Hugging Face convention: in each head, element `i` of the first
/// half and element `i` of the second half are rotated together.
public enum Rotary {
    /// Rotates every head in place.
    ///
    /// - Parameters:
    ///   - x: `[tokens, heads * headSize]`.
    ///   - cosines, sines: `[tokens, headSize / 2]`.
    ///   - inverse: rotates back, which is also the backward pass.
    public static func apply(to x: Matrix, headSize: Int, cosines: Matrix, sines: Matrix, inverse: Bool) {
        precondition(headSize > 0 && headSize % 2 == 0 && x.columns % headSize == 0, "Rotary: whole heads of even size")
        let half = headSize / 2
        precondition(
            cosines.rows == x.rows && cosines.columns == half && cosines.hasShape(of: sines),
            "Rotary: one angle for each token and half a head")
        let direction: Float = inverse ? -1 : 1
        for row in 0..<x.rows {
            for head in stride(from: 0, to: x.columns, by: headSize) {
                Kernels.call.rotary(x.row(row) + head, cosines.row(row), sines.row(row), direction, half)
            }
        }
    }
}
