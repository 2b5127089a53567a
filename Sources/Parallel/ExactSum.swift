/// A sum of doubles without rounding: its value does not depend on the order or grouping of the addends.
///
/// A fixed-point number that spans the whole range of doubles in digits of 32 bits, each kept in 64 so that carries can
/// wait (the small superaccumulator of Neal 2015, "Fast exact summation using small and large superaccumulators").
package struct ExactSum: Sendable {
    /// Digit `i` counts units of 2^(32 i − 1074). 66 digits hold the largest double, 2 more 2^64 times as much.
    private static let digitCount = 68
    /// Additions before a digit could overflow: each adds less than 2^33 to it.
    private static let carryInterval = 1 << 29

    private var digits = [Int64](repeating: 0, count: digitCount)
    private var pendingAdditions = 0
    private var nans: Int64 = 0
    private var positiveInfinities: Int64 = 0
    private var negativeInfinities: Int64 = 0

    package init() {}

    package mutating func add(_ x: Double) {
        guard x.isFinite else {
            if x.isNaN { nans += 1 } else if x > 0 { positiveInfinities += 1 } else { negativeInfinities += 1 }
            return
        }
        let exponent = Int(x.exponentBitPattern)
        let significand = x.significandBitPattern | (exponent == 0 ? 0 : 1 << 52)
        let position = max(exponent, 1) - 1
        let (digit, shift) = (position >> 5, UInt64(position & 31))
        let low = (significand & 0xFFFF_FFFF) << shift
        let high = (significand >> 32) << shift
        let sign: Int64 = x.sign == .minus ? -1 : 1
        digits[digit] += sign * Int64(low & 0xFFFF_FFFF)
        digits[digit + 1] += sign * Int64((low >> 32) + (high & 0xFFFF_FFFF))
        digits[digit + 2] += sign * Int64(high >> 32)
        pendingAdditions += 1
        if pendingAdditions == Self.carryInterval { carry() }
    }

    package mutating func add(_ other: ExactSum) {
        carry()
        for (index, digit) in other.carried.digits.enumerated() { digits[index] += digit }
        carry()
        nans += other.nans
        positiveInfinities += other.positiveInfinities
        negativeInfinities += other.negativeInfinities
    }

    /// The sum rounded once, to nearest, ties to even. NaN and infinities count as in ordinary addition.
    package var value: Double {
        if nans > 0 || (positiveInfinities > 0 && negativeInfinities > 0) { return .nan }
        if positiveInfinities > 0 { return .infinity }
        if negativeInfinities > 0 { return -.infinity }
        let sum = carried
        guard sum.digits[Self.digitCount - 1] < 0 else { return Self.rounded(sum.digits) }
        var negated = sum
        for index in negated.digits.indices { negated.digits[index].negate() }
        return -Self.rounded(negated.carried.digits)
    }

    /// Collective. The values of the sums over all ranks, in one message.
    /// - Throws: `RDOError.peers`.
    package static func totals(_ sums: [ExactSum], over ranks: Communicator) throws -> [Double] {
        let message = sums.flatMap { sum in
            sum.carried.digits + [sum.nans, sum.positiveInfinities, sum.negativeInfinities]
        }
        let all = try ranks.allReduceSum(message)
        return sums.indices.map { index in
            var sum = ExactSum()
            let part = Array(all[(index * (digitCount + 3))..<((index + 1) * (digitCount + 3))])
            sum.digits = Array(part[..<digitCount])
            sum.carry()
            (sum.nans, sum.positiveInfinities, sum.negativeInfinities) =
                (part[digitCount], part[digitCount + 1], part[digitCount + 2])
            return sum.value
        }
    }

    // MARK: - Digits

    private var carried: ExactSum {
        var sum = self
        sum.carry()
        return sum
    }

    /// Brings all digits but the last to 0 ..< 2^32; the last keeps the sign. Equal sums then have equal digits.
    private mutating func carry() {
        for index in 0..<(Self.digitCount - 1) {
            digits[index + 1] += digits[index] >> 32
            digits[index] &= 0xFFFF_FFFF
        }
        pendingAdditions = 0
    }

    /// The double nearest to carried digits of a sum that is not negative.
    private static func rounded(_ digits: [Int64]) -> Double {
        guard let top = digits.lastIndex(where: { $0 != 0 }) else { return 0 }
        func bit(_ position: Int) -> UInt64 { UInt64(digits[position >> 5] >> Int64(position & 31)) & 1 }

        let highest = 32 * top + 63 - digits[top].leadingZeroBitCount
        let lowest = max(highest - 52, 0)
        var significand = (lowest...highest).reduce(into: UInt64(0)) { $0 |= bit($1) << UInt64($1 - lowest) }
        if lowest > 0 && bit(lowest - 1) == 1 {
            let isTie = (0..<(lowest - 1)).allSatisfy { bit($0) == 0 }
            if !isTie || significand & 1 == 1 { significand += 1 }
        }
        // The implicit leading bit adds one to the exponent field; a subnormal has none and needs none.
        return lowest > 2045 ? .infinity : Double(bitPattern: UInt64(lowest) << 52 + significand)
    }
}
