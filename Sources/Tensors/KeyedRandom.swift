import Foundation

/// Random numbers without state: value `i` of the stream `(seed, stream)` is a function of these three numbers, so any
/// rank can draw any of them in any order.
public struct KeyedRandom: Sendable {
    private let inner: UInt64
    private let outer: UInt64

    public init(seed: UInt64, stream: UInt64) {
        let key = Self.mixed(seed &+ Self.increment)
        inner = Self.mixed(key ^ Self.mixed(stream &+ 2 &* Self.increment))
        outer = Self.mixed(~inner)
    }

    /// 64 uniformly distributed bits.
    public func bits(at counter: UInt64) -> UInt64 {
        Self.mixed(outer ^ Self.mixed(inner &+ counter &* Self.increment))
    }

    /// Uniform in `[0, 1)`, a multiple of 2⁻⁵³.
    public func uniform(at counter: UInt64) -> Double { Double(bits(at: counter) >> 11) * 0x1p-53 }

    /// Standard normal, by the Box-Muller transform. Uses other bits than `uniform` at the same counter.
    public func normal(at counter: UInt64) -> Double {
        let radiusBits = Self.mixed(bits(at: counter) ^ outer)
        let angleBits = Self.mixed(radiusBits &+ inner)
        let aboveZero = (Double(radiusBits >> 11) + 1) * 0x1p-53
        return (-2 * log(aboveZero)).squareRoot() * cos(2 * .pi * (Double(angleBits >> 11) * 0x1p-53))
    }

    /// Where element `index` of `0 ..< count` goes in the permutation chosen by `key`: a bijection, computed in O(1).
    ///
    /// A Feistel network permutes the smallest `0 ..< 4^w` that holds `count` elements; results outside `0 ..< count`
    /// are permuted again until one falls inside (cycle walking; Black and Rogaway, 2002), fewer than 4 times on average.
    public static func permuted(_ index: Int, count: Int, key: UInt64) -> Int {
        precondition(index >= 0 && index < count, "an index to permute lies in 0 ..< count")
        let bitCount = Int.bitWidth - (count - 1).leadingZeroBitCount
        let halfWidth = UInt64(max(1, (bitCount + 1) / 2))
        let mask = (UInt64(1) << halfWidth) - 1
        var value = UInt64(index)
        repeat {
            var (left, right) = (value >> halfWidth, value & mask)
            for round in 1...permutationRounds {
                (left, right) = (right, left ^ (mixed(mixed(key &+ round &* increment) ^ right) & mask))
            }
            value = left << halfWidth | right
        } while value >= UInt64(count)
        return Int(value)
    }

    /// Four make a Feistel network pseudo-random on large domains; small ones need more to mix well.
    private static let permutationRounds: UInt64 = 12

    /// 2⁶⁴ / golden ratio, odd.
    private static let increment: UInt64 = 0x9E37_79B9_7F4A_7C15

    /// The finalizer of SplitMix64 (Steele, Lea and Flood, 2014): a bijection that flips each output bit with
    /// probability one half when an input bit flips.
    private static func mixed(_ value: UInt64) -> UInt64 {
        var z = value
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
