import Configuration
import Diagnostics
import Foundation
import Storage

/// What the demo found, as a table.
struct DemoReport {
    let output: String
    let seeds: [Int]
    let corpus: DemoCorpus

    /// Markdown.
    var text: String {
        get throws {
            let difference = try lastEvaluation("difference")
            let held = try HeldOutScores(
                path: output + "/coefficients-test.h5", truth: corpus.test.map(\.trueDifference))
            let training = try CoefficientFile.read(output + "/coefficients.h5")
            let flipped = try meanDifferences(training)
            var lines = [
                "# Demo: \(corpus.train.count) training pairs, \(corpus.test.count) held-out pairs, "
                    + "\(Int(100 * corpus.flipShare)) % of the training labels flipped", "",
                "## Difference model", "", "| on held-out pairs, true labels | |", "|---|---|",
                row("accuracy", held.accuracy), row("Pearson correlation with the true difference", held.pearson),
                row("Spearman correlation with the true difference", held.spearman),
                row("loss at the end of training", difference["test_loss"]),
                row("mean stored difference, training pairs with a true label", flipped.kept),
                row("mean stored difference, training pairs with a flipped label", flipped.flipped), "",
                "## Policy, on held-out pairs with true labels", "",
                "Accuracy of the implicit reward, and in brackets the unweighted DPO loss.", "",
                "| seed | " + DemoArm.allCases.map(\.title).joined(separator: " | ") + " |",
                "|---|" + DemoArm.allCases.map { _ in "---|" }.joined(),
            ]
            var accuracies = [[Double]](repeating: [], count: DemoArm.allCases.count)
            var losses = accuracies
            for seed in seeds {
                for (index, arm) in DemoArm.allCases.enumerated() {
                    let figures = try lastEvaluation(in: arm.directory(in: output, seed: seed) + "/dpo")
                    accuracies[index].append(figures["test_accuracy"] ?? .nan)
                    losses[index].append(figures["test_loss"] ?? .nan)
                }
                let cells = zip(accuracies, losses).map { "\(format($0[$0.count - 1])) (\(format($1[$1.count - 1])))" }
                lines.append("| \(seed) | " + cells.joined(separator: " | ") + " |")
            }
            let means = zip(accuracies, losses).map { "\(meanAndDeviation($0)) (\(meanAndDeviation($1)))" }
            lines.append("| mean ± sd | " + means.joined(separator: " | ") + " |")
            let wins = zip(accuracies[0], accuracies[1]).count { $0 < $1 }
            lines += [
                "", "By accuracy the weighted run is better on \(wins) of \(seeds.count) seeds.", "",
                "Files: \(output)/coefficients.h5, reference.h5, difference/model, dpo-seed-N/dpo/model, "
                    + "dpo-rc-seed-N/dpo/model, metrics.jsonl beside each model.",
            ]
            return lines.joined(separator: "\n") + "\n"
        }
    }

    private func meanDifferences(_ file: CoefficientFile) throws -> (kept: Double, flipped: Double) {
        var sums = [0.0, 0], counts = [0.0, 0]
        for (row, pair) in corpus.train.enumerated() where row < file.count {
            let entry = file.entry(row: row)
            let index = pair.isFlipped ? 1 : 0
            sums[index] += Double(entry.difference - (entry.reversed ?? -entry.difference)) / 2
            counts[index] += 1
        }
        return (sums[0] / counts[0], sums[1] / counts[1])
    }

    private func lastEvaluation(_ pass: String) throws -> [String: Double] {
        try lastEvaluation(in: output + "/" + pass)
    }

    private func lastEvaluation(in directory: String) throws -> [String: Double] {
        let path = directory + "/evaluation.jsonl"
        guard let text = try? String(contentsOfFile: path, encoding: .utf8),
            let line = text.split(separator: "\n").last,
            let object = try? JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
        else { throw RDOError(.artefact, "no evaluation is recorded", at: path) }
        return object.compactMapValues { $0 as? Double }
    }

    private func row(_ name: String, _ value: Double?) -> String { "| \(name) | \(format(value ?? .nan)) |" }

    private func format(_ value: Double) -> String { String(format: "%.3f", value) }

    private func meanAndDeviation(_ values: [Double]) -> String {
        let mean = values.reduce(0, +) / Double(values.count)
        let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(max(values.count - 1, 1))
        return "\(format(mean)) ± \(format(variance.squareRoot()))"
    }
}

/// The stored differences of held-out pairs against the truth.
private struct HeldOutScores {
    let accuracy: Double
    let pearson: Double
    let spearman: Double

    init(path: String, truth: [Double]) throws {
        let file = try CoefficientFile.read(path)
        let predicted = (0..<file.count).map { row in
            let entry = file.entry(row: row)
            return Double(entry.difference - (entry.reversed ?? -entry.difference)) / 2
        }
        guard predicted.count == truth.count else {
            throw RDOError(.artefact, "\(predicted.count) pairs instead of \(truth.count)", at: path)
        }
        accuracy = Double(zip(predicted, truth).count { $0 * $1 > 0 }) / Double(truth.count)
        pearson = Self.correlation(predicted, truth)
        spearman = Self.correlation(Self.ranks(predicted), Self.ranks(truth))
    }

    private static func correlation(_ a: [Double], _ b: [Double]) -> Double {
        let (meanA, meanB) = (a.reduce(0, +) / Double(a.count), b.reduce(0, +) / Double(b.count))
        var (ab, aa, bb) = (0.0, 0.0, 0.0)
        for (x, y) in zip(a, b) {
            ab += (x - meanA) * (y - meanB)
            aa += (x - meanA) * (x - meanA)
            bb += (y - meanB) * (y - meanB)
        }
        return ab / (aa * bb).squareRoot()
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
