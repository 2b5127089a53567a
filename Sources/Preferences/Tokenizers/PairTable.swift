/// A number for each of some pairs of token ids: a hash table without deletion, which the encoding of every text asks
/// many times for each character.
struct PairTable: Sendable {
    private var keys: [UInt64]
    private var values: [Int32]
    private let shift: Int

    /// No pair of ids: these are not negative.
    private static let vacant = UInt64.max

    /// - Parameter pairs: of equal pairs the last one counts.
    init(_ pairs: [(left: Int32, right: Int32, value: Int32)]) {
        // At most half full.
        let bits = max(4, Int.bitWidth - (2 * pairs.count).leadingZeroBitCount)
        keys = [UInt64](repeating: Self.vacant, count: 1 << bits)
        values = [Int32](repeating: 0, count: 1 << bits)
        shift = UInt64.bitWidth - bits
        for (left, right, value) in pairs {
            let key = Self.key(left, right)
            let slot = slot(of: key)
            (keys[slot], values[slot]) = (key, value)
        }
    }

    subscript(left: Int32, right: Int32) -> Int32? {
        let key = Self.key(left, right)
        let slot = slot(of: key)
        return keys[slot] == key ? values[slot] : nil
    }

    /// Where a key is, or belongs.
    private func slot(of key: UInt64) -> Int {
        // Fibonacci hashing: the upper bits depend on all bits of the key.
        var slot = Int(truncatingIfNeeded: (key &* 0x9E37_79B9_7F4A_7C15) >> UInt64(shift))
        while keys[slot] != key && keys[slot] != Self.vacant { slot = (slot + 1) & (keys.count - 1) }
        return slot
    }

    private static func key(_ left: Int32, _ right: Int32) -> UInt64 {
        UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
    }
}
