import Coding
import Columns
import Diagnostics
import Objectives
import Storage

/// Two scorers on the same pairs: `rdo diff`.
package struct CoefficientComparison: Encodable, Sendable {
    /// One of the two files.
    package struct Side: Encodable, Sendable {
        package let path: String
        package let scorer: String?
        package let pairs: Int
        /// Pairs that the other file does not hold.
        package let alone: Int
        /// On the pairs of both files whose label is known.
        package let agreement: Share?
    }

    /// A pair that both files hold: R of its first response over its second, as the first file has them.
    package struct Pair: Encodable, Sendable {
        package let key: String
        package let first: Double
        package let second: Double
        package let label: Int
        package let query: String?
        package let firstResponse: String?
        package let secondResponse: String?
    }

    package let first: Side
    package let second: Side
    /// Pairs that both hold, in the same order of responses or the other.
    package let shared: Int
    /// Of R; nil where either never changes.
    package let pearson: Double?
    package let spearman: Double?
    package let meanAbsoluteDifference: Double?
    /// Pairs of which the two prefer different responses; one that prefers none is no flip.
    package let flips: Share?
    /// Labels that contradict each other between the files.
    package let contradictingLabels: Int
    /// Those whose R differs most.
    package let largest: [Pair]

    /// - Throws: `RDOError(.artefact)` when a file is no coefficient file or damaged, keyed by another tokenizer, or they share
    ///   no pair.
    package init(_ firstPath: String, _ secondPath: String, pairs listed: Int) throws {
        let files = try [firstPath, secondPath].map(CoefficientFile.read)
        let tokenizers = files.map(\.provenance.tokenizerDigest)
        if let a = tokenizers[0], let b = tokenizers[1], a != b {
            throw RDOError(
                .artefact, "its keys are of another tokenizer than those of \(firstPath)", at: secondPath,
                remedy: "score with models of one family, or with model.tokenizer set for both")
        }
        let tables = try files.map { try $0.readTablesIfPresent() }
        let scored = try zip(files, tables).map { try ScoredPairs(of: $0, $1) }
        let labelled = try zip(files, tables).map { file, tables in try tables != nil || file.readLabels() != nil }

        let matches = Self.matches(files, tables)
        guard !matches.isEmpty else {
            throw RDOError(
                .artefact, "it shares no pair with \(firstPath)", at: secondPath,
                remedy: "compare files over the same data, template and tokenizer")
        }
        let (a, b) = (
            matches.map { scored[0].differences[$0.first] },
            matches.map { $0.isExchanged ? -scored[1].differences[$0.second] : scored[1].differences[$0.second] }
        )
        let labels = matches.map { match -> Int8 in
            let other = match.isExchanged ? -scored[1].labels[match.second] : scored[1].labels[match.second]
            return labelled[0] || !labelled[1] ? scored[0].labels[match.first] : other
        }
        let known = labels.indices.filter { labels[$0] != 0 }
        func agreement(_ r: [Double]) -> Share? { Share(known.map { r[$0] * Double(labels[$0]) > 0 }) }
        func side(_ index: Int, _ r: [Double], shared: Int) -> Side {
            Side(
                path: files[index].path, scorer: files[index].scorer, pairs: files[index].count,
                alone: files[index].count - shared, agreement: agreement(r))
        }
        first = side(0, a, shared: matches.count)
        second = side(1, b, shared: Set(matches.map(\.second)).count)
        shared = matches.count
        pearson = a.correlation(with: b)
        spearman = a.rankCorrelation(with: b)
        meanAbsoluteDifference = zip(a, b).map { abs($0 - $1) }.mean
        flips = Share(zip(a, b).map { $0 * $1 < 0 })
        contradictingLabels =
            labelled[0] && labelled[1]
            ? matches.count {
                Int(scored[0].labels[$0.first]) * Int(scored[1].labels[$0.second]) * ($0.isExchanged ? -1 : 1) < 0
            } : 0
        let order = a.indices.sorted { (abs(a[$1] - b[$1]), $0) < (abs(a[$0] - b[$0]), $1) }
        // Texts stand in either file.
        let source = tables[0] == nil ? 1 : 0
        largest = order.prefix(listed).map { place in
            let match = matches[place]
            let row = source == 0 ? match.first : match.second
            let responses = tables[source].map { tables in
                [tables.pairFirsts[row], tables.pairSeconds[row]].map { tables.responseTexts[Int($0)] }
            }
            let isTurned = source == 1 && match.isExchanged
            return Pair(
                key: files[0].keys[match.first].description, first: a[place], second: b[place],
                label: Int(labels[place]),
                query: tables[source].map { $0.queryTexts[Int($0.pairQueries[row])] },
                firstResponse: responses?[isTurned ? 1 : 0], secondResponse: responses?[isTurned ? 0 : 1])
        }
    }

    private struct Match {
        let first: Int
        let second: Int
        /// The second file compares the two responses in the other order.
        let isExchanged: Bool
    }

    /// Pairs by key; those that only the other order of responses has, by query and texts, where both files know them.
    private static func matches(_ files: [CoefficientFile], _ tables: [CoefficientTables?]) -> [Match] {
        var exchanged: ExchangedPairs?
        return files[0].keys.enumerated().compactMap { row, key in
            if let other = files[1].row(of: key) { return Match(first: row, second: other, isExchanged: false) }
            guard let own = tables[0], let others = tables[1] else { return nil }
            let pairs = exchanged ?? ExchangedPairs(others)
            exchanged = pairs
            return pairs.row(exchanging: row, of: own).map { Match(first: row, second: $0, isExchanged: true) }
        }
    }

    package var text: String {
        var lines = ["\(first.path) and \(second.path): \(shared) pairs in both"]
        for (name, side) in [("first", first), ("second", second)] {
            lines += labelled([
                (name + " scorer", side.scorer ?? ""), (name + " alone", String(side.alone)),
                (name + " agrees", side.agreement?.text ?? "no labels"),
            ])
        }
        lines += labelled([
            ("Pearson's r of R", rounded(pearson)), ("Spearman's", rounded(spearman)),
            ("mean |R − R'|", rounded(meanAbsoluteDifference)),
            ("prefer another", flips?.text ?? "none"),
            ("labels contradict", contradictingLabels > 0 ? String(contradictingLabels) : ""),
        ])
        if !largest.isEmpty { lines.append("  largest disagreements") }
        for pair in largest {
            lines.append("    \(pair.key): R \(pair.first) and \(pair.second), label \(pair.label)")
            let texts = [("query", pair.query), ("first", pair.firstResponse), ("second", pair.secondResponse)]
            for case let (name, text?) in texts { lines.append("      \(name): \(oneLine(text, limit: 160))") }
        }
        return lines.joined(separator: "\n") + "\n"
    }
}

/// Finds pairs that stand in a file with their responses in the other order.
private struct ExchangedPairs {
    private struct Identity: Hashable {
        let query: ContentKey
        let first: Digest
        let second: Digest

        init(_ row: Int, of tables: CoefficientTables, isExchanged: Bool) {
            func digest(_ rows: Rows<Int32>) -> Digest {
                Array(tables.responseTexts[Int(rows[row])].utf8).withUnsafeBytes { Digest.of($0) }
            }
            query = tables.queryKeys[Int(tables.pairQueries[row])]
            let (first, second) = (digest(tables.pairFirsts), digest(tables.pairSeconds))
            (self.first, self.second) = isExchanged ? (second, first) : (first, second)
        }
    }

    private let rows: [Identity: Int]

    init(_ tables: CoefficientTables) {
        var rows: [Identity: Int] = [:]
        for row in 0..<tables.pairCount {
            let identity = Identity(row, of: tables, isExchanged: false)
            rows[identity] = rows[identity] ?? row
        }
        self.rows = rows
    }

    func row(exchanging row: Int, of tables: CoefficientTables) -> Int? {
        rows[Identity(row, of: tables, isExchanged: true)]
    }
}
