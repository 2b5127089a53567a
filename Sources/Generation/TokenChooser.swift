import Foundation
import Tensors

/// Chooses the next token of a response from its logits. The restrictions come in the order of the reference
/// implementations: repetition penalty, temperature, top-k, top-p, min-p.
struct TokenChooser {
    let decoding: Decoding

    /// In place, one row of logits or log-probabilities.
    ///
    /// - Parameter seen: the tokens of prompt and response; any may stand there more than once.
    func penalizeRepetition(_ row: Matrix, seen: [[Int32]]) {
        let penalty = Float(decoding.repetitionPenalty)
        guard penalty != 1 else { return }
        let values = row.elements
        for token in Set(seen.joined()) where Int(token) < values.count {
            let value = values[Int(token)]
            values[Int(token)] = value > 0 ? value / penalty : value * penalty
        }
    }

    /// The first of the likeliest tokens.
    func likeliest(_ row: Matrix) -> Int32 {
        let values = row.elements
        var (best, highest) = (0, -Float.infinity)
        for index in values.indices where values[index] > highest { (best, highest) = (index, values[index]) }
        return Int32(best)
    }

    /// - Parameters:
    ///   - row: logits, overwritten.
    ///   - uniform: in `[0, 1)`; decides alone.
    func drawn(_ row: Matrix, uniform: Double) -> Int32 {
        let allowed = allowed(row)
        let values = row.elements
        guard let allowed else { return Self.pick(0..<values.count, uniform) { values[$0] } }
        return Int32(allowed[Int(Self.pick(allowed.indices, uniform) { values[allowed[$0]] })])
    }

    /// The tokens that may be drawn, in the order of their ids; nil for all. `row` then holds weights that are in
    /// proportion to their probabilities.
    func allowed(_ row: Matrix) -> [Int]? {
        let values = row.elements
        let temperature = Float(decoding.temperature)
        if temperature != 1 { for index in values.indices { values[index] /= temperature } }
        let highest = values.max() ?? 0
        var kept = decoding.topK.flatMap { Self.largest($0, of: values) }
        LogSoftmax.exponentials(row, scale: 1, shift: highest)
        if decoding.topP < 1 { kept = nucleus(values, kept) }
        if decoding.minP > 0 {
            let least = Float(decoding.minP)
            kept = (kept ?? Array(values.indices)).filter { values[$0] >= least }
        }
        return kept
    }

    /// The `count` largest, with all that equal the last of them; nil where that is everything.
    private static func largest(_ count: Int, of values: UnsafeMutableBufferPointer<Float>) -> [Int]? {
        guard count < values.count else { return nil }
        var found = LargestValues(count)
        for index in values.indices { found.offer(values[index], index) }
        let least = found.least
        return values.indices.filter { values[$0] >= least }
    }

    /// The likeliest tokens whose probabilities reach `topP`: each of them while those before it do not.
    private func nucleus(_ weights: UnsafeMutableBufferPointer<Float>, _ kept: [Int]?) -> [Int] {
        let candidates = kept ?? Array(weights.indices)
        let total = candidates.reduce(0.0) { $0 + Double(weights[$1]) }
        // All tokens below this together do not have the share that may be missing, so none of them is needed.
        let negligible = Float((1 - decoding.topP) * total / Double(candidates.count) * 0.5)
        let ranked = candidates.filter { weights[$0] >= negligible }.sorted {
            weights[$0] == weights[$1] ? $0 < $1 : weights[$0] > weights[$1]
        }
        var sum = 0.0
        let limit = decoding.topP * total
        return ranked.prefix { index in
            defer { sum += Double(weights[index]) }
            return sum < limit
        }.sorted()
    }

    /// The index at which the weights' running sum passes `uniform` of their total.
    private static func pick(_ indices: Range<Int>, _ uniform: Double, _ weight: (Int) -> Float) -> Int32 {
        var total = 0.0
        for index in indices { total += Double(weight(index)) }
        let target = uniform * total
        var (sum, last) = (0.0, indices.lowerBound)
        for index in indices where weight(index) > 0 {
            sum += Double(weight(index))
            last = index
            if sum > target { break }
        }
        return Int32(last)
    }
}

/// The largest of many values, found without ordering the others: a heap whose root is the least of them.
struct LargestValues {
    private(set) var heap: [(value: Float, index: Int)] = []
    private let count: Int

    init(_ count: Int) {
        self.count = count
        heap.reserveCapacity(count)
    }

    /// The least that is kept; minus infinity while there is room.
    var least: Float { heap.count < count ? -.infinity : heap[0].value }

    /// Of equal values the first stays.
    mutating func offer(_ value: Float, _ index: Int) {
        if heap.count < count {
            heap.append((value, index))
            var child = heap.count - 1
            while child > 0, isBelow(heap[child], heap[(child - 1) / 2]) {
                heap.swapAt(child, (child - 1) / 2)
                child = (child - 1) / 2
            }
        } else if value > heap[0].value {
            heap[0] = (value, index)
            var parent = 0
            while true {
                var least = parent
                for child in [2 * parent + 1, 2 * parent + 2] where child < count && isBelow(heap[child], heap[least]) {
                    least = child
                }
                if least == parent { break }
                heap.swapAt(parent, least)
                parent = least
            }
        }
    }

    /// From the largest on; of equal ones the one with the lower index comes first.
    var ranked: [(value: Float, index: Int)] {
        heap.sorted { $0.value == $1.value ? $0.index < $1.index : $0.value > $1.value }
    }

    private func isBelow(_ a: (value: Float, index: Int), _ b: (value: Float, index: Int)) -> Bool {
        a.value == b.value ? a.index > b.index : a.value < b.value
    }
}
