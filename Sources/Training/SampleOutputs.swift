import Parallel

/// The model's answers by sample of the global batch, collected from all ranks for the trace and the ledger.
struct SampleOutputs {
    private var values: [Double] = []

    /// - Parameters:
    ///   - positions: where each of the leaf's samples stands in the global batch.
    ///   - counts: how many of `outputs` belong to each.
    mutating func append(_ outputs: [Double], positions: [Int], counts: [Int]) {
        var start = 0
        for (position, count) in zip(positions, counts) {
            values += [Double(position), Double(count)] + outputs[start..<(start + count)]
            start += count
        }
    }

    /// Collective. Outputs of samples 0 ..< `count` on every rank.
    func gathered(count: Int, over world: Communicator) throws -> [[Double]] {
        var outputs = [[Double]](repeating: [], count: count)
        for part in try world.allGather(FloatingPointBytes.encode(values)) {
            let values = FloatingPointBytes.decode(part)
            var index = 0
            while index < values.count {
                let (position, size) = (Int(values[index]), Int(values[index + 1]))
                outputs[position] = Array(values[(index + 2)..<(index + 2 + size)])
                index += 2 + size
            }
        }
        return outputs
    }
}
