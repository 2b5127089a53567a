import Columns
import Objectives
import Storage

/// What orders pairs in a summary.
package enum PairOrder: String, Sendable, Encodable, CaseIterable {
    /// The signed difference.
    case difference
    /// Its absolute value.
    case absolute
    /// The absolute position bias, ½|d(x, first, second) + d(x, second, first)|.
    case bias
    /// How much the label is contradicted: −R of the better response over the other.
    case contradiction
}

/// Differences of a coefficient file.
package struct CoefficientSummary: Encodable, Sendable {
    /// One pair; what the file does not hold is nil.
    package struct Pair: Encodable, Sendable {
        package let row: Int
        package let key: String
        package let difference: Float
        package let reversed: Float?
        package let bias: Float?
        package let label: Int?
        package let query: String?
        package let first: String?
        package let second: String?
    }

    package let scorer: String?
    /// What the pairs were chosen by; nil for all. All that follows is of these.
    package let condition: String?
    package let pairs: Int
    package let queries: Int?
    package let responses: Int?
    /// Those of d(x, first, second).
    package let quantiles: Quantiles
    package let meanDifference: Double?
    package let histogram: Histogram?
    /// Share of the pairs with a known label whose difference has its sign, zero being wrong. Without labels the first
    /// response is taken for the preferred one.
    package let agreement: Double?
    package let agreementInterval: Share?
    /// The same for R = ½(d(x, first, second) − d(x, second, first)).
    package let symmetricAgreement: Double?
    package let symmetricAgreementInterval: Share?
    /// Mean of ½(d(x, first, second) + d(x, second, first)), and its standard deviation over the pairs.
    package let meanPositionBias: Double?
    package let positionBiasDeviation: Double?
    package let reliability: Reliability?
    package let lengthBias: LengthBias?
    /// Nil when the file states none.
    package let calibration: CalibrationEffect?
    package let lists: ListConsistency?
    package let weights: WeightForecast?
    /// Of the whole file; nil when a condition chose pairs.
    package let duplicates: Duplicates?
    package let verdict: Verdict?
    package let order: PairOrder
    package let largest: [Pair]
    package let smallest: [Pair]
    /// What a page shows of the pairs; nil where none was asked for.
    package let browsed: BrowsedPairs?

    /// - Parameters:
    ///   - query: counts some of the pairs alone; it can name the columns of the file.
    ///   - listed: how many of the largest and of the smallest pairs by `order`.
    ///   - rule: what `weight` in the query and the forecast are made with.
    ///   - browsed: how many pairs of each end of every order to hand over for reading.
    init(
        of file: CoefficientFile, _ query: PairQuery, pairs listed: Int, by order: PairOrder, rule: CoefficientRule,
        browsed: Int
    ) throws {
        scorer = file.scorer
        self.order = order
        condition = query.condition
        let tables = try file.readTablesIfPresent()
        let all = try ScoredPairs(of: file, tables)
        let rows = try query.condition.map { _ in
            try query.rows(of: PairColumns(of: file, tables, all, rule: rule))
        }
        let scored = rows.map(all.selecting) ?? all
        pairs = scored.count
        queries = tables?.queryTexts.count
        responses = tables?.responseTexts.count
        let differences = scored.stored.map(\.difference)
        quantiles = Quantiles(of: differences, named: "difference")
        meanDifference = differences.mean
        histogram = Histogram(of: differences)
        let labelled = scored.labelled
        agreementInterval = Share(labelled.map { differences[$0] * Double(scored.labels[$0]) > 0 })
        agreement = agreementInterval?.share
        symmetricAgreementInterval = file.reversed == nil ? nil : Share(labelled.map(scored.agrees))
        symmetricAgreement = symmetricAgreementInterval?.share
        let bias = file.reversed == nil ? nil : scored.stored.map { ($0.difference + ($0.reversed ?? .nan)) / 2 }
        meanPositionBias = bias?.mean
        positionBiasDeviation = bias.flatMap { bias in
            bias.mean.flatMap { mean in bias.map { ($0 - mean) * ($0 - mean) }.mean?.squareRoot() }
        }
        reliability = Reliability(of: scored)
        lengthBias = LengthBias(of: scored)
        calibration = CalibrationEffect(file.calibration, of: scored)
        lists = ListConsistency(of: scored)
        weights = WeightForecast(of: scored, disagreement: rule.disagreement)
        duplicates = rows == nil ? Duplicates(of: file, tables, examples: listed) : nil
        verdict = Verdict(reliability, lengthBias, weights)

        let ordered = OrderedPairs(of: file, tables, scored, rows: rows)
        let places = listed == 0 ? [] : ordered.places(by: order)
        largest = places.suffix(listed).reversed().map(ordered.pair)
        smallest = places.prefix(listed).map(ordered.pair)
        self.browsed = browsed > 0 ? BrowsedPairs(of: ordered, perOrder: browsed) : nil
    }

    /// - Parameter isFull: texts whole instead of their starts.
    func lines(isFull: Bool) -> [String] {
        var lines = labelled([
            ("scorer", scorer ?? ""), ("where", condition.map { withoutControls($0) } ?? ""), ("pairs", String(pairs)),
            ("queries", queries.map(String.init) ?? ""),
            ("responses", responses.map(String.init) ?? ""), ("mean difference", rounded(meanDifference)),
        ])
        lines += labelled(quantiles.values.map { ("quantile \($0.share)", rounded($0.value)) })
        lines += labelled([
            ("agrees with label", agreementInterval?.text ?? "none"),
            ("agrees, symmetric", symmetricAgreementInterval?.text ?? ""),
            ("mean position bias", meanPositionBias.map(rounded) ?? ""),
            ("its deviation", positionBiasDeviation.map(rounded) ?? ""),
        ])
        lines += blocks
        for (title, pairs) in [("largest", largest), ("smallest", smallest)] where !pairs.isEmpty {
            lines.append("  \(title) by \(order.rawValue)")
            for pair in pairs {
                let bias = pair.bias.map { ", bias \($0)" } ?? ""
                let label = pair.label.map { ", label \($0)" } ?? ""
                lines.append("    pair \(pair.row): difference \(pair.difference)\(bias)\(label)")
                for (title, text) in [("query", pair.query), ("first", pair.first), ("second", pair.second)] {
                    if let text { lines += shown(text, isFull: isFull, "      \(title): ") }
                }
            }
        }
        return lines
    }

    private func shown(_ text: String, isFull: Bool, _ title: String) -> [String] {
        guard isFull else { return [title + oneLine(text, limit: 160)] }
        let lines = text.split(omittingEmptySubsequences: false, whereSeparator: \.isNewline)
        let indent = String(repeating: " ", count: title.count)
        return lines.enumerated().map { ($0 == 0 ? title : indent) + withoutControls(String($1)) }
    }
}
