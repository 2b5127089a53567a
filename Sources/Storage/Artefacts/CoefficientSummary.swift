/// What orders pairs in a summary.
package enum PairOrder: String, Sendable, Encodable, CaseIterable {
    /// The signed difference.
    case difference
    /// Its absolute value.
    case absolute
    /// The absolute position bias, ½|d(x, first, second) + d(x, second, first)|.
    case bias
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
    /// Share of the pairs with a known label whose difference has its sign, zero being wrong. Without labels the first
    /// response is taken for the preferred one.
    package let agreement: Double?
    /// The same for ½(d(x, first, second) − d(x, second, first)).
    package let symmetricAgreement: Double?
    /// Mean of ½(d(x, first, second) + d(x, second, first)).
    package let meanPositionBias: Double?
    package let order: PairOrder
    package let largest: [Pair]
    package let smallest: [Pair]

    init(of file: CoefficientFile, pairs listed: Int, by order: PairOrder) throws {
        scorer = file.scorer
        pairs = file.count
        self.order = order
        let tables = try file.hasTables() ? file.readTables() : nil
        queries = tables?.queryTexts.count
        responses = tables?.responseTexts.count
        let differences = file.differences.map(Double.init)
        quantiles = Quantiles(of: differences, named: "difference")
        meanDifference = differences.mean
        let labels =
            try tables.map { Array($0.labels) } ?? file.readLabels().map { Array($0) } ?? file.keys.map { _ in 1 }
        agreement = CoefficientSummary.agreement(differences, labels)
        let biases = file.reversed.map { zip(file.differences, $0).map { ($0 + $1) / 2 } }
        symmetricAgreement = file.reversed.flatMap { reversed in
            CoefficientSummary.agreement(zip(differences, reversed).map { $0 - Double($1) }, labels)
        }
        meanPositionBias = biases.flatMap { $0.map(Double.init).mean }

        let values: [Float] =
            switch order {
            case .difference: Array(file.differences)
            case .absolute: file.differences.map(abs)
            case .bias: biases?.map(abs) ?? []
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

    static func agreement(_ values: [Double], _ labels: [Int8]) -> Double? {
        let known = zip(values, labels).filter { $0.1 != 0 }
        if known.isEmpty { return nil }
        return Double(known.filter { $0.0 * Double($0.1) > 0 }.count) / Double(known.count)
    }

    var lines: [String] {
        var lines = labelled([
            ("scorer", scorer ?? ""), ("pairs", String(pairs)), ("queries", queries.map(String.init) ?? ""),
            ("responses", responses.map(String.init) ?? ""), ("mean difference", rounded(meanDifference)),
        ])
        lines += labelled(quantiles.values.map { ("quantile \($0.share)", rounded($0.value)) })
        lines += labelled([
            ("agrees with label", rounded(agreement)), ("agrees, symmetric", symmetricAgreement.map(rounded) ?? ""),
            ("mean position bias", meanPositionBias.map(rounded) ?? ""),
        ])
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
