import Coding
import TestSupport
import Testing

@testable import Columns

/// The index finds what a dictionary finds, whatever the number of keys: one block, one sorted run and many.
@Suite struct KeyIndexTests {
    private func key(_ number: Int) -> ContentKey { .query([Int32(number)]) }

    @Test(arguments: [0, 1, 2, 127, 128, 129, 5000, 32_768, 32_769, 150_000]) func everyKey(_ count: Int) throws {
        let index = try KeyIndex((0..<count).lazy.map(key))
        #expect((0..<count).allSatisfy { index[key($0)] == $0 })
        #expect((count..<count + 1000).allSatisfy { index[key($0)] == nil })
    }

    /// Of equal keys the first row counts, and the others are told.
    @Test func repeatedKeys() throws {
        var generator = SeededGenerator(seed: 9)
        let numbers = (0..<100_000).map { _ in Int.random(in: 0..<30_000, using: &generator) }
        var first: [Int: Int] = [:]
        var repeated: [Int: Int] = [:]
        for (row, number) in numbers.enumerated() {
            if let earlier = first[number] { repeated[row] = earlier } else { first[number] = row }
        }
        var told: [Int: Int] = [:]
        let index = try KeyIndex(numbers.lazy.map(key)) { told[$1] = $0 }
        #expect(told == repeated)
        #expect(first.allSatisfy { index[key($0.key)] == $0.value })
    }

    /// One key alone, over many blocks and runs.
    @Test func oneKey() throws {
        let index = try KeyIndex(repeatElement(key(3), count: 70_000))
        #expect(index[key(3)] == 0 && index[key(4)] == nil)
    }

    /// Keys of other programs need not be spread.
    @Test func keysInOrder() throws {
        let keys = (0..<40_000).map { number in
            ContentKey(
                bytes: [UInt8](repeating: 0, count: 13) + [number >> 16, number >> 8, number].map { UInt8(~$0 & 255) })
        }
        let index = try KeyIndex(keys)
        #expect(keys.indices.allSatisfy { index[keys[$0]] == $0 })
    }
}
