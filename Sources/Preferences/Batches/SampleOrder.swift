import Tensors

/// One draw from the endless stream of samples.
package struct Sample: Sendable, Equatable {
    /// Place in the stream.
    package let number: Int
    /// Index of the example in the data.
    package let row: Int
    package let epoch: Int

    package init(number: Int, row: Int, epoch: Int) {
        (self.number, self.row, self.epoch) = (number, row, epoch)
    }
}

/// Which example comes at which place of the endless stream: a new permutation of the data every epoch, or file order.
///
/// A function of (seed, place) without state: the cursor of a run is one integer, and any place is found at once.
package struct SampleOrder: Sendable {
    package let count: Int
    private let keys: KeyedRandom
    private let shuffle: Bool

    /// - Parameter count: examples in the data, at least 1.
    package init(count: Int, seed: UInt64, shuffle: Bool) {
        precondition(count > 0, "there is no order of nothing")
        (self.count, self.shuffle) = (count, shuffle)
        keys = KeyedRandom(seed: seed, stream: Self.stream)
    }

    package func sample(_ number: Int) -> Sample {
        let (epoch, index) = number.quotientAndRemainder(dividingBy: count)
        let row = shuffle ? KeyedRandom.permuted(index, count: count, key: keys.bits(at: UInt64(epoch))) : index
        return Sample(number: number, row: row, epoch: epoch)
    }

    package func samples(_ numbers: Range<Int>) -> [Sample] { numbers.map(sample) }

    /// Sets this stream of random numbers apart from those of other uses of the seed.
    private static let stream: UInt64 = 0x0DE7
}
