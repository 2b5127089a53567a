import Coding
import Parallel

/// The model's answers by sample of the global batch, collected from all ranks for the trace and the ledger.
struct SampleOutputs {
    /// What this rank's leaves gave: where a sample stands in the global batch, and its outputs.
    private var own: [(position: Int, outputs: [Double])] = []

    /// - Parameters:
    ///   - positions: where each of the leaf's samples stands in the global batch.
    ///   - counts: how many of `outputs` belong to each.
    mutating func append(_ outputs: [Double], positions: [Int], counts: [Int]) {
        var start = 0
        for (position, count) in zip(positions, counts) {
            own.append((position, Array(outputs[start..<(start + count)])))
            start += count
        }
    }

    /// Collective. Outputs of samples 0 ..< `count` on every rank.
    func gathered(count: Int, over world: Communicator) throws -> [[Double]] {
        let message = ByteWriter.bytes(of: own) { sample, bytes in
            bytes.write(sample.position)
            bytes.write(sample.outputs)
        }
        var outputs = [[Double]](repeating: [], count: count)
        for part in try world.allGather(message) {
            for (position, values) in try ByteReader.array(of: part, { (try $0.readInt(), try $0.readDoubles()) }) {
                outputs[position] = values
            }
        }
        return outputs
    }
}
