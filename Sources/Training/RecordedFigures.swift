import Diagnostics
import Foundation

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

    /// Nil when none is recorded.
    /// - Throws: `RDOError.artefact` when the file cannot be read or is damaged.
    package func lastEvaluation() throws -> Evaluation? {
        try lines(of: directory + "/evaluation.jsonl", as: Evaluation.self).last
    }

    /// The steps of the last epoch, or all where there was less than one.
    /// - Throws: `RDOError.artefact` when no step is recorded, or the file cannot be read or is damaged.
    package func lastEpoch() throws -> [Training] {
        let path = directory + "/metrics.jsonl"
        let steps = try lines(of: path, as: Training.self)
        guard let end = steps.last?.epoch else { throw RDOError(.artefact, "no training step is recorded", at: path) }
        return steps.filter { $0.epoch > end - 1 }
    }

    private func lines<Line: Decodable>(of path: String, as type: Line.Type) throws -> [Line] {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        var lines: [Line] = []
        try JSONLinesFile.forEachLine(of: path, as: type, decoder) { line, _ in lines.append(line) }
        return lines
    }
}
