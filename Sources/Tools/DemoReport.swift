import Diagnostics
import Foundation
import Inspection
import Methods
import Settings
import Storage
import Training

/// What the demo found, as a table.
struct DemoReport {
    let output: String
    let seeds: [Int]
    let corpus: DemoCorpus

    /// Markdown.
    func text() throws -> String {
        let scorers = try [
            Scorer(output: output, pass: DifferenceMethod.name, file: "coefficients", corpus: corpus),
            Scorer(output: output, pass: RewardMethod.name, file: "coefficients-reward", corpus: corpus),
        ]
        func row(_ name: String, _ figure: (Scorer) -> Double) -> String {
            "| \(name) | " + scorers.map { format(figure($0)) }.joined(separator: " | ") + " |"
        }
        var lines = [
            "# Demo: \(corpus.train.count) training pairs, \(corpus.test.count) held-out pairs, "
                + "\(Int(100 * corpus.flipShare)) % of the training labels flipped", "",
            "## Scorers", "", "| on held-out pairs, true labels | difference model | reward model |",
            "|---|---|---|",
            row("accuracy") { $0.accuracy },
            row("Pearson correlation with the true difference") { $0.pearson },
            row("Spearman correlation with the true difference") { $0.spearman },
            row("loss at the end of training") { $0.loss },
            row("mean stored difference, training pairs with a true label") { $0.keptMean },
            row("mean stored difference, training pairs with a flipped label") { $0.flippedMean }, "",
            "## Policy, on held-out pairs with true labels", "",
            "Accuracy of the order that the policy gives a pair; the loss is the method's own, unweighted.", "",
            "| method | " + seeds.map { "seed \($0)" }.joined(separator: " | ") + " | accuracy | loss |",
            "|---|" + seeds.map { _ in "---|" }.joined() + "---|---|",
        ]
        for arm in DemoArm.all {
            let figures = try seeds.map { seed in
                try RecordedFigures(arm.directory(in: output, seed: seed) + "/\(arm.pass)").lastEvaluation()
            }
            let accuracies = figures.map { $0.testAccuracy ?? .nan }
            let means = [accuracies, figures.map { $0.testLoss ?? .nan }].map(meanAndDeviation)
            lines.append("| \(arm.title) | " + (accuracies.map(format) + means).joined(separator: " | ") + " |")
        }
        lines += [
            "", "The last two columns are mean ± standard deviation over seeds.", "",
            "Files: \(output)/coefficients.h5, coefficients-reward.h5, reference.h5, difference/model, reward/model, "
                + "a directory for every method and seed, metrics.jsonl beside each model.",
        ]
        return lines.joined(separator: "\n") + "\n"
    }

    private func format(_ value: Double) -> String { String(format: "%.3f", value) }

    private func meanAndDeviation(_ values: [Double]) -> String {
        let mean = values.reduce(0, +) / Double(values.count)
        let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(max(values.count - 1, 1))
        return "\(format(mean)) ± \(format(variance.squareRoot()))"
    }
}

/// What a scorer learned.
private struct Scorer {
    /// Of the stored differences of held-out pairs, against the truth.
    let accuracy, pearson, spearman: Double
    /// On held-out pairs, at the end of training.
    let loss: Double
    /// Mean stored difference of training pairs by whether their label stands.
    let keptMean, flippedMean: Double

    /// - Parameter file: name of its coefficient file.
    init(output: String, pass: PassName, file: String, corpus: DemoCorpus) throws {
        let truth = corpus.test.map(\.trueDifference)
        let path = "\(output)/\(file)-test.h5"
        let held = try CoefficientFile.read(path)
        let predicted = (0..<held.count).map(held.symmetricDifference)
        guard predicted.count == truth.count else {
            throw RDOError(.artefact, "\(predicted.count) pairs instead of \(truth.count)", at: path)
        }
        accuracy = Double(zip(predicted, truth).count { $0 * $1 > 0 }) / Double(truth.count)
        pearson = predicted.correlation(with: truth) ?? .nan
        spearman = Self.ranks(predicted).correlation(with: Self.ranks(truth)) ?? .nan
        loss = try RecordedFigures("\(output)/\(pass)").lastEvaluation().testLoss ?? .nan
        let training = try CoefficientFile.read("\(output)/\(file).h5")
        var sums = [0.0, 0], counts = [0.0, 0]
        for (row, pair) in corpus.train.enumerated() where row < training.count {
            let index = pair.isFlipped ? 1 : 0
            sums[index] += training.symmetricDifference(row: row)
            counts[index] += 1
        }
        (keptMean, flippedMean) = (sums[0] / counts[0], sums[1] / counts[1])
    }

    /// Ranks from 0; equal values share their mean rank.
    private static func ranks(_ values: [Double]) -> [Double] {
        let order = values.indices.sorted { values[$0] < values[$1] }
        var ranks = [Double](repeating: 0, count: values.count)
        var start = 0
        while start < order.count {
            var end = start
            while end < order.count && values[order[end]] == values[order[start]] { end += 1 }
            for index in order[start..<end] { ranks[index] = Double(start + end - 1) / 2 }
            start = end
        }
        return ranks
    }
}

extension CoefficientFile {
    /// The difference of a pair without the position bias.
    fileprivate func symmetricDifference(row: Int) -> Double {
        let entry = entry(row: row)
        return Double(entry.difference - (entry.reversed ?? -entry.difference)) / 2
    }
}
