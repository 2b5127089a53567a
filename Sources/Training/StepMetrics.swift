import Foundation

/// A figure of metrics.jsonl; docs/files.md says what each is.
package enum Metric: Sendable {
    case step, epoch, samples, loss, learningRate, gradNorm, tokens, tokensPerSecond, seconds, mfu, leafImbalance
    case rankImbalance, commExposedSeconds, stateMemoryBytes, gatheredMemoryBytes, peakMemoryBytes, testExamples
    case accuracy, margin, rewardsChosen, rewardsRejected, logpsChosen, logpsRejected, coefficientMean
    case coefficientZeroShare, lossSupervised, lossMain, lossDuplication, lossReverse, difference, positionBias
    case ktoBaseline, beyondBaseline, desirableShare, responseTokens, lossRanking, logpsBest, unrankedShare
    case accuracySymmetric

    var name: String { "\(self)".snakeCased }

    /// Of those that tell how the machine does, not how the model does.
    static let namesOfTheMachine: Set<String> = {
        let figures: [Metric] = [
            .tokensPerSecond, .seconds, .mfu, .leafImbalance, .rankImbalance, .commExposedSeconds, .stateMemoryBytes,
            .gatheredMemoryBytes, .peakMemoryBytes,
        ]
        return Set(figures.map(\.name))
    }()
}

/// A pass's own figures of a step, in the order in which metrics.jsonl shows them; nil is left out. Every pass has a
/// `loss`; the progress line shows `accuracy` and `margin` too.
package struct StepMetrics: ExpressibleByDictionaryLiteral, Sendable {
    let figures: [(metric: Metric, value: Double?)]
    let loss: Double

    package init(dictionaryLiteral figures: (Metric, Double?)...) {
        guard let loss = figures.first(where: { $0.0 == .loss })?.1 else {
            preconditionFailure("every pass has a loss")
        }
        (self.figures, self.loss) = (figures, loss)
    }

    subscript(metric: Metric) -> Double? { figures.first { $0.metric == metric }?.value }

    /// For a line of the log, to four digits: `loss 0.5312, accuracy 0.75`.
    var summary: String {
        let shown = figures.compactMap { metric, value in value.map { (metric.name, $0.isFinite ? $0 : .nan) } }
        return shown.map { "\($0) \(String(format: "%.4g", $1))" }.joined(separator: ", ")
    }
}

/// What is drawn for a step, and the model's answers; the trainer adds `pass`, `step`, `rows` and `epochs`.
package typealias TraceRecord = [TraceField: any Encodable]

package enum TraceField: Sendable {
    case pass, step, rows, epochs, coefficients, differences, flipped, logpsChosen, logpsRejected, referenceChosen
    case referenceRejected, tokensChosen, tokensRejected, first, duplicated, differenceMain, differenceDuplication
    case differenceReverse, desirable, logps, reference, partners, baselineGroups, tokens, pairs, best, queryTokens
    case rewardsChosen, rewardsRejected
}

extension TraceRecord {
    /// A line of the trace, keys sorted.
    var line: String {
        get throws {
            let members = try map { field, value in
                ("\(field)".snakeCased, String(decoding: try JSONEncoder().encode(value), as: UTF8.self))
            }
            return "{" + members.sorted { $0.0 < $1.0 }.map { "\"\($0)\":\($1)" }.joined(separator: ",") + "}"
        }
    }
}

extension String {
    fileprivate var snakeCased: String { map { $0.isUppercase ? "_" + $0.lowercased() : String($0) }.joined() }
}
