import TestSupport
import Testing

@testable import Parallel

@Suite struct ExactSumTests {
    private func sum(_ values: some Sequence<Double>) -> ExactSum {
        var sum = ExactSum()
        for value in values { sum.add(value) }
        return sum
    }

    /// Random bit patterns: all magnitudes, subnormals and both signs, without NaN and infinities.
    private func finiteDoubles(_ count: Int, _ generator: inout some RandomNumberGenerator) -> [Double] {
        (0..<count).map { _ in
            var value = Double.nan
            while !value.isFinite { value = Double(bitPattern: generator.next()) }
            return value
        }
    }

    @Test func oneAddendComesBackUnchanged() {
        var generator = SeededGenerator(seed: 1)
        let special = [
            0, 1, -1, .leastNonzeroMagnitude, -.leastNonzeroMagnitude, .leastNormalMagnitude, .greatestFiniteMagnitude,
            -.greatestFiniteMagnitude, .leastNormalMagnitude.nextDown, 0.1, .pi,
        ]
        for value in special + finiteDoubles(2000, &generator) { #expect(sum([value]).value == value) }
        #expect(sum([]).value == 0)
    }

    @Test func twoAddendsRoundAsHardwareDoes() {
        var generator = SeededGenerator(seed: 2)
        for _ in 0..<5000 {
            let a = finiteDoubles(1, &generator)[0]
            // Close in magnitude, so that both count and ties occur.
            let b = Double(
                sign: generator.next() & 1 == 0 ? .plus : .minus, exponent: Int(generator.next() % 110) - 55,
                significand: a * Double(generator.next() % 8 + 1))
            guard b.isFinite else { continue }
            #expect(sum([a, b]).value == a + b, "\(a) + \(b)")
        }
        #expect(sum([.greatestFiniteMagnitude, .greatestFiniteMagnitude]).value == .infinity)
        #expect(sum([-.greatestFiniteMagnitude, -.greatestFiniteMagnitude]).value == -.infinity)
        #expect(sum([.greatestFiniteMagnitude, .greatestFiniteMagnitude.ulp / 2]).value == .infinity)
        #expect(sum([.greatestFiniteMagnitude, .greatestFiniteMagnitude.ulp / 4]).value == .greatestFiniteMagnitude)
    }

    @Test func anyOrderAndAnySplitGiveTheSameBits() {
        var generator = SeededGenerator(seed: 3)
        for round in 0..<50 {
            var values = finiteDoubles(200, &generator)
            if round % 2 == 0 { values = values.map { $0.truncatingRemainder(dividingBy: 1e3) } }
            let whole = sum(values).value.bitPattern
            values.shuffle(using: &generator)
            #expect(sum(values).value.bitPattern == whole)
            for parts in [2, 3, 7] {
                var merged = ExactSum()
                for part in 0..<parts {
                    merged.add(sum(stride(from: part, to: values.count, by: parts).map { values[$0] }))
                }
                #expect(merged.value.bitPattern == whole)
            }
        }
    }

    /// Sums of integers times 2^-40, for which 64-bit integers are the high-precision sum.
    @Test func equalsTheSumOfIntegers() {
        var generator = SeededGenerator(seed: 4)
        for _ in 0..<200 {
            let integers = (0..<100).map { _ in Int64(bitPattern: generator.next()) >> Int64(11 + generator.next() % 40)
            }
            let exact = integers.reduce(0, +)
            let scale = Double(sign: .plus, exponent: -40, significand: 1)
            #expect(sum(integers.map { Double($0) * scale }).value == Double(exact) * scale)
        }
    }

    @Test func roundsOnceToNearestEven() {
        let ulp = 1.0.ulp
        #expect(sum([1, ulp / 2]).value == 1)
        #expect(sum([1 + ulp, ulp / 2]).value == 1 + 2 * ulp)
        #expect(sum([1, ulp / 2, .leastNonzeroMagnitude]).value == 1 + ulp)
        #expect(sum([-1, -ulp / 2, -.leastNonzeroMagnitude]).value == -1 - ulp)
        #expect(sum([1, ulp / 2, -.leastNonzeroMagnitude]).value == 1)
        #expect(sum([1e300, 3, -1e300]).value == 3)
        #expect(sum(Array(repeating: 0.1, count: 10)).value == 1)
        #expect(sum([1e300, -1e300]).value.sign == .plus)
    }

    @Test func nonFiniteAddendsPoisonTheSum() {
        #expect(sum([1, .nan, 2]).value.isNaN)
        #expect(sum([.infinity, -.infinity]).value.isNaN)
        #expect(sum([1, .infinity]).value == .infinity)
        #expect(sum([-.infinity, 1]).value == -.infinity)
        var merged = sum([1])
        merged.add(sum([.nan]))
        #expect(merged.value.isNaN)
    }
}
