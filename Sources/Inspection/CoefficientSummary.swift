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
    package let lists: ListConsistency?
    package let weights: WeightForecast?
    /// Pairs whose query and responses stood in an earlier row already.
    package let repeatedPairs: Int
    package let verdict: Verdict?
    package let order: PairOrder
    package let largest: [Pair]
    package let smallest: [Pair]

    init(
        of file: CoefficientFile, pairs listed: Int, by order: PairOrder, disagreement: Disagreement
    ) throws {
        scorer = file.scorer
        pairs = file.count
        self.order = order
        let tables = try file.hasTables() ? file.readTables() : nil
        let scored = try ScoredPairs(of: file, tables)
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
        let biases = file.reversed.map { zip(file.differences, $0).map { ($0 + $1) / 2 } }
        let bias = biases.map { $0.map(Double.init) }
        meanPositionBias = bias?.mean
        positionBiasDeviation = bias.flatMap { bias in
            bias.mean.flatMap { mean in bias.map { ($0 - mean) * ($0 - mean) }.mean?.squareRoot() }
        }
        reliability = Reliability(of: scored)
        lengthBias = LengthBias(of: scored)
        lists = ListConsistency(of: scored)
        weights = WeightForecast(of: scored, disagreement: disagreement)
        repeatedPairs = file.repeatedCount
        verdict = Verdict(reliability, lengthBias, weights)

        let values: [Float] =
            switch order {
            case .difference: Array(file.differences)
            case .absolute: file.differences.map(abs)
            case .bias: biases?.map(abs) ?? []
            case .contradiction: zip(scored.differences, scored.labels).map { Float(-$0 * Double($1)) }
            }
        let rows = values.indices.sorted { (values[$0], $0) < (values[$1], $1) }
        func pair(_ row: Int) -> Pair {
            Pair(
                row: row, key: file.keys[row].description, difference: file.differences[row],
                reversed: file.reversed?[row], bias: biases?[row], label: tables.map { Int($0.labels[row]) },
                query: tables.map { $0.queryTexts[Int($0.pairQueries[row])] },
                first: tables.map { $0.responseTexts[Int($0.pairFirsts[row])] },
                second: tables.map { $0.responseTexts[Int($0.pairSeconds[row])] })
        }
        largest = rows.suffix(listed).reversed().map(pair)
        smallest = rows.prefix(listed).map(pair)
    }

    var lines: [String] {
        var lines = labelled([
            ("scorer", scorer ?? ""), ("pairs", String(pairs)), ("queries", queries.map(String.init) ?? ""),
            ("responses", responses.map(String.init) ?? ""), ("mean difference", rounded(meanDifference)),
        ])
        lines += labelled(quantiles.values.map { ("quantile \($0.share)", rounded($0.value)) })
        lines += labelled([
            ("agrees with label", agreementInterval?.text ?? "none"),
            ("agrees, symmetric", symmetricAgreementInterval?.text ?? ""),
            ("mean position bias", meanPositionBias.map(rounded) ?? ""),
            ("its deviation", positionBiasDeviation.map(rounded) ?? ""),
            ("repeated pairs", repeatedPairs > 0 ? String(repeatedPairs) : ""),
        ])
        lines += blocks
        for (title, pairs) in [("largest", largest), ("smallest", smallest)] where !pairs.isEmpty {
            lines.append("  \(title) by \(order.rawValue)")
            for pair in pairs {
                let bias = pair.bias.map { ", bias \($0)" } ?? ""
                let label = pair.label.map { ", label \($0)" } ?? ""
                lines.append("    pair \(pair.row): difference \(pair.difference)\(bias)\(label)")
                for (title, text) in [("query", pair.query), ("first", pair.first), ("second", pair.second)] {
                    if let text { lines.append("      \(title): \(CoefficientSummary.oneLine(text))") }
                }
            }
        }
        return lines
    }

    /// The start of a text on one line.
    private static func oneLine(_ text: String) -> String {
        let line = text.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        return line.count > 160 ? line.prefix(159) + "…" : line
    }
}
