import Foundation

/// The statistics of a coefficient file for a terminal: each block with a line that says what it means.
extension CoefficientSummary {
    var blocks: [String] {
        var lines: [String] = []
        if let histogram {
            lines += ["", "  differences as stored"] + histogram.lines
        }
        if let reliability { lines += Self.lines(of: reliability) }
        if let lengthBias { lines += Self.lines(of: lengthBias) }
        if let calibration { lines += self.lines(of: calibration) }
        if let lists { lines += Self.lines(of: lists) }
        if let weights { lines += Self.lines(of: weights) }
        if let duplicates { lines += duplicates.lines }
        if let verdict { lines += [""] + verdict.lines }
        return lines
    }

    private static func short(_ value: Double) -> String { String(format: "%.3f", value) }
    private static func percent(_ value: Double) -> String { String(format: "%.1f %%", 100 * value) }

    private static func lines(of reliability: Reliability) -> [String] {
        func rows(_ ranges: [Reliability.Range]) -> [[String]] {
            ranges.map { range in
                let share = range.accuracy
                return [
                    short(range.from), range.to.map(short) ?? "", String(share.count), short(share.share),
                    short(share.low), short(share.high),
                ]
            }
        }
        let header = ["|R| from", "to", "pairs", "right", "from", "to"]
        var lines = ["", "  accuracy by |R| (of the paper, arXiv 2408.09385: 0.626, 0.717, 0.853, 0.977)"]
        lines += table(header, rows(reliability.ranges)) + ["  in tenths of the pairs"]
        lines += table(header, rows(reliability.deciles))
        lines += ["  larger differences must be right more often: that is what weights by them rest on"]
        lines += ["", "  confidence σ(|R|) and how often it is right"]
        lines += table(
            ["from", "to", "pairs", "confidence", "right"],
            reliability.bins.map {
                [short($0.from), short($0.to), String($0.count), short($0.confidence), short($0.accuracy)]
            })
        return lines + [
            "  calibration error (ECE) \(short(reliability.calibrationError)): 0 where a difference is a log-odds"
        ]
    }

    private static func lines(of bias: LengthBias) -> [String] {
        ["", "  length"]
            + labelled([
                ("R and length, r", bias.correlation.map(short) ?? "none"),
                ("longer is better", bias.longerIsBetter?.text ?? "none"),
                ("scorer, same pairs", bias.scorer?.text ?? "none"),
            ]) + ["  a scorer that is right no more often than length is may know nothing else"]
    }

    /// Each figure before and after.
    private func lines(of effect: CalibrationEffect) -> [String] {
        func change(_ before: Double?, _ after: Double?) -> String {
            guard let before, let after else { return "" }
            return "\(Self.short(before)) → \(Self.short(after))"
        }
        let (stated, error) = (effect.stated, reliability?.calibrationError)
        return ["", "  calibration of \(stated.pairs) pairs, used by coefficients.calibrated and length_debiased"]
            + labelled([
                ("temperature", stated.temperature.map(significant) ?? "none fits"),
                ("ECE, R / T", change(error, effect.calibrationError)),
                ("R for each token", stated.lengthSlope.map(significant) ?? ""),
                ("R and length, r", change(lengthBias?.correlation, effect.correlation)),
                ("right without length", effect.debiased?.text ?? ""),
                ("temperature of that", stated.debiasedTemperature.map(significant) ?? ""),
                ("ECE of that", change(error, effect.debiasedCalibrationError)),
            ])
    }

    private static func lines(of lists: ListConsistency) -> [String] {
        ["", "  lists"]
            + labelled([
                ("complete lists", String(lists.lists)),
                ("contradictions", "\(lists.contradictions) of \(lists.triples) triples"),
                ("not one score each", percent(lists.residual)),
            ]) + ["  what no score for each response can explain of the differences' squares"]
    }

    private static func lines(of weights: WeightForecast) -> [String] {
        ["", "  weights R^α with disagreement \(weights.disagreement), of \(weights.pairs) pairs with a label"]
            + table(
                ["α", "mean", "zero", "effective pairs", "of all"],
                weights.rows.map {
                    [
                        String(format: "%g", $0.alpha), short($0.mean), percent($0.zeroShare),
                        String(format: "%.0f", $0.effectivePairs), percent($0.effectivePairs / Double(weights.pairs)),
                    ]
                }) + ["  few effective pairs mean that few decide each step: lower α, or raise batch_size"]
    }
}
