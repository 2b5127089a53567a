import Testing

@testable import Tensors

/// The value of 16 bits with the given field widths, from the definition of the format; nil for NaN.
private func value(_ bits: UInt16, exponentBits: Int, fractionBits: Int) -> Float? {
    let bias = (1 << (exponentBits - 1)) - 1
    let fraction = Double(Int(bits) & ((1 << fractionBits) - 1)) / Double(1 << fractionBits)
    let exponent = (Int(bits) >> fractionBits) & ((1 << exponentBits) - 1)
    let sign: Double = bits >> 15 == 0 ? 1 : -1
    func power(_ n: Int) -> Double { Double(sign: .plus, exponent: n, significand: 1) }
    if exponent == (1 << exponentBits) - 1 { return fraction == 0 ? Float(sign * .infinity) : nil }
    return Float(sign * (exponent == 0 ? fraction * power(1 - bias) : (1 + fraction) * power(exponent - bias)))
}

private func converted(
    _ bits: [UInt16], _ convert: (UnsafePointer<UInt16>, UnsafeMutablePointer<Float>, Int) -> Void
) -> [Float] {
    var result = [Float](repeating: 0, count: bits.count)
    convert(bits, &result, bits.count)
    return result
}

private func roundedToBF16(_ values: [Float]) -> [UInt16] {
    var result = [UInt16](repeating: 0, count: values.count)
    HalfPrecision.floatToBF16(values, into: &result, count: values.count)
    return result
}

extension TensorsTests {
    @Suite struct HalfPrecisionTests {
        private let everyPattern = (0...UInt16.max).map { $0 }

        @Test(arguments: InstructionSet.available)
        func everyPatternConverts(_ instructionSet: InstructionSet) throws {
            try using(instructionSet) {
                let float16 = converted(everyPattern) { HalfPrecision.float16ToFloat($0, into: $1, count: $2) }
                let bf16 = converted(everyPattern) { HalfPrecision.bf16ToFloat($0, into: $1, count: $2) }
                var wrong: [UInt16] = []
                for bits in everyPattern {
                    for (result, exponentBits) in [(float16[Int(bits)], 5), (bf16[Int(bits)], 8)] {
                        let expected = value(bits, exponentBits: exponentBits, fractionBits: 15 - exponentBits)
                        let isRight = expected.map { $0.bitPattern == result.bitPattern } ?? result.isNaN
                        if !isRight { wrong.append(bits) }
                    }
                }
                #expect(wrong.isEmpty)
            }
        }

        @Test(arguments: InstructionSet.available)
        func bf16RoundTrip(_ instructionSet: InstructionSet) throws {
            try using(instructionSet) {
                let floats = converted(everyPattern) { HalfPrecision.bf16ToFloat($0, into: $1, count: $2) }
                for (bits, back) in zip(everyPattern, roundedToBF16(floats)) {
                    let isNaN = floats[Int(bits)].isNaN
                    let isRight = isNaN ? Float(bitPattern: UInt32(back) << 16).isNaN : back == bits
                    #expect(isRight, "\(bits)")
                }
            }
        }

        @Test(arguments: InstructionSet.available)
        func roundsToNearestEven(_ instructionSet: InstructionSet) throws {
            try using(instructionSet) {
                let cases: [(UInt32, UInt16)] = [
                    (0x3F80_8000, 0x3F80), (0x3F81_8000, 0x3F82),  // ties
                    (0x3F80_7FFF, 0x3F80), (0x3F80_8001, 0x3F81), (0xBF80_8001, 0xBF81),
                    (0x0000_8000, 0x0000), (0x0000_8001, 0x0001), (0x0001_8000, 0x0002),  // subnormal
                    (0x7F7F_FFFF, 0x7F80), (0x7F80_0000, 0x7F80), (0xFF80_0000, 0xFF80),  // to infinity
                ]
                #expect(roundedToBF16(cases.map { Float(bitPattern: $0.0) }) == cases.map(\.1))
                // Its payload lies in the bits that are cut off.
                let lowNaN = roundedToBF16([Float(bitPattern: 0x7F80_0001)])[0]
                #expect(Float(bitPattern: UInt32(lowNaN) << 16).isNaN)
            }
        }
    }
}
