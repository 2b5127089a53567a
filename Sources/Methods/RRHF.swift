import Coding
import Columns
import Costs
import Diagnostics
import Objectives
import Preferences
import Settings
import Storage
import Training
import Transformer

/// RRHF on lists of responses, each ordered pair of a list weighted by its coefficient.
package struct RRHFMethod: TrainingMethod {
    package static let name = PassName(rawValue: "rrhf")
    package static let head = HeadKind.languageModel
    private let settings: ListSettings

    package init(_ settings: ListSettings) { self.settings = settings }

    package func prepare(_ data: PassData, _ context: MethodContext) throws -> PassData {
        try data.requireComparable(scoredElse: settings.ranking == .scores ? "set rrhf.ranking to difference" : nil)
        // Held-out lists are judged by their own scores.
        if settings.ranking == .difference { try data.test?.examples.forEach { try $0.requireScores() } }
        return data
    }

    package func task(
        for part: DataSet, _ role: DataRole, of start: StartModel, _ context: MethodContext
    ) throws -> PreparedTask<RRHFTask> {
        // Held-out lists are judged by their own scores and unweighted.
        let ranksByDifference = settings.ranking == .difference
        let sources =
            role == .training && (settings.coefficients.use || ranksByDifference)
            ? try CoefficientSources.read(settings.coefficients, context, needsFiles: ranksByDifference) : nil
        let rankings = try context.world.collectively {
            try sources.map { try ranked(part.examples, $0, context) } ?? Rankings(byScoresOf: part.examples)
        }
        if role == .training { logTies(in: rankings, context) }
        let objective = RRHFObjective(
            rankingWeight: settings.rankingWeight, lengthExponent: settings.lengthExponent, length: settings.length)
        let digest = DigestStream.hex(
            of: rankings.lists.lazy.flatMap { list in
                [Double(list.best)] + list.pairs.flatMap { [Double($0.better), Double($0.worse), $0.weight] }
            })
        let lists = Rows(count: part.examples.count) {
            RankedList(example: part.examples[$0], ranking: rankings.lists[$0])
        }
        return PreparedTask(
            task: RRHFTask(lists: lists, objective: objective, costs: start.costs), inputs: [.coefficients: digest])
    }

    /// Orders the responses of lists and gives every ordered pair its weight.
    ///
    /// - Throws: `RDOError.artefact` when a coefficient file lacks pairs, `.data` when a row lacks its weight.
    private func ranked(
        _ examples: Rows<TokenizedExample>, _ sources: CoefficientSources, _ context: MethodContext
    ) throws -> Rankings {
        let differenceScores =
            settings.ranking == .difference ? try Self.scores(examples, sources, context) : nil
        func scores(_ index: Int, _ example: TokenizedExample) -> [Double] {
            differenceScores?[index] ?? example.listScores
        }
        let rankings = Rankings()
        guard settings.coefficients.use else {
            for (index, example) in examples.enumerated() {
                try rankings.append(Ranking(byScores: scores(index, example)))
            }
            return rankings
        }
        try sources.forEachDifference(of: examples) { index, example in
            ListRanking.pairs(scores(index, example)).map { (first: $0.better, second: $0.worse) }
        } do: { index, example, differences in
            let scores = scores(index, example)
            let column = try sources.column(example)
            let pairs = zip(ListRanking.pairs(scores), differences).map { pair, differences in
                let weight = sources.weight(differences, column: column)
                let (better, worse) = weight.isFlipped ? (pair.worse, pair.better) : (pair.better, pair.worse)
                return RankedPair(better: better, worse: worse, weight: weight.weight)
            }
            try rankings.append(Ranking(pairs: pairs, best: ListRanking.best(scores)))
        }
        sources.log(rankings.pairs.lazy.map(\.weight), context)
        return rankings
    }

    /// The scores whose differences are nearest to what the files say of every two responses.
    private static func scores(
        _ examples: Rows<TokenizedExample>, _ sources: CoefficientSources, _ context: MethodContext
    ) throws -> ScratchLists<Double> {
        let scores = ScratchLists<Double>()
        var (cycles, listsWithCycles) = (0, 0)
        try sources.forEachDifference(of: examples) {
            $1.comparisons
        } do: { _, example, differences in
            let matrix = DifferenceMatrix(count: example.responses.count) { i, j in
                // Of the comparisons, (i, j) is number i of those with j, after all that have an earlier one second.
                sources.rule.rewardDifference(differences[j * (j - 1) / 2 + i])
            }
            cycles += matrix.cycles
            listsWithCycles += matrix.cycles > 0 ? 1 : 0
            try scores.append(matrix.scores)
        }
        context.log.info(
            "ranking by reward differences: \(cycles) cycles of three responses in "
                + "\(listsWithCycles) of \(scores.count) lists")
        return scores
    }

    private func logTies(in rankings: Rankings, _ context: MethodContext) {
        let unranked = rankings.lists.count { $0.pairs.isEmpty }
        guard unranked > 0 else { return }
        context.log.warning(
            "\(unranked) of \(rankings.lists.count) lists have equally good responses only: of them the first is learned, nothing ranked"
        )
    }
}

package struct ListSettings: MethodSettings {
    /// What says which response of a list is better.
    package enum Ranking: String, SettingChoice { case scores, difference }

    package var training = TrainingSettings()
    package var ranking = Ranking.scores
    package var rankingWeight = 1.0
    package var length = LengthRule.tokens
    package var lengthExponent = 1.0
    package var ledger = false
    package var coefficients = CoefficientSettings()

    package init() { training.learningRate = 2e-5 }

    package static var fields: [Field<Self>] {
        TrainingSettings.fields(in: \.training) + [
            .value(
                \.ranking, "ranking",
                "What orders a list's responses: its scores, or the reward differences of the coefficient files."),
            .value(
                \.rankingWeight, "ranking_weight", .atLeast(0), "Weight of the ranking term beside the supervised one."),
            .value(
                \.length, "length",
                "What log-probabilities are divided by: the response's tokens, or the list's padded width as in the released "
                    + "code (docs/objectives.md)."),
            .value(
                \.lengthExponent, "length_exponent", .atLeast(0), "Power of that length when responses are compared."),
            .value(\.ledger, "ledger", ledgerHelp).cosmetic,
            .section(\.coefficients, "coefficients", "How reward differences weight the ordered pairs of a list."),
        ]
    }

    package var weighting: CoefficientSettings? { coefficients }

    package func validate(_ fail: (_ what: String, _ remedy: String) -> RDOError) throws {
        if coefficients.denominator == .weights {
            throw fail("rrhf.coefficients.denominator weights has no meaning: RRHF is a mean over lists", "remove it")
        }
    }
}

/// What is known of a list's responses before training.
struct Ranking {
    /// None when all responses are equally good: then the supervised term is alone.
    let pairs: [RankedPair]
    /// The response that the supervised term learns.
    let best: Int
}

struct RankedList {
    let example: TokenizedExample
    let ranking: Ranking

    var pairs: [RankedPair] { ranking.pairs }
    var best: Int { ranking.best }

    /// - Parameter policy: log-probability sums of the responses.
    func logProbabilities(_ policy: [Double]) -> ListLogProbabilities {
        ListLogProbabilities(policy: policy, tokens: example.responses.map(\.count), queryTokens: example.prompt.count)
    }
}

/// The rankings of any number of lists.
final class Rankings {
    private let ranked = ScratchLists<RankedPair>()
    private let best = ScratchColumn<Int>()

    init() {}

    /// Lists ordered by their own scores, every pair of weight 1.
    /// - Throws: `RDOError.artefact` when the temporary directory has no room.
    convenience init(byScoresOf examples: Rows<TokenizedExample>) throws {
        self.init()
        for example in examples { try append(Ranking(byScores: example.listScores)) }
    }

    /// - Throws: `RDOError.artefact` when the temporary directory has no room.
    func append(_ ranking: Ranking) throws {
        try ranked.append(ranking.pairs)
        try best.append(ranking.best)
    }

    var lists: Rows<Ranking> {
        Rows(count: best.count) { [self] in Ranking(pairs: ranked[$0], best: best[$0]) }
    }

    /// The pairs of all lists.
    var pairs: ScratchColumn<RankedPair> { ranked.elements }
}

extension Ranking {
    /// Every pair of weight 1.
    init(byScores scores: [Double]) {
        self.init(
            pairs: ListRanking.pairs(scores).map { RankedPair(better: $0.better, worse: $0.worse) },
            best: ListRanking.best(scores))
    }
}

package struct RRHFTask: ResponseTask {
    let lists: Rows<RankedList>
    let objective: RRHFObjective
    package let costs: CostModel

    package enum Figure: Int, StepFigure {
        case loss, ranking, supervised, pairs, correct, weight, zeroWeights, unranked, logpsBest
    }

    package var exampleCount: Int { lists.count }
    package func example(of sample: Sample) -> TokenizedExample { lists[sample.row].example }

    package func loss(_ samples: [Sample], outputs: [Double], denominator: Double) -> LeafLoss<Figure> {
        var gradients: [Double] = []
        var sums = FigureSums<Figure>()
        for sample in samples {
            let list = lists[sample.row]
            let own = Array(outputs[gradients.count..<(gradients.count + list.example.responses.count)])
            let result = objective.evaluate(list.logProbabilities(own), pairs: list.pairs, best: list.best)
            gradients += result.gradients.map { $0 / denominator }
            sums[.loss] += result.loss
            sums[.ranking] += result.lossRanking
            sums[.supervised] += result.lossSupervised
            sums[.pairs] += Double(list.pairs.count)
            sums[.correct] += Double(result.correctPairs)
            sums[.weight] += list.pairs.reduce(0) { $0 + $1.weight }
            sums[.zeroWeights] += Double(list.pairs.count { $0.weight == 0 })
            sums[.unranked] += list.pairs.isEmpty ? 1 : 0
            sums[.logpsBest] += own[list.best]
        }
        return LeafLoss(gradients: gradients, sums: sums)
    }

    package func visits(_ samples: [Sample], outputs: [[Double]], denominator: Double) -> [PairVisit] {
        zip(samples, outputs).flatMap { sample, outputs in
            let list = lists[sample.row]
            let terms = objective.terms(list.logProbabilities(outputs), pairs: list.pairs)
            return zip(list.pairs, terms).map { pair, term in
                PairVisit(
                    row: list.example.row, key: list.example.ledgerKey(pair.better, pair.worse), better: pair.better,
                    worse: pair.worse, coefficient: pair.weight, margin: term.margin, loss: term.loss,
                    gradientScale: (abs(term.gradientBetter) + abs(term.gradientWorse)) / 2 / denominator)
            }
        }
    }

    package func metrics(_ sums: FigureSums<Figure>, count: Int, denominator: Double) -> StepMetrics {
        // A batch whose lists are all of equally good responses has no pair to average over.
        func perPair(_ figure: Figure) -> Double? { sums[.pairs] > 0 ? sums[figure] / sums[.pairs] : nil }
        return [
            .loss: sums[.loss] / denominator, .lossRanking: sums[.ranking] / denominator,
            .lossSupervised: sums[.supervised] / denominator, .logpsBest: sums[.logpsBest] / Double(count),
            .unrankedShare: sums[.unranked] / Double(count), .accuracy: perPair(.correct),
            .coefficientMean: perPair(.weight), .coefficientZeroShare: perPair(.zeroWeights),
        ]
    }

    package func trace(_ samples: [Sample], outputs: [[Double]]) -> TraceRecord {
        let drawn = samples.map { lists[$0.row] }
        return [
            .pairs: drawn.map { $0.pairs.map { [$0.better, $0.worse] } },
            .coefficients: drawn.map { $0.pairs.map(\.weight) }, .best: drawn.map(\.best), .logps: outputs,
            .tokens: drawn.map { $0.example.responses.map(\.count) },
            .queryTokens: drawn.map(\.example.prompt.count),
        ]
    }
}
