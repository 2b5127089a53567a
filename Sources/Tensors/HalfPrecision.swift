import CKernels

/// Conversions between float and the 16-bit formats of model files. Input and output must not overlap.
public enum HalfPrecision {
    /// Exact.
    public static func bf16ToFloat(
        _ source: UnsafePointer<UInt16>, into destination: UnsafeMutablePointer<Float>, count: Int
    ) {
        Kernels.call.bf16_to_float(source, destination, count)
    }

    /// IEEE binary16; exact, subnormals included.
    public static func float16ToFloat(
        _ source: UnsafePointer<UInt16>, into destination: UnsafeMutablePointer<Float>, count: Int
    ) {
        Kernels.call.float16_to_float(source, destination, count)
    }

    /// Rounds to nearest, ties to even; values beyond the largest bf16 become infinite, NaN stays NaN.
    public static func floatToBF16(
        _ source: UnsafePointer<Float>, into destination: UnsafeMutablePointer<UInt16>, count: Int
    ) {
        Kernels.call.float_to_bf16(source, destination, count)
    }
}
