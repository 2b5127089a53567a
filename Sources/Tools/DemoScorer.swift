import Foundation
import Inspection
import Methods
import Objectives
import Storage

/// What a scorer says of the demo's pairs, against the truth.
struct DemoScorer {
    /// Of held-out pairs: by the true order.
    let accuracy: Share?
    /// Of R with the true difference, both of the better response over the other: whether R knows how much.
    let pearson, spearman: Double?
    /// Mean cross-entropy of σ(R) with the probability that a label of the corpus has, nats.
    let crossEntropy: Double
    /// What that is for a scorer that knows the probabilities.
    let leastCrossEntropy: Double
    /// Mean distance of σ(|R|) and the probability that a label is as the scorer says.
    let calibrationError: Double
    /// By |R|, by the true order.
    let ranges: [Reliability.Range]
    let heldOutCount: Int

    let trainingCount: Int
    /// Share of the training pairs whose label is wrong.
    let wrongShare: Double
    /// Mean weights of training pairs by whether their label is right; nil when there is none.
    let rightWeight, wrongWeight: Double?

    /// - Parameters:
    ///   - path: the coefficient file of the training pairs; the held-out pairs' stands beside it.
    ///   - labels: how those of the corpus err.
    ///   - rule: what weights training makes of it.
    /// - Throws: `RDOError.artefact` when a file is missing or damaged.
    init(_ path: ArtefactPath, of labels: DemoLabels, rule: CoefficientRule) throws {
        self.init(
            held: try ComparedPairs(path.of(.heldOut).path), training: try ComparedPairs(path.path), of: labels,
            rule: rule)
    }

    init(held: ComparedPairs, training: ComparedPairs, of labels: DemoLabels, rule: CoefficientRule) {
        let r = held.pairs.differences
        heldOutCount = r.count
        accuracy = Share(r.indices.map(held.pairs.agrees))
        let sizes = held.truth.map(abs)
        let gains = zip(r, held.truth).map { $1 > 0 ? $0 : -$0 }
        (pearson, spearman) = (gains.correlation(with: sizes), gains.rankCorrelation(with: sizes))
        let probabilities = held.truth.map(labels.probability)
        crossEntropy = Self.meanCrossEntropy(of: r, with: probabilities)
        leastCrossEntropy = probabilities.map(Self.entropy).reduce(0, +) / Double(probabilities.count)
        calibrationError =
            Calibration(of: zip(r, probabilities).map { (sureness: abs($0), right: $0 > 0 ? $1 : 1 - $1) }).error
        ranges = Reliability(of: held.pairs)?.ranges ?? []

        trainingCount = training.truth.count
        var (right, wrong): ([Double], [Double]) = ([], [])
        for (pair, truth) in training.truth.enumerated() {
            let (stored, label) = (training.pairs.stored[pair], Double(training.labels[pair]))
            let weight = rule.weight(label > 0 ? stored : stored.exchanged).weight
            if truth * label > 0 { right.append(weight) } else { wrong.append(weight) }
        }
        wrongShare = Double(wrong.count) / Double(max(1, trainingCount))
        (rightWeight, wrongWeight) = (right.mean, wrong.mean)
    }

    /// Of a label with this probability, nats.
    private static func entropy(_ probability: Double) -> Double {
        [probability, 1 - probability].reduce(0) { $1 > 0 ? $0 - $1 * log($1) : $0 }
    }

    private static func meanCrossEntropy(of logits: [Double], with probabilities: [Double]) -> Double {
        zip(logits, probabilities).reduce(0) { $0 - $1.1 * logSigmoid($1.0) - (1 - $1.1) * logSigmoid(-$1.0) }
            / Double(logits.count)
    }
}

/// The pairs of a coefficient file with the true difference of the first response over the second.
struct ComparedPairs {
    /// Labelled by the truth.
    let pairs: ScoredPairs
    let truth: [Double]
    /// As in the data.
    let labels: [Int8]

    init(stored: [RewardDifference], truth: [Double], labels: [Int8]) {
        (self.truth, self.labels) = (truth, labels)
        pairs = ScoredPairs(stored: stored, labels: truth.map { $0 > 0 ? 1 : -1 })
    }

    /// - Throws: `RDOError.artefact` when the file is missing or damaged.
    init(_ path: String) throws {
        let file = try CoefficientFile.read(path)
        let tables = try file.readTables()
        func text(_ row: Int32) -> String { tables.responseTexts[Int(row)] }
        let scored = try ScoredPairs(of: file, tables)
        self.init(
            stored: scored.stored,
            truth: (0..<tables.pairCount).map { pair in
                DemoTruth.difference(
                    of: text(tables.pairFirsts[pair]), over: text(tables.pairSeconds[pair]),
                    to: tables.queryTexts[Int(tables.pairQueries[pair])])
            }, labels: scored.labels)
    }
}
