import Diagnostics
import Foundation

/// What metrics.jsonl says of a step of any pass, in the order of declaration; the pass's own figures follow.
struct StepRecord {
    /// Updates before this one.
    let step: Int
    let epoch: Double
    /// Consumed with this step.
    let samples: Int
    let loss: Double
    /// The body's.
    let learningRate: Double
    /// Before clipping.
    let gradNorm: Double
    let tokens: Int
    let tokensPerSecond: Double
    let seconds: Double
    /// Floating-point work of all ranks over what their matrix products alone could do in the time.
    let mfu: Double
    let leafImbalance: Double
    let rankImbalance: Double
    /// Seconds that communication kept this rank waiting.
    let commExposedSeconds: Double
    /// Memory of the rank that holds most.
    let stateMemoryBytes: Int
    let gatheredMemoryBytes: Int
    let peakMemoryBytes: Int
}

/// What evaluation.jsonl says of an evaluation; the pass's own figures follow, with `test_` before their names.
struct EvaluationRecord {
    let step: Int
    let testExamples: Double
}

/// A line of the trace: what was drawn for a step.
struct TraceRecord<Draw: Encodable>: Encodable {
    let step: Int
    /// Rows of the data files.
    let rows: [Int]
    let epochs: [Int]
    let draw: Draw

    private enum CodingKeys: CodingKey { case step, rows, epochs }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        try container.encode(step, forKey: .step)
        try container.encode(rows, forKey: .rows)
        try container.encode(epochs, forKey: .epochs)
        try draw.encode(to: encoder)
    }

    var text: String {
        get throws {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
            encoder.keyEncodingStrategy = .convertToSnakeCase
            return String(decoding: try encoder.encode(self), as: UTF8.self)
        }
    }
}

/// What is read again of a training pass's metrics.jsonl and evaluation.jsonl, to compare passes.
package struct RecordedFigures {
    package struct Training: Decodable, Sendable {
        package let epoch: Double
        package let loss: Double?
        /// The difference model's preference term.
        package let lossMain: Double?
    }

    package struct Evaluation: Decodable, Sendable {
        package let testLoss: Double?
        package let testLossMain: Double?
        package let testAccuracy: Double?
    }

    private let directory: String

    /// - Parameter directory: of a training pass.
    package init(_ directory: String) { self.directory = directory }

    /// - Throws: `RDOError.artefact` when there is none.
    package func lastEvaluation() throws -> Evaluation {
        let path = directory + "/evaluation.jsonl"
        guard let last = try lines(of: path, as: Evaluation.self).last else {
            throw RDOError(.artefact, "no evaluation is recorded", at: path)
        }
        return last
    }

    /// The steps of the last epoch, or all where there was less than one.
    /// - Throws: `RDOError.artefact` when no step is recorded.
    package func lastEpoch() throws -> [Training] {
        let path = directory + "/metrics.jsonl"
        let steps = try lines(of: path, as: Training.self)
        guard let end = steps.last?.epoch else {
            throw RDOError(.artefact, "no training step is recorded", at: path)
        }
        return steps.filter { $0.epoch > end - 1 }
    }

    private func lines<Line: Decodable>(of path: String, as type: Line.Type) throws -> [Line] {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        // A line that a kill cut short is left out.
        return try JSONLinesFile.texts(of: path).compactMap { try? decoder.decode(type, from: Data($0.utf8)) }
    }
}
