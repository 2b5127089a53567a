import Coding
import Storage

/// What a ledger says of a whole training pass.
///
/// A pair is what a loss sees at once: two responses in one order, or in KTO a single response.
package struct LedgerSummary: Encodable, Sendable {
    /// One pair over all of its visits.
    package struct Pair: Encodable, Sendable {
        package let key: String
        /// Where its first visit found it.
        package let row: Int
        package let better: Int?
        package let worse: Int?
        package let visits: Int
        package let coefficient: Double
        /// Sum over the visits, and its share of the sum over all pairs.
        package let gradientScale: Double
        package let gradientShare: Double
        package let firstMargin: Double
        package let lastMargin: Double
        /// What a coefficient file says of the pair: R of the better response over the worse, and texts. Nil without one.
        package let judgement: PairJudgement?
    }

    /// Between the first and the last visit of pairs that were visited more than once; a margin of 0 is not right.
    package struct Changes: Encodable, Sendable {
        package let pairs: Int
        /// Wrong at first, right at last, and so on.
        package let becameRight: Int
        package let becameWrong: Int
        package let stayedRight: Int
        package let stayedWrong: Int
    }

    package let pass: String?
    package let visits: Int
    package let pairs: Int
    /// Different steps that have visits, the first and the last of them.
    package let steps: Int
    package let firstStep: Int?
    package let lastStep: Int?
    /// Over pairs, at their last visit.
    package let coefficientQuantiles: Quantiles
    package let zeroCoefficientShare: Double?
    package let gradientScale: Double
    /// Share of the gradient scale that the 1 % and 10 % of the pairs (rounded up) with most of it have.
    package let gradientShareOfTopPercent: Double?
    package let gradientShareOfTopTenth: Double?
    package let meanFirstMargin: Double?
    package let meanLastMargin: Double?
    package let changes: Changes
    package let learning: LedgerLearning
    package let gradientByWeight: GradientByWeight
    /// Pairs that the coefficient file holds; nil without one.
    package let joinedPairs: Int?
    /// Pearson's, of R and the sum of the gradient scale over a pair's visits, and of R and the last margin, on these.
    package let correlationWithGradient: Double?
    package let correlationWithMargin: Double?
    /// Pairs with the largest gradient scale.
    package let strongest: [Pair]

    /// - Parameter judgements: what a coefficient file says of the pairs.
    /// - Throws: `RDOError(.artefact)` when it says nothing of any.
    init(of file: LedgerFile, pairs listed: Int, _ judgements: PairJudgements? = nil) throws {
        pass = file.pass
        visits = file.count
        let dated = LedgerSummary.histories(file)
        let histories = dated.map { $0.map(\.visit) }
        pairs = histories.count
        steps = Set(file.steps).count
        (firstStep, lastStep) = (file.steps.first, file.steps.last)

        let coefficients = histories.compactMap { $0.last?.coefficient }
        coefficientQuantiles = Quantiles(of: coefficients, named: "coefficient")
        zeroCoefficientShare = coefficients.map { $0 == 0 ? 1 : 0 }.mean

        let scales = histories.map { $0.reduce(0) { $0 + $1.gradientScale } }
        let order = scales.indices.sorted { (scales[$1], $0) < (scales[$0], $1) }
        let total = scales.reduce(0, +)
        gradientScale = total
        func topShare(_ share: Double) -> Double? {
            guard total > 0 else { return nil }
            return order.prefix(Int((share * Double(scales.count)).rounded(.up))).reduce(0) { $0 + scales[$1] } / total
        }
        gradientShareOfTopPercent = topShare(0.01)
        gradientShareOfTopTenth = topShare(0.1)

        let margins = histories.map { (first: $0[0].margin, last: $0[$0.count - 1].margin) }
        meanFirstMargin = margins.map(\.first).mean
        meanLastMargin = margins.map(\.last).mean
        let repeated = zip(histories, margins).filter { $0.0.count > 1 }.map(\.1)
        changes = Changes(
            pairs: repeated.count, becameRight: repeated.count { $0.first <= 0 && $0.last > 0 },
            becameWrong: repeated.count { $0.first > 0 && $0.last <= 0 },
            stayedRight: repeated.count { $0.first > 0 && $0.last > 0 },
            stayedWrong: repeated.count { $0.first <= 0 && $0.last <= 0 })

        gradientByWeight = GradientByWeight(coefficients: coefficients, scales: scales)
        let r = judgements.map { judgements in histories.map { judgements.rewardDifference(of: $0[0]) } }
        joinedPairs = r.map { $0.count { $0 != nil } }
        if let judgements, joinedPairs == 0, !histories.isEmpty { throw judgements.strange(to: file.path) }
        func correlation(with values: [Double]) -> Double? {
            guard let r else { return nil }
            let known = r.indices.filter { r[$0] != nil }
            return known.compactMap { r[$0] }.correlation(with: known.map { values[$0] })
        }
        correlationWithGradient = correlation(with: scales)
        correlationWithMargin = correlation(with: margins.map(\.last))

        func pair(_ index: Int) -> Pair {
            let (first, last) = (histories[index][0], histories[index][histories[index].count - 1])
            return Pair(
                key: first.key.description, row: first.row, better: first.better, worse: first.worse,
                visits: histories[index].count, coefficient: last.coefficient, gradientScale: scales[index],
                gradientShare: total > 0 ? scales[index] / total : 0, firstMargin: first.margin,
                lastMargin: last.margin,
                judgement: judgements?.judgement(of: first))
        }
        strongest = order.prefix(listed).map(pair)
        learning = LedgerLearning(dated, pairs: listed, pair)
    }

    /// The visits of each pair and their steps, pairs in the order of their first visit.
    private static func histories(_ file: LedgerFile) -> [[(step: Int, visit: PairVisit)]] {
        struct Identity: Hashable {
            let key: ContentKey
            let better: Int?
            let worse: Int?
        }
        let visits = file.visits
        let places = Dictionary(grouping: visits.indices) {
            Identity(key: visits[$0].key, better: visits[$0].better, worse: visits[$0].worse)
        }
        return places.values.sorted { $0[0] < $1[0] }.map { $0.map { (file.steps[$0], visits[$0]) } }
    }

    var lines: [String] {
        let range = firstStep.flatMap { first in lastStep.map { " (\(first) to \($0))" } } ?? ""
        var lines = labelled([
            ("pass", pass ?? ""), ("visits", String(visits)), ("pairs", String(pairs)), ("steps", "\(steps)\(range)"),
        ])
        lines += labelled(coefficientQuantiles.values.map { ("coefficient \($0.share)", rounded($0.value)) })
        lines += labelled([
            ("coefficient is 0", rounded(zeroCoefficientShare)), ("gradient scale", significant(gradientScale)),
            ("held by top 1 %", rounded(gradientShareOfTopPercent)),
            ("held by top 10 %", rounded(gradientShareOfTopTenth)),
            ("mean first margin", rounded(meanFirstMargin)), ("mean last margin", rounded(meanLastMargin)),
            ("visited again", String(changes.pairs)), ("  became right", String(changes.becameRight)),
            ("  became wrong", String(changes.becameWrong)), ("  stayed right", String(changes.stayedRight)),
            ("  stayed wrong", String(changes.stayedWrong)),
        ])
        lines += labelled([
            ("in the coefficients", joinedPairs.map { "\($0) of \(pairs) pairs" } ?? ""),
            ("R and gradient, r", joinedPairs == nil ? "" : rounded(correlationWithGradient)),
            ("R and last margin, r", joinedPairs == nil ? "" : rounded(correlationWithMargin)),
        ])
        lines += learning.lines + gradientByWeight.lines
        let listings = [
            ("largest by gradient scale", strongest), ("learned first", learning.first),
            ("never learned", learning.never),
        ]
        for (title, pairs) in listings where !pairs.isEmpty { lines += ["", "  " + title] + Self.lines(of: pairs) }
        return lines
    }

    private static func lines(of pairs: [Pair]) -> [String] {
        let rows =
            table(
                [
                    "key", "row", "responses", "visits", "coefficient", "gradient scale", "share", "first margin",
                    "last margin",
                ],
                pairs.map {
                    [
                        $0.key, String($0.row), responses(better: $0.better, worse: $0.worse), String($0.visits),
                        rounded($0.coefficient), significant($0.gradientScale), rounded($0.gradientShare),
                        rounded($0.firstMargin), rounded($0.lastMargin),
                    ]
                })
        return [rows[0]] + zip(rows.dropFirst(), pairs).flatMap { [$0] + ($1.judgement?.lines ?? []) }
    }
}
