import Diagnostics
import Foundation

/// What a training pass wrote about itself: metrics.jsonl and evaluation.jsonl.
struct RecordedFigures {
    private let directory: String

    /// - Parameter directory: of a training pass.
    init(_ directory: String) { self.directory = directory }

    /// The figures of the last evaluation.
    /// - Throws: `RDOError.artefact` when there is none.
    func lastEvaluation() throws -> [String: Double] {
        let path = directory + "/evaluation.jsonl"
        guard let last = lines(of: path).last else {
            throw RDOError(.artefact, "no evaluation is recorded", at: path)
        }
        return last
    }

    /// The mean of every figure over the steps of the last epoch, or over all where there was less than one.
    /// - Throws: `RDOError.artefact` when no step is recorded.
    func lastEpoch() throws -> [String: Double] {
        let path = directory + "/metrics.jsonl"
        let steps = lines(of: path)
        guard let end = steps.last?["epoch"] else {
            throw RDOError(.artefact, "no training step is recorded", at: path)
        }
        let epoch = steps.filter { $0["epoch", default: 0] > end - 1 }
        return epoch.reduce(into: [:]) { sums, step in sums.merge(step, uniquingKeysWith: +) }
            .mapValues { $0 / Double(epoch.count) }
    }

    private func lines(of path: String) -> [[String: Double]] {
        guard let text = try? String(contentsOfFile: path, encoding: .utf8) else { return [] }
        return text.split(separator: "\n").compactMap { line in
            let object = try? JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
            return object?.compactMapValues { $0 as? Double }
        }
    }
}
