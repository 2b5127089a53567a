import Columns
import Diagnostics
import Objectives
import Storage

/// The pairs of a coefficient file as statistics read them: columns of equal length, no texts.
package struct ScoredPairs {
    /// As the scorer gave it: d(x, first, second), and d(x, second, first) where it was computed.
    package let stored: [RewardDifference]
    /// R of the first response over the second: ½ (d(x, first, second) − d(x, second, first)) where both are there.
    package let differences: [Double]
    /// +1: the first is preferred, −1: the second, 0: unknown. Without labels the first is taken for the preferred one.
    package let labels: [Int8]
    /// Tokens of both responses; nil when the file does not say.
    let lengths: [(first: Int, second: Int)]?
    /// Rows of the query and of both responses; nil when the file does not say.
    let places: [(query: Int32, first: Int32, second: Int32)]?

    var count: Int { stored.count }

    /// - Throws: `RDOError(.artefact)` when the file's columns contradict each other.
    package init(of file: CoefficientFile, _ tables: CoefficientTables?) throws {
        if let tables, tables.pairCount != file.count {
            throw RDOError(.artefact, "/pairs has columns of different lengths", at: file.path)
        }
        stored = (0..<file.count).map { row in
            let entry = file.entry(row: row)
            return RewardDifference(difference: Double(entry.difference), reversed: entry.reversed.map(Double.init))
        }
        let rule = CoefficientRule(alpha: 1, symmetric: true, disagreement: .zero)
        differences = stored.map(rule.rewardDifference)
        labels = try tables.map { Array($0.labels) } ?? file.readLabels().map { Array($0) } ?? stored.map { _ in 1 }
        lengths = tables.map { tables in
            let counts = Array(tables.responseTokenCounts)
            return zip(tables.pairFirsts, tables.pairSeconds).map { (Int(counts[Int($0)]), Int(counts[Int($1)])) }
        }
        places = tables.map { tables in
            file.keys.indices.map { (tables.pairQueries[$0], tables.pairFirsts[$0], tables.pairSeconds[$0]) }
        }
    }

    package init(
        stored: [RewardDifference], labels: [Int8], lengths: [(first: Int, second: Int)]? = nil,
        places: [(query: Int32, first: Int32, second: Int32)]? = nil
    ) {
        (self.stored, self.labels, self.lengths, self.places) = (stored, labels, lengths, places)
        differences = stored.map(CoefficientRule(alpha: 1, symmetric: true, disagreement: .zero).rewardDifference)
    }

    /// Pairs whose better response is known.
    var labelled: [Int] { labels.indices.filter { labels[$0] != 0 } }

    /// What training weights a pair by; 0 without a label.
    func weight(_ pair: Int, by rule: CoefficientRule) -> Double {
        let label = labels[pair]
        return label == 0 ? 0 : rule.weight(label > 0 ? stored[pair] : stored[pair].exchanged).weight
    }

    /// Some of the pairs.
    func selecting(_ rows: [Int]) -> ScoredPairs {
        ScoredPairs(
            stored: rows.map { stored[$0] }, labels: rows.map { labels[$0] },
            lengths: lengths.map { lengths in rows.map { lengths[$0] } },
            places: places.map { places in rows.map { places[$0] } })
    }

    /// The scorer prefers the response that the label does; a difference of 0 prefers none.
    package func agrees(_ pair: Int) -> Bool { differences[pair] * Double(labels[pair]) > 0 }
}
